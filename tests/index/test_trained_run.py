import numpy as np
import pytest

from tests.index.areas import make_run
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
