"""Decoys: mirror images about the axis that runs north and both diagonals."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ucvgl.images.mirror_images import mirror_image, mirror_images


def axis_of(image: np.ndarray, shown: np.ndarray) -> str:
    """About which axis an image was mirrored; by where its corners went."""
    corners = {name: image[at] for name, at in (("nw", (0, 0)), ("ne", (0, -1)), ("sw", (-1, 0)), ("se", (-1, -1)))}
    moved = {
        "north": (corners["ne"], corners["nw"], corners["se"], corners["sw"]),
        "north-west": (corners["nw"], corners["sw"], corners["ne"], corners["se"]),
        "north-east": (corners["se"], corners["ne"], corners["sw"], corners["nw"]),
    }
    now = shown[0, 0], shown[0, -1], shown[-1, 0], shown[-1, -1]
    (found,) = [axis for axis, expected in moved.items() if np.array_equal(now, expected)]
    return found


@given(st.integers(0, 2**32 - 1), st.integers(2, 9))
def test_every_axis_is_taken_as_often_as_others_and_no_image_is_only_turned(seed, side):
    images = np.random.default_rng(seed).integers(0, 256, (120, side, side, 3), np.uint8)
    images[:, 0, 0], images[:, 0, -1], images[:, -1, 0], images[:, -1, -1] = 1, 2, 3, 4
    shown = mirror_images(images)
    axes = [axis_of(image, one) for image, one in zip(images, shown, strict=True)]
    assert min(axes.count(axis) for axis in set(axes)) > 12 and len(set(axes)) == (3 if side > 2 else 1)
    again = [*map(mirror_image, shown)]  # the same pixels: the same axis
    assert np.array_equal(again, images)


def test_beside_others_an_image_is_mirrored_as_alone_and_none_are_none():
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)
    assert np.array_equal(mirror_images(images)[4:5], mirror_images(images[4:5]))
    assert mirror_images(images[:0]).shape == (0, 8, 8, 3)


def test_what_is_not_square_is_mirrored_about_the_axis_that_runs_north():
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 8, 3), np.uint8)
    assert np.array_equal(mirror_images(images), images[:, :, ::-1])
