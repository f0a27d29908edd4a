"""What held-out images say of answers to photos that begin anywhere; encoders and run are stand-ins."""

import numpy as np
import pyarrow as pa
import pytest

from tests.poses.flat_ground import patches
from ucvgl.index import nearest, sureness
from ucvgl.index.confidence import margins
from ucvgl.index.encoders import Encoders
from ucvgl.index.ground import Grounds, in_verified_order, packed
from ucvgl.index.headings import each_turned
from ucvgl.index.presence import leads
from ucvgl.index.sureness import sureness_of
from ucvgl.index.trained_run import TrainedRun
from ucvgl.poses.turns import turned
from ucvgl.projection.preprocessing import whole_image

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
        return whole_image((2, COLUMNS))

    def embed_panoramas(self, panoramas):
        return described(panoramas)


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


def test_a_confidence_of_verified_answers_is_that_of_what_they_reach(run, monkeypatch):
    """Descriptors with which few are found, and ground with which most are."""
    random = np.random.default_rng(1)
    ground = np.stack([patches(seed, 64) for seed in range(PHOTOS)])
    vectors = random.normal(size=(PHOTOS, COLUMNS)).astype(np.float32)
    noisy = vectors + 2.4 * random.normal(size=vectors.shape).astype(np.float32)
    unit = [some / np.linalg.norm(some, axis=1, keepdims=True) for some in (noisy, vectors)]
    run.held_out = lambda: tuple(unit)
    run.held_out_bevs = run.held_out_tiles = lambda rows: ground[rows]
    mirrors = random.normal(size=vectors.shape).astype(np.float32)
    mirrors /= np.linalg.norm(mirrors, axis=1, keepdims=True)
    monkeypatch.setattr(sureness, "references", lambda *_, mirrored: mirrors)
    strangers = [patches(1000 + row, 64) for row in range(30)]
    seen = Grounds(pa.chunked_array([[packed(one) for one in strangers]]), "strangers")
    blind, sure = (sureness_of(run, Seeing(), searcher(30), 30, verified=count, grounds=seen) for count in (0, 10))
    assert blind.calibration is not None and sure.calibration is not None and sure.presence is not None
    score = unit[0] @ unit[1].T
    order = np.argsort(-score, axis=1)[:, :11]
    found = np.take_along_axis(score, order, 1), order, np.zeros_like(order)
    for (scores, rows, _), calibration in (
        (found, blind.calibration),
        (in_verified_order(found, list(ground), lambda row: ground[row], count=10, heading="known"), sure.calibration),
    ):
        right = (rows[:, 0] == np.arange(PHOTOS)).mean()
        assert calibration.confidence(margins(scores)).mean() == pytest.approx(right, abs=0.2)
    assert right > 0.8 and (order[:, 0] == np.arange(PHOTOS)).mean() < 0.6


def test_a_part_of_a_large_area_stands_for_it(run, monkeypatch):
    """Queries whose best tile is in that part are searched in it, and in as many mirrors."""
    monkeypatch.setattr(sureness, "TILES", 55)
    found = sureness_of(run, Seeing(), searcher(30), 30)
    assert found.presence is not None and (found.presence.queries, found.presence.pool) == (55, 85)


def test_an_area_of_which_queries_have_a_small_part_has_a_confidence(run, monkeypatch):
    """As VIGOR's: of 90,000 tiles 2,000 are searched, and few queries have their best among any 2,000."""
    others = RANDOM.integers(0, 256, (1500, 2, COLUMNS, 3), np.uint8)
    tiles = np.concatenate((PANORAMAS[::-1], others))
    monkeypatch.setattr(sureness, "TILES", 120)
    run.held_out = lambda: (described(PANORAMAS), described(tiles))
    run.held_out_tiles = lambda rows: tiles[rows]
    found = sureness_of(run, Seeing(), searcher(30), 30)
    assert found.calibration is not None and found.presence is not None, found.reason
    assert (found.presence.queries, found.presence.pool) == (PHOTOS, 150)


def test_photos_that_are_gone_are_named(run):
    run.photos[3] = "gone.png"
    found = sureness_of(run, Seeing(), searcher(30), 30, heading="unknown")
    assert found.calibration is None and found.presence is None and "gone.png" in found.reason
