"""An image that asks for too much of a machine is refused before a decoder sees it."""

import io
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from ucvgl.images import bounds, decode
from ucvgl.images.bounds import MAX_SCANS, MAX_SIDE, too_many_scans
from ucvgl.images.decode import BadImage, load

IMAGE = np.random.default_rng(0).integers(0, 256, (16, 32, 3), np.uint8)


def progressive(scans: int) -> bytes:
    """A JPEG whose last scan, a refinement of nothing, comes again and again."""
    file = io.BytesIO()
    Image.fromarray(IMAGE).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    starts = [at for at in range(len(data) - 1) if data[at : at + 2] == bounds.SCAN]
    return data[:-2] + data[starts[-1] : -2] * (scans - len(starts)) + data[-2:]


def test_a_jpeg_of_many_scans_is_refused_whatever_its_size():
    assert decode.decode(progressive(10), "a").shape == IMAGE.shape
    with pytest.raises(BadImage, match=f"a.jpg: more than {MAX_SCANS} scans: save it anew"):
        decode.decode(progressive(3000), "a.jpg")


@pytest.mark.parametrize("scans", [10, MAX_SCANS, MAX_SCANS + 1, 500])
def test_scans_are_counted_and_what_a_profile_happens_to_hold_is_not(scans):
    whole = progressive(scans)
    segment = b"ICC_PROFILE\0" + bounds.SCAN * 1000
    with_profile = whole[:2] + b"\xff\xe2" + struct.pack(">H", len(segment) + 2) + segment + whole[2:]
    for data in (whole, with_profile, with_profile + bounds.SCAN * 1000):
        assert bool(too_many_scans(data)) == (scans > MAX_SCANS)


@pytest.mark.parametrize("sides", [(2, MAX_SIDE + 1), (MAX_SIDE + 1, 2)])
@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_a_side_that_opencv_cannot_remap_is_refused(sides, ending):
    data = cv2.imencode(ending, np.zeros((*sides, 3), np.uint8))[1].tobytes()
    with pytest.raises(BadImage, match=f"a side of {MAX_SIDE + 1} pixels, more than {MAX_SIDE}: shrink it first"):
        decode.decode(data, "a")


def test_a_kind_that_nobody_asked_for_reaches_no_decoder():
    file = io.BytesIO()
    Image.fromarray(IMAGE).save(file, "GIF")
    for data, reason in (
        (file.getvalue(), "GIF, whatever its name says, which is not read: save it as PNG or JPEG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC, whatever its name says"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", "not an image"),
        (b"#?RADIANCE\n", "not an image"),
    ):
        with pytest.raises(BadImage, match=reason):
            decode.decode(data, "a")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(OSError, match="it is no regular file"):
        load(str(tmp_path / "a.jpg"))
    with pytest.raises(OSError, match="it is no regular file"):
        load("/dev/zero")


def test_a_file_larger_than_any_image_is_not_read(tmp_path):
    path = tmp_path / "a.jpg"
    with path.open("wb") as sparse:
        sparse.truncate(3 * 10**9)
    with pytest.raises(OSError, match="it has 3,000 MB, more than 268"):
        load(str(path))


@pytest.mark.parametrize("name", ["a\0b.jpg", "\udcff.jpg", "x" * 5000])
def test_a_name_that_cannot_be_is_an_error_of_that_file_alone(name):
    with pytest.raises(OSError):
        load(f"/tmp/{name}")


def chunk(kind: bytes, held: bytes = b"") -> bytes:
    return struct.pack(">I", len(held)) + kind + held + struct.pack(">I", zlib.crc32(kind + held))


PNG = cv2.imencode(".png", IMAGE[..., ::-1])[1].tobytes()
JPEG = cv2.imencode(".jpg", IMAGE)[1].tobytes()


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**24))),
        chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(2**24))),
        chunk(b"tEXt", b"k\0") * 5000, chunk(b"abCd") * 5000, chunk(b"zTXt", b"k\0\0broken"), chunk(b"gAMA") * 3,
    ],
    ids=["text", "profile", "texts", "unknown", "broken text", "gammas"],
)  # fmt: skip
@pytest.mark.parametrize("at", [33, -12])
def test_what_a_png_holds_beside_its_picture_reaches_no_decoder(extra, at, capfd):
    image = decode.decode(PNG[:at] + extra + PNG[at:], "a")
    assert np.array_equal(image, IMAGE) and capfd.readouterr().err == ""


def test_a_png_that_unpacks_to_more_than_its_header_says_is_refused(monkeypatch):
    at = PNG.index(b"IDAT") - 4
    bomb = PNG[:at] + chunk(b"IDAT", zlib.compress(bytes(2**28))) + PNG[-12:]
    with pytest.raises(BadImage, match="damaged .it unpacks to more than its header says"):
        decode.decode(bomb, "a")
    monkeypatch.setattr("ucvgl.images.chunks.UNCOUNTED", 0)
    assert np.array_equal(decode.decode(PNG, "a"), IMAGE)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (PNG[:33] + chunk(b"tEXt") * 100_001 + PNG[33:], "more than 100,000 chunks"),
        (JPEG[:2] + b"\xff\xfe\0\2" * 10_001 + JPEG[2:], "more than 10,000 parts"),
        (JPEG[:2] + (b"\xff\xe1\xff\xff" + bytes(65533)) * 300 + JPEG[2:], "more than 16 MB come before its picture"),
        (JPEG[:2] + b"\xff" * 2**24 + JPEG[2:], "more than 16 MB come before its picture"),
        (b"RIFF" + struct.pack("<I", 4 + 8 * 10_001) + b"WEBP" + b"abcd\0\0\0\0" * 10_001, "more than 10,000 parts"),
    ],
    ids=["png", "segments", "exif", "filling", "webp"],
)  # fmt: skip
def test_an_image_that_holds_little_but_headers_is_refused(data, reason):
    with pytest.raises(BadImage, match=reason):
        decode.decode(data, "a")


def test_an_image_of_sixteen_bits_may_have_half_as_many_pixels(monkeypatch):
    monkeypatch.setattr(bounds, "MAX_PIXELS", 700)
    assert decode.decode(PNG, "a").shape == IMAGE.shape
    for ending in (".png", ".tif"):
        deep = cv2.imencode(ending, IMAGE.astype(np.uint16) << 8)[1].tobytes()
        with pytest.raises(BadImage, match="of 16 bits: shrink it first"):
            decode.decode(deep, "a")


def test_a_large_webp_of_a_few_bytes_is_refused_by_its_header():
    """Of the lossy one the header says 13,000 x 13,000 pixels, of which libwebp would make up nearly all."""
    small = io.BytesIO()
    Image.new("RGB", (64, 64), (9, 99, 200)).save(small, "WEBP", quality=50)
    lossy = bytearray(small.getvalue())
    at = lossy.index(b"\x9d\x01\x2a") + 3
    lossy[at : at + 4] = struct.pack("<HH", 13_000, 13_000)
    small = io.BytesIO()
    Image.new("RGB", (64, 64), (9, 99, 200)).save(small, "WEBP", lossless=True)
    lossless = bytearray(small.getvalue())
    lossless[21:25] = struct.pack("<I", 12_999 | 12_999 << 14)
    canvas = b"VP8X\x0a\0\0\0" + bytes(4) + 2 * (12_999).to_bytes(3, "little") + lossy[12:]
    extended = b"RIFF" + struct.pack("<I", 4 + len(canvas)) + b"WEBP" + canvas
    for data in map(bytes, (lossy, lossless, extended)):
        with pytest.raises(BadImage, match=f"it says 13000 x 13000 pixels, and has {len(data)} bytes"):
            decode.decode(data, "x.webp")
    even = io.BytesIO()
    Image.new("RGB", (1024, 1024), (9, 99, 200)).save(even, "WEBP", lossless=True)
    assert decode.decode(even.getvalue(), "x.webp").shape == (1024, 1024, 3)
