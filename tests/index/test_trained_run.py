import numpy as np
import pytest

from tests.index.areas import finished, make_run
from ucvgl.images.image_store import write_shard
from ucvgl.index.trained_run import TrainedRun


def test_what_held_out_queries_saw_is_read_from_the_run(tmp_path):
    run = TrainedRun(make_run(tmp_path / "run", queries=8, tiles=5))
    held_out = run.held_out()
    assert held_out is not None
    assert [len(vectors) for vectors in held_out] == [8, 5]
    assert run.training_tiles(3).shape == (3, 16, 16, 3) and len(run.training_tiles(100)) == 5


def test_queries_that_were_trained_on_are_not_held_out(tmp_path):
    run = TrainedRun(make_run(tmp_path / "run", queries=8, tiles=5))
    images = np.zeros((8, 16, 64, 3), np.uint8)
    ids = ["validation-0", *(f"train-{row}" for row in range(1, 8))]
    write_shard(run.path / "2_project" / "train" / "queries", 0, ids, images)
    finished(run.path / "2_project")
    assert run.held_out() is None
    assert TrainedRun(make_run(tmp_path / "bare")).held_out() is None


def test_a_folder_that_is_no_finished_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a run is the folder that a job was given with --run"):
        TrainedRun(tmp_path)
    (tmp_path / "config.yaml").write_text("seed: 3")
    (tmp_path / "5_curriculum.partial").mkdir()
    (tmp_path / "5_curriculum.partial" / "model.pt").write_bytes(b"")
    with pytest.raises(ValueError, match="has no trained encoders yet"):
        TrainedRun(tmp_path)


def test_an_index_in_place_of_a_run_is_told_to_be_one(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match="is an index, not a run; name the folder that a job was given with --run"):
        TrainedRun(tmp_path)


def flip(path, at=0.5):
    data = bytearray(path.read_bytes())
    data[int(at * len(data))] ^= 1
    path.write_bytes(bytes(data))


def use(run):
    """All that an index needs of a run."""
    run = TrainedRun(run)
    run.encoders(device="cpu"), run.held_out(), run.training_tiles(3)


@pytest.mark.parametrize(
    "name",
    [
        "5_curriculum/model.pt",
        "5_curriculum/DONE.json",
        "6_evaluate/embeddings/round_00/query/part-00000.npy",
        "2_project/train/references/part-00000.arrow",
        "config.yaml",
    ],
)
def test_a_flipped_bit_anywhere_in_what_is_used_of_a_run_is_noticed(tmp_path, name):
    run = make_run(tmp_path / "run", queries=8, tiles=5)
    use(run)
    for at in (0.3, 0.5, 0.7, 0.99):
        whole = (run / name).read_bytes()
        flip(run / name, at)
        with pytest.raises(ValueError, match=f"{name} is not (what|a record)"):
            use(run)
        (run / name).write_bytes(whole)


@pytest.mark.parametrize("text", ["", "\n", "seed: 3\n"])
def test_an_emptied_or_replaced_config_is_not_taken_for_the_defaults(tmp_path, text):
    run = make_run(tmp_path / "run")
    seal = (run / "config.yaml").read_text().partition("\n")[0]
    (run / "config.yaml").write_text(f"{seal}\n{text}" if text else text)
    with pytest.raises(ValueError, match="config.yaml is not what the run wrote: it was emptied, damaged or changed"):
        TrainedRun(run)


def test_a_part_of_the_embeddings_that_is_missing_is_named(tmp_path):
    run = make_run(tmp_path / "run", queries=8, tiles=5)
    (run / "6_evaluate/embeddings/round_00/query/part-00000.npy").unlink()
    with pytest.raises(ValueError, match="part-00000.npy is missing; copy the run again"):
        TrainedRun(run).held_out()


def test_the_last_embeddings_are_those_of_the_largest_number(tmp_path):
    run = make_run(tmp_path / "run", queries=8, tiles=5)
    made = run / "6_evaluate" / "embeddings"
    (made / "round_00").rename(made / "round_100")
    for view, width in (("query", 3), ("reference", 3)):
        (made / "round_99" / view).mkdir(parents=True)
        np.save(made / "round_99" / view / "part-00000.npy", np.zeros((2, width), np.float32))
    finished(run / "6_evaluate")
    held_out = TrainedRun(run).held_out()
    assert held_out is not None and [len(vectors) for vectors in held_out] == [8, 5]


def killed_in_its_curriculum(folder, rounds):
    """A run with a cold start and some rounds of a stage that is not done; each model has its own bytes."""
    run = make_run(folder)
    (run / "5_curriculum").rename(run / "4_cold_start")
    for index in range(rounds):
        into = run / "5_curriculum.partial" / f"round_{index:02d}"
        into.mkdir(parents=True)
        make_run(folder.parent / f"other-{index}", seed=index + 1)
        (folder.parent / f"other-{index}" / "5_curriculum" / "model.pt").rename(into / "model.pt")
    return run


@pytest.mark.parametrize("rounds", [0, 1, 3, 101])
def test_a_run_killed_in_its_curriculum_is_refused_or_used_by_name_and_says_of_which_round(tmp_path, rounds):
    run = killed_in_its_curriculum(tmp_path / "run", min(rounds, 3))
    if rounds == 101:
        (run / "5_curriculum.partial" / "round_02").rename(run / "5_curriculum.partial" / "round_100")
    last = f"round {rounds} of 5_curriculum" if rounds else "4_cold_start"
    with pytest.raises(ValueError, match=f"run is not finished: its last encoders are those of {last}.*--unfinished"):
        TrainedRun(run)
    asked = TrainedRun(run, unfinished=True)
    assert asked.about == f"{last}, an unfinished run" and asked.held_out() is None
    where = run / "5_curriculum.partial" / f"round_{rounds - 1:02d}" if rounds else run / "4_cold_start"
    assert asked.model == where / "model.pt"


def test_a_finished_run_says_of_which_round_its_encoders_are(tmp_path):
    run = make_run(tmp_path / "run")
    finished(run / "5_curriculum", rounds=12, kept="round_09")
    assert TrainedRun(run).about == "round 10 of 5_curriculum"
    finished(run / "5_curriculum", rounds=12)
    assert TrainedRun(run).about == "round 12 of 5_curriculum"
