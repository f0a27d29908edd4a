"""Photos reach an index as its run has levelled them, by every way in."""

from dataclasses import replace

import numpy as np
import pytest

from tests.index.areas import EXPERIMENT, finished, make_index, make_run, pictures
from ucvgl.index.localizer import load
from ucvgl.index.manifest import photo_preprocessing, read_manifest
from ucvgl.index.trained_run import TrainedRun
from ucvgl.projection.level import LEVEL, Level, shapes
from ucvgl.projection.preprocessing import query_of
from ucvgl.settings.dotted import save_settings


@pytest.fixture
def level() -> Level:
    """It says of every photo that it was raised by 6 degrees."""
    weights = [np.zeros(shape, np.float32) for shape in shapes()]
    weights[-1][0] = 1.5
    return Level(weights, 90.0)


def test_photos_are_levelled_by_what_the_index_holds(tmp_path, level):
    area = tmp_path / "area"
    flat = make_index(area, level=level)
    (photo,) = pictures(tmp_path / "photos", 1, (60, 80), seed=3)
    expected = query_of(str(photo), replace(flat.encoders.preprocessing("query"), level=level), heading_deg=0.0)
    as_taken = query_of(str(photo), replace(flat.encoders.preprocessing("query"), level=None), heading_deg=0.0)
    assert (expected.panorama != as_taken.panorama).any()
    library = replace(flat.encoders.preprocessing("query"))
    in_bulk = photo_preprocessing(str(area), read_manifest(str(area)))
    for how in (library, in_bulk):
        assert (query_of(str(photo), how, heading_deg=0.0).panorama == expected.panorama).all()
    assert photo_preprocessing(str(area), replace(read_manifest(str(area)), files={})).level is None


def test_a_broken_network_is_refused(tmp_path, level):
    area = tmp_path / "area"
    make_index(area, level=level)
    content = bytearray((area / LEVEL).read_bytes())
    content[len(content) // 2] ^= 1
    (area / LEVEL).write_bytes(content)
    with pytest.raises(ValueError, match=r"level\.npz is not the file that the manifest describes"):
        load(area)


def test_a_run_hands_on_what_it_has_learned(tmp_path, level):
    run = make_run(tmp_path / "run")
    photos = replace(EXPERIMENT, dataset=replace(EXPERIMENT.dataset, camera="photo", fov_deg=90.0))
    (run / "config.yaml").unlink()
    save_settings(run / "config.yaml", photos)
    assert TrainedRun(run).encoders().level is None
    (run / "2_project").mkdir(exist_ok=True)
    (run / "2_project" / LEVEL).write_bytes(level.to_bytes())
    finished(run / "2_project")
    told = TrainedRun(run).encoders().preprocessing("query").level
    assert told is not None and told(np.full((30, 40, 3), 90, np.uint8), 90.0) == pytest.approx((6.0, 0.0))
    (run / "2_project" / LEVEL).write_bytes(level.to_bytes() + b"x")
    with pytest.raises(ValueError, match=r"level\.npz"):
        TrainedRun(run).encoders()
