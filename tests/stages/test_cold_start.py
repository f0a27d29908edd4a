import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.in_process import InProcess
from ucvgl.distributed.machines import Machines
from ucvgl.images.image_store import write_shard
from ucvgl.networks.towers import load_towers, save_towers
from ucvgl.run.record import DONE, Record, write_record
from ucvgl.settings.dotted import save_settings
from ucvgl.settings.experiment import ColdStart, Contrast, Curriculum, Dataset, Experiment, Model, Supervision
from ucvgl.stages.cold_start import cold_start, intra_epochs, new_towers
from ucvgl.training.batches import Pairs

SMALL = Experiment(Dataset(panorama_height=16, panorama_width=32, tile_size=16), model=Model(channels=8, safa_heads=2))


@pytest.fixture
def finished(tmp_path):
    """A run whose training is done, and that was told some labels."""
    run = tmp_path / "finished"
    for stage in ("2_labels", "5_curriculum"):
        (run / stage).mkdir(parents=True)
    save_settings(run / "config.yaml", SMALL)
    save_towers(new_towers(replace(SMALL, seed=7)), run / "5_curriculum" / "model.pt")
    write_record(run / "5_curriculum" / DONE, Record(settings={}, inputs={}))
    write_record(run / "2_labels" / DONE, Record(settings={}, inputs={}, summary={"labelled_queries": 40}))
    return run


def begin(folder, start, experiment=SMALL):
    folder.mkdir()
    experiment = replace(experiment, supervision=Supervision(start=str(start)))
    machines = Machines(folder, experiment.resources, lambda **row: None)
    return cold_start(folder, projected=folder, translated=None, experiment=experiment, machines=machines)


@pytest.mark.parametrize("inner", ["", "5_curriculum"])
def test_the_encoders_of_a_finished_run_take_the_place_of_the_cold_start(finished, tmp_path, inner):
    said = begin(tmp_path / "new", finished / inner)
    models = (tmp_path / "new" / "model.pt", finished / "5_curriculum" / "model.pt")
    ours, theirs = (load_towers(model).state_dict() for model in models)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert not (tmp_path / "new" / "trained.pt").exists()
    assert said == {"from": str(finished / inner), "labels_seen": 40}


def test_earlier_training_is_continued_where_its_state_is_there(finished, tmp_path):
    (finished / "5_curriculum" / "trained.pt").write_bytes(b"state")
    begin(tmp_path / "new", finished / "5_curriculum")
    assert (tmp_path / "new" / "trained.pt").read_bytes() == b"state"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (replace(SMALL, model=Model(channels=16, safa_heads=2)), r"another model than this run \(channels: 8 -> 16\)"),
        (
            replace(SMALL, dataset=replace(SMALL.dataset, tile_size=24)),
            r"other image sizes than this run \(tile: \[16, 16\] -> \[24, 24\]\)",
        ),
    ],
)
def test_encoders_of_another_build_are_refused_with_the_way_out(finished, tmp_path, changed, told):
    with pytest.raises(ValueError, match=told + "; give it the settings of that run, as --config RUN/config.yaml"):
        begin(tmp_path / "new", finished, changed)


@pytest.mark.parametrize(
    ("images", "settings", "epochs"),
    [
        (4000, ColdStart(intra_epochs=1, intra_steps=150), 2),  # 94 steps an epoch
        (2000, ColdStart(intra_epochs=1, intra_steps=150), 4),  # 48
        (2000, ColdStart(intra_epochs=1, intra_steps=0), 1),
        (100_000, ColdStart(intra_epochs=3, intra_steps=150), 3),
        (20, ColdStart(intra_epochs=0, intra_steps=150), 0),
    ],
)
def test_few_images_are_seen_in_more_epochs_so_that_the_steps_suffice(images, settings, epochs):
    rows, sides = np.arange(images), (Path("a"), Path("a"))
    sources = [Pairs("intra", ("query", "query"), sides, rows, rows)] * 3
    assert intra_epochs(sources, Experiment(cold_start=settings, contrast=Contrast(batch=128))) == epochs


@pytest.mark.parametrize(
    ("curriculum", "labelled", "trained"),
    [
        (Curriculum(panoramas_after=0.4), False, ["intra_tile", "intra_fake"]),
        (Curriculum(panoramas_after=0.4, with_fakes=False), False, ["intra_panorama", "intra_tile", "intra_fake"]),
        (Curriculum(), False, ["intra_panorama", "intra_tile", "intra_fake"]),
        (Curriculum(panoramas_after=0.4), True, ["intra_panorama", "intra_tile"]),
    ],
)
def test_panoramas_that_join_the_rounds_later_are_not_trained_on_before(tmp_path, curriculum, labelled, trained):
    for view, size in (("queries", (16, 32, 3)), ("bev", (16, 16, 3)), ("references", (16, 16, 3))):
        write_shard(tmp_path / "train" / view, 0, [str(number) for number in range(8)], np.zeros((8, *size), np.uint8))
    seen = []

    class Watching(InProcess):
        def run(self, program, *, sources, folder, start, **_):
            seen.extend(pairs.name for pairs in sources)
            shutil.copyfile(start / "model.pt", folder / "model.pt")

    experiment = replace(SMALL, curriculum=curriculum, contrast=Contrast(batch=4))
    (tmp_path / "cold").mkdir()
    translated = None if labelled else tmp_path
    machines = Watching(lambda **_: None)
    cold_start(tmp_path / "cold", projected=tmp_path, translated=translated, experiment=experiment, machines=machines)
    assert seen == trained
