import numpy as np
import pytest

from ucvgl.pages.gallery import PAPER, RIGHT, WRONG, contact_sheet, frame


def flat(height: int, width: int, colour=(10, 20, 30)) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


@pytest.mark.parametrize("right,colour,strongest", [(True, RIGHT, 1), (False, WRONG, 0)])
def test_a_right_frame_is_green_and_a_wrong_one_red(right, colour, strongest):
    framed = frame(flat(20, 30), right, width=2)
    assert framed.shape == (20, 30, 3) and np.argmax(colour) == strongest
    for edge in (framed[:2], framed[-2:], framed[:, :2], framed[:, -2:]):
        assert (edge == colour).all()
    assert (framed[2:-2, 2:-2] == (10, 20, 30)).all()


def test_framing_leaves_the_image_itself_alone():
    image = flat(9, 9)
    frame(image, True)
    assert (image == (10, 20, 30)).all()


def test_a_sheet_shows_every_image_once_in_rows_and_columns():
    wide, square = [(200, 0, 0), (0, 0, 200)], [(0, 200, 0), (200, 200, 0)]
    rows = [[flat(32, 128, left), flat(64, 64, right)] for left, right in zip(wide, square, strict=True)]
    sheet = contact_sheet(rows, height=16)
    places = {}
    for colour in wide + square:
        y, x = np.nonzero((sheet == colour).all(axis=2))
        assert len(y) == 16 * (64 if colour in wide else 16)
        places[colour] = (y.min(), x.min())
    (first, third), (second, fourth) = wide, square
    assert places[first][0] == places[second][0] < places[third][0] == places[fourth][0]
    assert places[first][1] == places[third][1] < places[second][1] == places[fourth][1]


def test_rows_may_differ_in_length():
    sheet = contact_sheet([[flat(8, 8)], [flat(8, 8), flat(8, 8)]], height=8)
    assert ((sheet == (10, 20, 30)).all(axis=2)).sum() == 3 * 64


@pytest.mark.parametrize("captions", [{"labels": ["round 1", "round 2"]}, {"columns": ["round 1"]}])
def test_captions_are_written_outside_the_images(captions):
    sheet = contact_sheet([[flat(40, 80)], [flat(40, 80)]], height=40, **captions)
    pixels = (sheet == (10, 20, 30)).all(axis=2).sum()
    assert pixels == 2 * 40 * 80
    ink = (sheet != PAPER).any(axis=2).sum() - pixels
    assert ink > 100 * len(captions.get("labels", [1]))


def test_mistakes_are_refused_in_plain_words():
    with pytest.raises(ValueError, match="at least one row"):
        contact_sheet([])
    with pytest.raises(ValueError, match="1 labels for 2 rows"):
        contact_sheet([[flat(8, 8)], [flat(8, 8)]], ["only one"])
