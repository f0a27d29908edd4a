import numpy as np
import pytest
from areas import pictures, pixels_of

from ucvgl.data.decode import BadImage, resize
from ucvgl.localize.seen import pixels, seen


def test_every_form_of_an_image_is_seen_alike(tmp_path):
    (path,) = pictures(tmp_path, 1, (32, 128), seed=0)
    whole = pixels_of(path)
    for form in (path, str(path), path.read_bytes(), np.ascontiguousarray(whole)):
        np.testing.assert_array_equal(pixels(form), whole)
        np.testing.assert_array_equal(seen(form, (16, 64)), resize(whole, 16, 64))


@pytest.mark.parametrize("wrong", [np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 3))])
def test_pixels_of_another_kind_are_refused(wrong):
    with pytest.raises(ValueError, match=r"pixels must be RGB, uint8 \[height, width, 3\]"):
        pixels(wrong)


def test_bytes_that_are_no_image_are_called_what_the_caller_calls_them():
    with pytest.raises(BadImage, match="the upload: not an image"):
        pixels(b"hello", "the upload")
