"""Frozen descriptors: of every image of every split, by the network that its kind is shown to, and made once."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.in_process import InProcess
from tests.stages.drawn_places import SIDE, SMALL, TRAIN, VALIDATION, draw_places, list_and_project
from ucvgl.images.image_store import ImageStore
from ucvgl.networks.frozen import FROZEN
from ucvgl.networks.towers import embed, load_towers, save_towers
from ucvgl.settings.experiment import Adaptation
from ucvgl.stages.cold_start import new_towers
from ucvgl.stages.features import features, read_features


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Projected images, and the encoders of another run."""
    home = tmp_path_factory.mktemp("described")
    draw_places(home / "home")
    experiment = replace(SMALL, dataset=replace(SMALL.dataset, root=str(home / "home")))
    save_towers(new_towers(experiment), home / "model.pt")
    return list_and_project(home / "run", experiment)["projected"], home / "model.pt", experiment


def describe(given, folder, **adaptation):
    projected, model, experiment = given
    experiment = replace(experiment, adaptation=Adaptation(source=str(model), **adaptation))
    folder.mkdir(exist_ok=True)
    said = features(folder, projected=projected, experiment=experiment, machines=InProcess(lambda **row: None))
    return said, experiment


@pytest.mark.parametrize(("towers", "asked", "by"), [("one", "bev", "reference"), ("two", "queries", "query")])
def test_queries_are_shown_to_the_encoder_that_the_settings_name(given, tmp_path, towers, asked, by):
    said, experiment = describe(given, tmp_path / "made", towers=towers)
    assert said["images"] == 2 * (TRAIN + VALIDATION) and (tmp_path / "made" / FROZEN).exists()
    network = load_towers(given[1])
    for split, count in (("train", TRAIN), ("validation", VALIDATION)):
        found = read_features(tmp_path / "made", split, experiment)
        for view, store, encoder in (("query", asked, by), ("reference", "references", "reference")):
            images = ImageStore(given[0] / split / store).read(range(count))
            expected = embed(network, images, encoder)
            np.testing.assert_allclose(found[view].read(np.arange(count))[:, 0], expected, atol=1e-5)


def test_the_model_is_frozen_once_and_parts_that_exist_are_kept(given, tmp_path):
    describe(given, tmp_path / "made", turns=2)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "made").rglob("*") if path.is_file()}
    lost = tmp_path / "made" / "train" / "query" / "part-00000.npy"
    content = np.load(lost)
    lost.unlink()
    describe(given, tmp_path / "made", turns=2)
    np.testing.assert_array_equal(np.load(lost), content)
    assert [path for path, when in before.items() if path.stat().st_mtime_ns != when] == [lost]


def test_images_of_another_size_than_the_frozen_encoders_are_refused_with_the_way_out(given, tmp_path):
    projected, model, experiment = given
    other = replace(experiment, dataset=replace(experiment.dataset, tile_size=2 * SIDE))
    save_towers(new_towers(other), tmp_path / "model.pt")
    with pytest.raises(ValueError, match=f"sees images of 64x64 .* have {SIDE}x{SIDE}; set dataset.tile_size"):
        describe((projected, tmp_path / "model.pt", experiment), tmp_path / "made")
