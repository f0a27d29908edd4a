"""What held-out images say of answers to photos that begin anywhere; encoders and run are stand-ins."""

from types import SimpleNamespace

import numpy as np
import pytest

from ucvgl.index import nearest, sureness
from ucvgl.index.encoders import Encoders
from ucvgl.index.headings import each_turned, turned
from ucvgl.index.presence import leads
from ucvgl.index.sureness import sureness_of
from ucvgl.index.trained_run import TrainedRun

PHOTOS, COLUMNS = 60, 24  # a turn is a column
RANDOM = np.random.default_rng(0)
PANORAMAS = RANDOM.integers(0, 256, (PHOTOS, 2, COLUMNS, 3), np.uint8)


def described(images):
    """The first row's red, without its mean and of length 1."""
    apart = np.stack(images)[:, 0, :, 0].astype(np.float32)
    apart -= apart.mean(1, keepdims=True)
    return apart / np.linalg.norm(apart, axis=1, keepdims=True)


class Run(TrainedRun):
    """Tiles look like their panoramas, and are listed the other way round."""

    def __init__(self):
        self.photos = list(PANORAMAS)

    def held_out(self):
        return described(PANORAMAS), described(PANORAMAS[::-1])

    def held_out_photos(self, most, *, seed=0):
        return self.photos[:most]

    def held_out_tiles(self, rows):
        return PANORAMAS[::-1][rows]


class Seeing(Encoders):
    def __init__(self):
        self.towers = None  # pyright: ignore[reportAttributeAccessIssue]

    def preprocessing(self, view):
        return SimpleNamespace(enough=(2, COLUMNS))  # pyright: ignore[reportReturnType]

    def embed_queries(self, images):
        return described(images)


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(sureness, "references", lambda _, tiles, *, mirrored: described(tiles[:, :, ::-1]))
    return Run()


def searcher(count):
    strangers = described(RANDOM.integers(0, 256, (count, 2, COLUMNS, 3), np.uint8))
    return nearest.build("flat", lambda: iter([strangers]), count=count, dimension=COLUMNS)


@pytest.mark.parametrize("heading", ["known", "unknown"])
def test_photos_whose_tile_is_there_are_told_from_those_whose_is_not(run, heading):
    found = sureness_of(run, Seeing(), searcher(30), 30, heading=heading)
    assert found.calibration is not None and found.presence is not None and not found.reason
    assert (found.presence.queries, found.presence.pool, found.calibration.pool) == (PHOTOS, 90, 90)
    tiles = run.held_out()[1]
    photo = turned(PANORAMAS[7], 105) if heading == "unknown" else PANORAMAS[7]
    scores = np.stack([described([one]) @ tiles.T for one in each_turned(photo, heading)]).max(0)
    for some, there in ((scores, True), (np.delete(scores, PHOTOS - 1 - 7, axis=1), False)):
        (here,) = found.presence.here(leads(-np.sort(-some, axis=1)))
        assert (here > 0.9) == there and (here < 0.2) == (not there)


def test_a_part_of_a_large_area_stands_for_it(run, monkeypatch):
    """Queries whose best tile is in that part are searched in it, and in as many mirrors."""
    monkeypatch.setattr(sureness, "TILES", 55)
    found = sureness_of(run, Seeing(), searcher(30), 30)
    assert found.presence is not None and (found.presence.queries, found.presence.pool) == (55, 85)


def test_photos_that_are_gone_are_named(run):
    run.photos[3] = "gone.png"
    found = sureness_of(run, Seeing(), searcher(30), 30, heading="unknown")
    assert found.calibration is None and found.presence is None and "gone.png" in found.reason
