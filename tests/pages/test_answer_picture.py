import cv2
import numpy as np
import pytest

from tests.index.areas import make_index, pictures
from ucvgl.index.localizer import tile_pixels
from ucvgl.pages.answer_picture import draw


@pytest.mark.parametrize("located", [True, False])
def test_the_picture_shows_photo_tiles_and_map_even_where_tiles_are_gone(tmp_path, located):
    localizer = make_index(tmp_path / "area", located=located)
    (photo,) = pictures(tmp_path / "photos", 1, (32, 128), seed=3)
    (answer,) = localizer.localize(photo, k=6)
    draw(localizer, photo, answer, tmp_path / "whole.png")
    (tmp_path / "tiles" / f"{answer.candidates[0].row:03d}.png").unlink()
    draw(localizer, photo, answer, tmp_path / "lacking.png")
    whole, lacking = (cv2.imread(str(tmp_path / f"{name}.png")) for name in ("whole", "lacking"))
    assert whole is not None and lacking is not None and whole.shape == lacking.shape
    assert np.abs(whole.astype(int) - lacking).max() > 50  # one tile is replaced by a word
    assert whole.shape[0] > (900 if located else 500)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["lacking.png", "whole.png"]


def test_a_tile_that_is_gone_or_no_image_has_no_pixels(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    assert tile_pixels(str(tmp_path / "a.png")) is None
    assert tile_pixels(str(tmp_path / "b.png")) is None


def test_an_ending_that_is_no_image_is_refused(tmp_path):
    localizer = make_index(tmp_path / "area")
    (photo,) = pictures(tmp_path / "photos", 1, (32, 128), seed=3)
    (answer,) = localizer.localize(photo)
    with pytest.raises(ValueError, match="not supported"):
        draw(localizer, photo, answer, tmp_path / "a.txt")
    assert not (tmp_path / "a.txt").exists()
