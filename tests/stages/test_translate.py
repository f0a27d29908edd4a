"""The stage of translation: what it asks of the workers, and what it leaves alone."""

from dataclasses import replace

import pytest

from benchmarks.in_process import InProcess
from tests.stages.drawn_places import SMALL, draw_places, list_and_project
from ucvgl.images.image_store import ImageStore
from ucvgl.settings.experiment import Translation
from ucvgl.stages import translate as stage
from ucvgl.training.pairs import fake_store


@pytest.fixture
def made(tmp_path):
    draw_places(tmp_path / "home")
    experiment = replace(SMALL, dataset=replace(SMALL.dataset, root=str(tmp_path / "home")))
    return list_and_project(tmp_path / "run", experiment), experiment


def begin(made, folder, translation):
    """The stage in this process; the summary and the programs that were run."""
    (places, experiment), ran = made, []

    class Noted(InProcess):
        def run(self, program, **arguments):
            ran.append(program.__name__)
            return super().run(program, **arguments)

    folder.mkdir(exist_ok=True)
    experiment = replace(experiment, translation=translation)
    machines = Noted(lambda **row: None)
    return stage.translate(folder, projected=places["projected"], experiment=experiment, machines=machines), ran


def test_every_training_panorama_gets_a_fake_under_its_own_id(made, tmp_path):
    settings = Translation(fake=True, steps=1, batch=2, channels=4, blocks=1)
    said, ran = begin(made, tmp_path / "fakes", settings)
    fakes, queries = (ImageStore(path) for path in (tmp_path / "fakes/fake", made[0]["projected"] / "train/queries"))
    assert said == {"steps": 1} and ran == ["fit_cyclegan", "translate_shards"]
    assert fakes.ids.tolist() == queries.ids.tolist() and fakes.shape == (32, 32, 3)


def test_a_generator_that_is_trained_is_not_trained_again(made, tmp_path):
    settings = Translation(fake=True, steps=1, batch=2, channels=4, blocks=1)
    begin(made, tmp_path / "fakes", settings)
    assert begin(made, tmp_path / "fakes", settings)[1] == []


def test_without_translation_nothing_is_made_and_the_views_from_above_stand_in(made, tmp_path):
    without = Translation(fake=False)
    assert begin(made, tmp_path / "fakes", without) == ({"steps": 0}, [])
    assert list((tmp_path / "fakes").iterdir()) == []
    experiment = replace(made[1], translation=without)
    stands_in = fake_store(made[0]["projected"], tmp_path / "fakes", experiment)
    assert ImageStore(stands_in).ids.tolist() == ImageStore(made[0]["projected"] / "train/queries").ids.tolist()
