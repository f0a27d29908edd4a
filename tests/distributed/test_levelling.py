"""What photos teach of how cameras are held, before any is projected."""

import io
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from tests.distributed.raw_images import EXPERIMENT
from tests.without_ray import Crew, without_ray
from ucvgl.distributed import levelling
from ucvgl.distributed.levelling import learn_level
from ucvgl.projection.level import LEVEL
from ucvgl.training import fit_level

PHOTOS = replace(EXPERIMENT, dataset=replace(EXPERIMENT.dataset, camera="photo", fov_deg=70.0))


@pytest.fixture(autouse=True)
def brief(monkeypatch):
    without_ray(monkeypatch)
    monkeypatch.setattr(fit_level, "STEPS", 2)
    monkeypatch.setattr(fit_level, "BATCH", 4)
    monkeypatch.setattr(levelling, "LEAST", 8)


def listed(folder, count=10, focal_35=None):
    folder.mkdir()
    random, uris = np.random.default_rng(0), []
    for number in range(count):
        image, exif, file = Image.fromarray(random.integers(0, 256, (30, 40, 3), np.uint8)), Image.Exif(), io.BytesIO()
        if focal_35:
            exif.get_ifd(0x8769)[0xA405] = focal_35
        image.save(file, "JPEG", exif=exif)
        path = folder / f"{number}.jpg"
        path.write_bytes(file.getvalue())
        uris.append(str(path))
    return pa.table({"id": [f"id{number}" for number in range(count)], "uri": uris})


def learn(folder, queries, experiment=PHOTOS):
    folder.mkdir(exist_ok=True)
    return learn_level(folder, queries, experiment=experiment, machines=Crew(lambda **_: None))


def test_what_is_learned_is_kept_and_nothing_else_is(tmp_path):
    queries = listed(tmp_path / "photos")
    (tmp_path / "photos/3.jpg").write_bytes(b"no image")
    first = learn(tmp_path / "out", queries)
    assert first is not None and first.frame_deg == 70.0
    assert [path.name for path in (tmp_path / "out").iterdir()] == [LEVEL]
    for path in (tmp_path / "photos").iterdir():
        path.unlink()
    again = learn(tmp_path / "out", queries)
    assert again is not None and again.to_bytes() == first.to_bytes()


def test_photos_of_which_each_has_its_angle(tmp_path):
    by_exif = replace(PHOTOS, dataset=replace(PHOTOS.dataset, fov_deg=0.0))
    level = learn(tmp_path / "out", listed(tmp_path / "photos", focal_35=26), by_exif)
    width = 2 * np.degrees(np.arctan(np.hypot(36, 24) * 0.8 / 2 / 26))
    assert level is not None and level.frame_deg == pytest.approx(width, abs=0.1)


@pytest.mark.parametrize("bad", [0, 4])
def test_of_too_few_photos_nothing_is_learned_and_that_is_said(tmp_path, caplog, bad):
    queries = listed(tmp_path / "photos", 7 if not bad else 10)
    for number in range(bad):
        (tmp_path / f"photos/{number}.jpg").write_bytes(b"")
    assert learn(tmp_path / "out", queries) is None
    assert "too few to learn how they were held" in caplog.text and not list((tmp_path / "out").iterdir())
