import io

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from ucvgl.images.exif import Exif, exif_of


def photo(size=(36, 24), kind="JPEG", **tags) -> bytes:
    exif, file = Image.Exif(), io.BytesIO()
    if "focal" in tags:
        exif.get_ifd(0x8769)[0xA405] = tags["focal"]
    if "looks" in tags:
        exif.get_ifd(0x8825)[17] = tags["looks"]
    Image.new("RGB", size).save(file, kind, exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_the_angle_across_the_longer_side_and_the_heading(kind):
    """A film of 36 mm behind a lens of 18 mm sees a right angle, lying or standing."""
    for size in ((36, 24), (24, 36)):
        found = exif_of(photo(size, kind, focal=18, looks=271.5))
        assert found.fov_deg == pytest.approx(90) and found.heading_deg == pytest.approx(271.5)


def test_another_shape_has_the_same_diagonal():
    """Across the diagonal, 43.27 mm, all shapes of one focal length see as much."""
    assert exif_of(photo((40, 40), focal=18)).fov_deg == pytest.approx(80.72, abs=0.01)


@pytest.mark.parametrize("data", [b"", b"hello", photo(), photo()[:40], photo(focal=0, looks=720.0)])
def test_nothing_or_nonsense_says_nothing(data):
    assert exif_of(data) == Exif()


def test_a_fraction_of_nothing_is_no_heading():
    assert exif_of(photo(looks=IFDRational(1, 0))) == Exif()
