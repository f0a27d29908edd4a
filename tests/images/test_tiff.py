"""TIFFs that are no pictures are told of with their kind; those that are decode to what was written."""

from __future__ import annotations

import struct
import subprocess
import sys
from io import BytesIO
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import AppendingTiffWriter

from ucvgl.images.decode import BadImage, decode
from ucvgl.images.tiff import not_a_picture

FORMATS = {"u": 1, "i": 2, "f": 3}


def tiff(pixels: np.ndarray, *, apart: bool = False, order: Literal["<", ">"] = "<", more: int = 0) -> bytes:
    """An uncompressed TIFF of an array `h w c`.

    Args:
        apart: each channel in a plane of its own.
        more: unknown tags that all claim the whole of the pixels.
    """
    h, w, c = pixels.shape
    data = (pixels.transpose(2, 0, 1) if apart else pixels).astype(pixels.dtype.newbyteorder(order)).tobytes()
    strips = c if apart else 1
    each = len(data) // strips
    shorts = {258: [8 * pixels.itemsize] * c, 259: [1], 262: [2 if c > 2 else 1], 277: [c], 284: [1 + apart],
              339: [FORMATS[pixels.dtype.kind]] * c}  # fmt: skip
    if extra := c - (3 if c > 2 else 1):
        shorts[338] = [0] * extra
    longs = {256: [w], 257: [h], 278: [h], 279: [each] * strips, 273: [0] * strips}
    tags = {**{tag: ("H", numbers) for tag, numbers in shorts.items()},
            **{tag: ("I", numbers) for tag, numbers in longs.items()}}  # fmt: skip
    beside = 8 + 2 + 12 * (len(tags) + more) + 4
    after = beside + sum(n for code, numbers in tags.values() if (n := struct.calcsize(code) * len(numbers)) > 4)
    tags[273] = "I", [after + each * strip for strip in range(strips)]
    entries, values = b"", b""
    for tag, (code, numbers) in sorted(tags.items()):
        raw = struct.pack(f"{order}{len(numbers)}{code}", *numbers)
        where = raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack(f"{order}I", beside + len(values))
        values += raw if len(raw) > 4 else b""
        entries += struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[code], len(numbers)) + where
    entries += b"".join(struct.pack(f"{order}HHII", 40000 + tag, 7, len(data), after) for tag in range(more))
    start = b"II*\0" if order == "<" else b"MM\0*"
    head = struct.pack(f"{order}IH", 8, len(tags) + more)
    return start + head + entries + bytes(4) + values + data


def pixels(channels: int, kind: str) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 120, (6, 8, channels)).astype(kind)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_a_picture_is_what_was_written(channels: int, kind: str, order: Literal["<", ">"]) -> None:
    image = pixels(channels, kind)
    shown = image[..., :3] if channels > 2 else np.repeat(image, 3, axis=2)
    np.testing.assert_array_equal(decode(tiff(image, order=order), "a.tif"), shown)


def test_planes_of_bytes_are_put_together() -> None:
    image = pixels(3, "uint8")
    np.testing.assert_array_equal(decode(tiff(image, apart=True), "a.tif"), image)


@pytest.mark.parametrize(
    ("channels", "kind", "apart", "words"),
    [
        (1, "int32", False, "a TIFF of 1 channel of 32-bit signed numbers: write it as RGB or grey of 8 or 16 bits"),
        (1, "float32", False, "1 channel of 32-bit floating-point numbers"),
        (1, "float64", False, "1 channel of 64-bit floating-point numbers"),
        (1, "float16", False, "1 channel of 16-bit floating-point numbers"),
        (1, "int16", False, "1 channel of 16-bit signed numbers"),
        (3, "uint32", False, "3 channels of 32-bit unsigned numbers"),
        (8, "uint8", False, "8 channels of 8-bit unsigned numbers"),
        (3, "uint16", True, "3 channels, each in a plane of its own, of 16-bit unsigned numbers"),
        (2, "uint16", True, "2 channels, each in a plane of its own, of 16-bit unsigned numbers"),
        (2, "uint16", False, "2 channels of 16-bit unsigned numbers"),
        (4, "uint8", True, "4 channels, each in a plane of its own, of 8-bit unsigned numbers"),
    ],
)
def test_another_kind_is_told_of_as_what_it_is(channels: int, kind: str, apart: bool, words: str) -> None:
    with pytest.raises(BadImage, match=words):
        decode(tiff(pixels(channels, kind), apart=apart), "a.tif")


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("packed", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("alpha", [0, 100, 255])
def test_an_alpha_is_dropped_and_multiplies_nothing(alpha: int, packed: str, big: bool) -> None:
    image, file = pixels(3, "uint8"), BytesIO()
    with_alpha = Image.fromarray(np.dstack([image, np.full(image.shape[:2], alpha, np.uint8)]))
    with_alpha.save(file, "TIFF", compression=packed, big_tiff=big)
    np.testing.assert_array_equal(decode(file.getvalue(), "a.tif"), image)


def test_a_whole_tiff_that_is_packed_in_a_way_that_is_not_read_is_not_called_damaged() -> None:
    for packed, name in (("zstd", "Zstandard"), ("lzma", "LZMA")):
        file = BytesIO()
        Image.fromarray(pixels(3, "uint8")).save(file, "TIFF", compression=packed)
        with pytest.raises(BadImage, match=f"a TIFF packed by {name}, which is not read: pack it by LZW or Deflate"):
            decode(file.getvalue(), "a.tif")


@pytest.mark.parametrize("size", range(8, 220, 7))
def test_a_tiff_with_an_alpha_that_is_cut_anywhere_is_told_of_as_cut(size: int) -> None:
    file = BytesIO()
    Image.fromarray(pixels(4, "uint8")).save(file, "TIFF")
    with pytest.raises(BadImage, match="cut off or damaged"):
        decode(file.getvalue()[:size], "a.tif")


@pytest.mark.parametrize("pages", [2, 3, 40])
@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_of_several_pages_does_not_pass_for_its_first(pages: int, big: bool) -> None:
    file, page = BytesIO(), Image.fromarray(pixels(3, "uint8"))
    page.save(file, "TIFF", save_all=True, append_images=[page] * (pages - 1), big_tiff=big)
    words = f"a TIFF of {pages if pages < 16 else '16 or more'} pages: save each as a file of its own"
    with pytest.raises(BadImage, match=words):
        decode(file.getvalue(), "a.tif")


@pytest.mark.parametrize(("kinds", "words"), [
    ((0, 1, 1), ""), ((0, 4), ""), ((0, 5, 1), ""), ((0, 0, 1), "a TIFF of 2 pages"), ((0, 2), "a TIFF of 2 pages"),
    ((1, 0), "a TIFF whose first page is a small copy or a mask of a later one"),
])  # fmt: skip
def test_smaller_copies_and_masks_are_no_pages(kinds: tuple[int, ...], words: str) -> None:
    file, page = BytesIO(), Image.fromarray(pixels(3, "uint8"))
    infos = [{254: kind} for kind in kinds]
    with AppendingTiffWriter(file) as writer:
        for info in infos:
            page.save(writer, "TIFF", tiffinfo=info)
            writer.newFrame()
    assert not_a_picture(file.getvalue()).startswith(words) and bool(words) == bool(not_a_picture(file.getvalue()))


def test_a_chain_of_pages_that_bites_its_tail_ends() -> None:
    data = bytearray(tiff(pixels(3, "uint8")))
    (tags,) = struct.unpack_from("<H", data, 8)
    struct.pack_into("<I", data, 10 + 12 * tags, 8)
    assert "pages" in not_a_picture(bytes(data)) or decode(bytes(data), "a.tif").shape == (6, 8, 3)


def test_no_tiff_and_a_cut_one_are_left_to_the_decoder() -> None:
    assert not_a_picture(b"\x89PNG") == not_a_picture(tiff(pixels(1, "float32"))[:40]) == ""


def test_a_thousand_tags_that_claim_more_than_there_is_leave_no_lines_on_the_terminal() -> None:
    code = (
        "import sys; from ucvgl.images.decode import BadImage, decode\n"
        "try: decode(sys.stdin.buffer.read(), 'a.tif')\n"
        "except BadImage: pass"
    )
    ended = subprocess.run([sys.executable, "-c", code], input=tiff(pixels(3, "uint8"), more=1000), capture_output=True)
    assert (ended.returncode, ended.stderr) == (0, b"")
