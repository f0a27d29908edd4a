import numpy as np
import pytest

from tests.index.areas import pictures, pixels_of
from ucvgl.images.decode import BadImage, resize
from ucvgl.projection.birdseye import birds_eye
from ucvgl.projection.preprocessing import (
    apart,
    pixels,
    preprocessed,
    query_of,
    query_preprocessing,
    sheet_size,
    whole_image,
)
from ucvgl.settings.experiment import Projection


def test_every_form_of_an_image_is_seen_alike(tmp_path):
    (path,) = pictures(tmp_path, 1, (32, 128), seed=0)
    whole = pixels_of(path)
    for form in (path, str(path), path.read_bytes(), np.ascontiguousarray(whole)):
        np.testing.assert_array_equal(pixels(form), whole)
        query = query_of(form, whole_image((16, 64)))
        assert query.photo is query.panorama, "as nobody says that its middle looks elsewhere than to north"
        np.testing.assert_array_equal(query.panorama, whole)
    np.testing.assert_array_equal(preprocessed(whole, whole_image((16, 64))), resize(whole, 16, 64))


def test_a_panorama_is_seen_from_above_where_the_encoder_is_one_of_tiles(tmp_path):
    (path,) = pictures(tmp_path, 1, (64, 128), seed=0)
    whole, flat = pixels_of(path), Projection(bev=False)
    above = query_preprocessing((16, 64), 16, Projection(), above=True)
    assert (above.size, above.enough) == ((16, 16), (16, 128)), "eight columns for every pixel of the view from above"
    np.testing.assert_array_equal(preprocessed(whole, above), birds_eye(Projection(), 16, 64, 128)(whole))
    as_it_is = query_preprocessing((8, 32), 16, flat, above=True)
    assert as_it_is.enough == (16, 32)
    np.testing.assert_array_equal(preprocessed(whole, as_it_is), resize(whole, 16, 16))


@pytest.mark.parametrize(("panorama", "tile"), [((16, 64), 24), ((16, 20), 24)])
def test_a_panorama_and_its_view_from_above_stand_on_one_sheet(tmp_path, panorama, tile):
    (path,) = pictures(tmp_path, 1, (64, 128), seed=0)
    how = query_preprocessing(panorama, tile, Projection(), above=False, both=True)
    whole = pixels_of(path)
    sheet = preprocessed(whole, how)
    assert sheet.shape == (*how.size, 3) == (*sheet_size(panorama, tile), 3)
    (seen,), (view,) = apart(sheet[None], panorama, tile)
    np.testing.assert_array_equal(seen, resize(whole, *panorama))
    alone = query_preprocessing(panorama, tile, Projection(), above=True)
    np.testing.assert_array_equal(view, preprocessed(whole, alone))
    assert how.enough == alone.enough


@pytest.mark.parametrize("wrong", [np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 3))])
def test_pixels_of_another_kind_are_refused(wrong):
    with pytest.raises(ValueError, match=r"pixels must be RGB, uint8 \[height, width, 3\]"):
        pixels(wrong)


def test_bytes_that_are_no_image_are_called_what_the_caller_calls_them():
    with pytest.raises(BadImage, match="the upload: not an image"):
        pixels(b"hello", "the upload")
