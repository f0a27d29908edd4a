import io
import struct
import zlib
from contextlib import suppress

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from ucvgl.images.decode import BadImage, decode, resize

SMOOTH = cv2.resize(
    np.random.default_rng(0).integers(0, 256, (6, 12, 3), dtype=np.uint8),
    (240, 120),
    interpolation=cv2.INTER_CUBIC,
)
LARGE = cv2.resize(SMOOTH, (1024, 512), interpolation=cv2.INTER_CUBIC)
"""512 x 1024."""


def encoded(image: np.ndarray, form: str, mode: str = "RGB", **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).convert(mode).save(file, form, **options)
    return file.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_a_lossless_image_comes_back_exactly_as_rgb(form):
    np.testing.assert_array_equal(decode(encoded(SMOOTH, form), "a"), SMOOTH)


@pytest.mark.parametrize("form,mode", [("JPEG", "RGB"), ("JPEG", "CMYK"), ("WEBP", "RGB")])
def test_a_lossy_image_comes_back_nearly_in_the_right_colours(form, mode):
    assert np.abs(decode(encoded(SMOOTH, form, mode, quality=95), "a") - SMOOTH.astype(int)).mean() < 3


def test_grey_becomes_three_equal_channels():
    image = decode(encoded(SMOOTH, "PNG", "L"), "a")
    np.testing.assert_array_equal(
        image, np.repeat(np.array(Image.fromarray(SMOOTH).convert("L"))[..., None], 3, 2)
    )


def test_sixteen_bits_become_eight():
    deep = cv2.imencode(".png", SMOOTH[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    np.testing.assert_array_equal(decode(deep, "a"), SMOOTH)


def test_alpha_is_dropped():
    clear = np.dstack([SMOOTH, np.zeros(SMOOTH.shape[:2], np.uint8)])
    file = io.BytesIO()
    Image.fromarray(clear).save(file, "PNG")
    np.testing.assert_array_equal(decode(file.getvalue(), "a"), SMOOTH)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(SMOOTH, "JPEG", exif=exif)
    upright = np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert np.abs(decode(data, "a").astype(int) - upright).max() <= 2


@pytest.mark.parametrize(
    "form,options", [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {})]
)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_a_file_cut_off_anywhere_is_refused(form, options, share):
    whole = encoded(SMOOTH, form, **options)
    with pytest.raises(BadImage, match=r"panos/7\.jpg: "):
        decode(whole[: int(len(whole) * share)], "panos/7.jpg")


def test_a_cut_jpeg_is_refused_although_its_thumbnail_has_an_end_marker():
    thumbnail = encoded(SMOOTH[::4, ::4].copy(), "JPEG")
    segment = b"Exif\x00\x00" + thumbnail
    whole = encoded(SMOOTH, "JPEG")
    with_thumbnail = whole[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + whole[2:]
    assert decode(with_thumbnail, "a").shape == SMOOTH.shape
    with pytest.raises(BadImage, match="cut off: a JPEG without an end marker"):
        decode(with_thumbnail[:-600], "a")


@pytest.mark.parametrize("damage", ["hole", "zeros", "end marker too soon"])
def test_a_jpeg_damaged_in_its_middle_is_refused_although_opencv_would_fill_it_with_garbage(damage):
    whole = encoded(LARGE, "JPEG", quality=95)
    half = len(whole) // 2
    broken = {
        "hole": whole[:half] + whole[half + 5000 :],
        "zeros": whole[:half] + bytes(5000) + whole[half + 5000 :],
        "end marker too soon": whole[:half] + b"\xff\xd9",
    }[damage]
    assert cv2.imdecode(np.frombuffer(broken, np.uint8), cv2.IMREAD_COLOR_RGB) is not None
    with pytest.raises(BadImage, match=r"damaged \((premature end|\d+ extraneous bytes)"):
        decode(broken, "a.jpg")


def test_a_few_odd_bytes_before_the_end_marker_do_no_harm():
    whole = encoded(LARGE, "JPEG", quality=95)
    np.testing.assert_array_equal(decode(whole[:-2] + b"\x00\x00\x00" + whole[-2:], "a"), decode(whole, "a"))


@pytest.mark.parametrize("form", ["WEBP", "BMP"])
@pytest.mark.parametrize("more", [-1, 1, 64])
def test_a_form_without_checksums_is_refused_where_it_is_not_as_long_as_its_header_says(form, more):
    whole = encoded(SMOOTH, form)
    middle = len(whole) // 2
    data = whole[:middle] + bytes(more) + whole[middle:] if more > 0 else whole[:middle] + whole[middle - more :]
    assert decode(whole, "a").shape == SMOOTH.shape
    with pytest.raises(BadImage, match=f"{len(data)} bytes, and its header says {len(whole)}"):
        decode(data, "a")


def test_what_libjpeg_merely_finds_odd_is_decoded_and_all_else_that_it_says_is_damage():
    whole = encoded(SMOOTH, "JPEG", progressive=True)
    odd = whole.replace(b"JFIF\0\1", b"JFIF\0\7")
    np.testing.assert_array_equal(decode(odd, "a"), decode(whole, "a"))
    scans = [at for at in range(len(whole)) if whole[at : at + 2] == b"\xff\xda"]
    for what, damaged in (
        ("3 extraneous bytes", whole[: scans[2]] + b"abc" + whole[scans[2] :]),
        ("Unsupported marker", whole[: scans[2] + 20] + b"\xff\x6c\0\2" + whole[scans[2] + 20 :]),
        ("two SOI", whole[: scans[2]] + b"\xff\xd8" + whole[scans[2] :]),
    ):
        with pytest.raises(BadImage, match=f"damaged .*{what}"):
            decode(damaged, "a")


def test_a_jpeg_in_cmyk_is_damaged_as_any_other():
    whole = encoded(SMOOTH, "JPEG", "CMYK")
    assert np.abs(decode(whole, "a").astype(int) - SMOOTH).mean() < 8
    with pytest.raises(BadImage, match="damaged"):
        decode(whole[:-900] + bytes(300) + whole[-600:], "a")


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_stray_bytes_before_the_end_of_a_jpeg_change_no_pixel_and_hide_no_damage(mode: str, capfd):
    whole = encoded(SMOOTH, "JPEG", mode)
    seen = cv2.imdecode(np.frombuffer(whole, np.uint8), cv2.IMREAD_COLOR_RGB)
    for stray in (b"1", bytes(9), b"\xff" * 9, b"123456789"):
        np.testing.assert_array_equal(decode(whole[:-2] + stray + whole[-2:], "a"), seen)
    for damaged in (whole[:-62], whole[:-900] + bytes(300) + whole[-600:-2], whole[:-2] + bytes(40)):
        with pytest.raises(BadImage, match="damaged"):
            decode(damaged + b"123456789" + whole[-2:], "a")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_no_decoder_prints_a_line_of_its_own_for_an_accident(kind: str, capfd: pytest.CaptureFixture[str]):
    whole = encoded(SMOOTH, kind)
    for at in range(8, len(whole), len(whole) // 50):
        flipped = bytes([whole[at] ^ 1])
        for data in (whole[:at], whole[:at] + flipped + whole[at + 1 :], whole[:at] + bytes(9) + whole[at:]):
            with suppress(BadImage):
                decode(data, "a")
    decode(encoded(SMOOTH, "JPEG").replace(b"JFIF\0\1", b"JFIF\0\7"), "a")
    decode(encoded(SMOOTH, "JPEG")[:-2] + b"123456789\xff\xd9", "a")
    assert capfd.readouterr() == ("", "")


def test_fill_bytes_between_the_segments_of_a_jpeg_do_no_harm():
    whole = encoded(SMOOTH, "JPEG")
    np.testing.assert_array_equal(decode(whole[:2] + b"\xff\xff" + whole[2:], "a"), decode(whole, "a"))


def test_a_jpeg_is_decoded_as_opencv_does_it():
    data = encoded(LARGE, "JPEG")
    np.testing.assert_array_equal(decode(data, "a"), cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB))


@pytest.mark.parametrize(
    ("enough", "shape"),
    [((256, 512), (256, 512)), ((100, 100), (256, 512)), ((257, 512), (512, 1024)), ((256, 513), (512, 1024))],
)
def test_a_large_jpeg_comes_at_half_its_size_where_that_is_enough(enough, shape):
    image = decode(encoded(LARGE, "JPEG", quality=95), "a", enough=enough)
    assert image.shape[:2] == shape
    assert np.abs(image - resize(LARGE, *shape).astype(int)).mean() < 3


def test_a_small_or_odd_jpeg_or_another_form_comes_as_large_as_it_is():
    for image, form in ((SMOOTH, "JPEG"), (LARGE[:511], "JPEG"), (LARGE[:, :1023], "JPEG"), (LARGE, "PNG")):
        whole = encoded(np.ascontiguousarray(image), form)
        np.testing.assert_array_equal(decode(whole, "a", enough=(8, 8)), decode(whole, "a"))


def test_what_is_enough_is_meant_of_the_upright_image():
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = encoded(LARGE, "JPEG", exif=exif)
    assert decode(lying, "a", enough=(512, 256)).shape[:2] == (512, 256)
    assert decode(lying, "a", enough=(256, 512)).shape[:2] == (1024, 512)


def test_bytes_after_the_end_of_a_jpeg_do_no_harm():
    assert decode(encoded(SMOOTH, "JPEG") + b"appended by a camera", "a").shape == SMOOTH.shape


@pytest.mark.parametrize(
    "data,reason",
    [
        (b"", "empty file"),
        (b"\xff\xd8\xff\xe0 and no more", "not a whole JPEG"),
        (b"<!DOCTYPE html><title>404</title>", "not an image .it begins with b'<!DOCTYPE ht"),
        (png_that_claims(40_000, 40_000), "larger than 178 Mpx: shrink it first"),
    ],
)
def test_what_is_no_usable_image_is_refused_with_the_reason(data, reason):
    with pytest.raises(BadImage, match=reason) as caught:
        decode(data, "a.jpg")
    assert caught.value.uri == "a.jpg"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF"]), st.integers(0, 3000), st.binary(max_size=40))
def test_damage_anywhere_gives_an_image_or_a_reason_and_nothing_else(form, place, damage):
    data = bytearray(encoded(SMOOTH[:40, :60].copy(), form))
    data[place : place + len(damage)] = damage
    try:
        image = decode(bytes(data), "a")
    except BadImage as error:
        assert error.reason
    else:
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3


def test_a_bad_image_survives_the_way_between_processes():
    import pickle

    error = pickle.loads(pickle.dumps(BadImage("a.jpg", "empty")))
    assert (error.uri, error.reason) == ("a.jpg", "empty")


def test_shrinking_averages_areas():
    image = np.random.default_rng(1).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    means = image.reshape(4, 2, 4, 3, 3).mean(axis=(1, 3))
    assert np.abs(resize(image, 4, 4) - means).max() <= 0.5 + 1e-6


def test_a_large_image_is_averaged_in_two_steps_and_looks_the_same():
    noise = np.random.default_rng(1).integers(0, 256, (600, 1200, 3), dtype=np.uint8)
    at_once = cv2.resize(noise, (180, 90), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(resize(noise, 90, 180) - at_once).mean() < 4  # white noise is the worst case
    means = noise.reshape(150, 4, 300, 4, 3).mean(axis=(1, 3))
    assert np.abs(resize(noise, 150, 300) - means).max() <= 1


def test_a_large_image_that_shrinks_a_little_misses_no_pixel_and_looks_as_if_averaged():
    averaged = cv2.resize(LARGE, (768, 384), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(resize(LARGE, 384, 768) - averaged).max() <= 2
    dots = np.zeros((512, 1024, 3), np.uint8)
    dots[::16, ::16] = 255
    seen = resize(dots, 384, 768).reshape(32, 12, 64, 12, 3).max(axis=(1, 3))
    assert seen.min() > 30, "a pixel was passed over"
    noise = np.random.default_rng(1).integers(0, 256, (512, 1024, 3), dtype=np.uint8)
    by_a_half = cv2.resize(noise, (680, 340), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(resize(noise, 340, 680), by_a_half)  # 1.506: every pixel counts alike
    small = noise[:240]
    np.testing.assert_array_equal(resize(small, 180, 768), cv2.resize(small, (768, 180), interpolation=cv2.INTER_AREA))


def test_an_axis_that_shrinks_is_averaged_while_the_other_grows():
    stripes = np.zeros((4, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.abs(resize(stripes, 16, 8).astype(int) - 100).max() <= 1


def test_an_image_of_the_right_size_is_left_alone():
    np.testing.assert_array_equal(resize(SMOOTH, 120, 240), SMOOTH)


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize(("top", "brightest"), [(200, 200), (1000, 250), (3000, 187), (10000, 156), (65535, 255)])
@pytest.mark.parametrize("grey", [False, True])
def test_sixteen_bits_of_which_few_are_used_are_not_nearly_black(ending, top, brightest, grey, caplog, monkeypatch):
    """The oracle: what each pixel is of the power of two above the brightest."""
    monkeypatch.setattr("ucvgl.images.decode.TOLD", [])
    deep = np.random.default_rng(0).integers(0, top + 1, (32, 32, 3)).astype(np.uint16)
    deep[0, 0] = top
    deep = deep[..., :1].repeat(3, axis=2) if grey else deep
    written = cv2.imencode(ending, deep[..., 0] if grey else deep[..., ::-1])[1].tobytes()
    power = 2 ** max(8, int(top).bit_length())
    expected = (deep.astype(np.int64) * 256 // power).astype(np.uint8)
    for _ in range(2):
        np.testing.assert_array_equal(decode(written, "a"), expected)
    assert expected.max() == brightest
    assert caplog.text.count("a has 16 bits and uses 0 to ") == (top < 2**15)


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("odd", [65535, 60000])
@pytest.mark.parametrize("count", [1, 15])
def test_some_saturated_pixels_do_not_make_an_image_of_16_bits_black(ending, odd, count):
    deep = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint16)
    deep[50, :count] = odd
    expected = np.minimum(deep, 255).astype(np.uint8)
    np.testing.assert_array_equal(decode(cv2.imencode(ending, deep[..., ::-1])[1].tobytes(), "a"), expected)


def test_a_border_where_nothing_was_measured_tells_nothing_of_the_range():
    deep = np.random.default_rng(0).integers(200, 2001, (64, 64, 3)).astype(np.uint16)
    deep[:20], deep[-20:] = 65535, 0
    seen = decode(cv2.imencode(".tif", deep[..., ::-1])[1].tobytes(), "a")
    np.testing.assert_array_equal(seen[20:-20], deep[20:-20] >> 3)
    assert (seen[:20] == 255).all() and (seen[-20:] == 0).all()


def test_numbers_far_from_0_and_near_each_other_are_counted_from_the_lowest(caplog, monkeypatch):
    monkeypatch.setattr("ucvgl.images.decode.TOLD", [])
    deep = (40000 + np.random.default_rng(0).permutation(64 * 64 * 3).reshape(64, 64, 3) % 1000).astype(np.uint16)
    seen = decode(cv2.imencode(".png", deep[..., ::-1])[1].tobytes(), "a")
    assert len(np.unique(seen)) > 240 and "a has 16 bits and uses 40000 to 409" in caplog.text
    order = np.argsort(deep, axis=None)
    assert (np.diff(seen.reshape(-1)[order].astype(int)) >= 0).all(), "brighter stays brighter"


@pytest.mark.parametrize("deep", [np.full((8, 8, 3), 40000), 40000 + np.arange(192).reshape(8, 8, 3) % 7])
def test_nearly_one_brightness_of_16_bits_stays_one_brightness(deep):
    seen = decode(cv2.imencode(".png", deep.astype(np.uint16))[1].tobytes(), "a")
    assert (seen == 40000 >> 8).all()


@pytest.mark.parametrize("value", [0, 65535])
def test_an_image_of_16_bits_where_nothing_was_measured_is_black_or_white(value):
    seen = decode(cv2.imencode(".png", np.full((8, 8, 3), value, np.uint16))[1].tobytes(), "a")
    assert (seen == value >> 8).all()


def test_floating_point_numbers_are_refused_and_not_made_black():
    whole = cv2.imencode(".tif", np.random.default_rng(0).random((32, 32)).astype(np.float32))[1].tobytes()
    with pytest.raises(BadImage, match="1 channel of 32-bit floating-point numbers"):
        decode(whole, "a")


def test_a_bit_that_changed_anywhere_in_a_png_changes_no_pixel_unnoticed():
    whole, refused = encoded(SMOOTH, "PNG"), 0
    begins, ends = whole.index(b"IHDR"), len(whole) - 12
    for at in range(begins, ends, 11):
        damaged = whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]
        try:
            np.testing.assert_array_equal(decode(damaged, "a"), SMOOTH)
        except BadImage:
            refused += 1
    assert refused > 0.9 * (ends - begins) / 11


def test_colours_that_decoders_read_in_different_ways_are_refused():
    lab = Image.merge("LAB", [Image.new("L", (4, 4), 100)] * 3)
    file = io.BytesIO()
    lab.save(file, "TIFF")
    with pytest.raises(BadImage, match="its colours are in Lab: save it as RGB"):
        decode(file.getvalue(), "a.tif")


@pytest.mark.parametrize(("form", "more"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_an_animation_does_not_pass_for_its_first_picture(form, more):
    file, frames = io.BytesIO(), [Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in (0, 100, 200)]
    frames[0].save(file, form, save_all=True, append_images=frames[1:], **more)
    with pytest.raises(BadImage, match="an animation of 3 pictures: save the one that is meant"):
        decode(file.getvalue(), "a")
