from dataclasses import replace

import numpy as np
import pytest

from tests.index.areas import EXPERIMENT, make_index, make_run
from ucvgl import cli
from ucvgl.commands.evaluate import Pool, _confidence, _trained_on, _training_unknown, scored
from ucvgl.images.image_store import write_shard
from ucvgl.images.same_files import content_of
from ucvgl.settings.dotted import save_settings
from ucvgl.truth.score import Protocol


def told(capsys, *words):
    assert cli.main(["evaluate", *words]) == 2
    return capsys.readouterr().err


def test_mistakes_are_told_before_ray_starts(tmp_path, capsys):
    run = str(make_run(tmp_path / "run"))
    make_index(tmp_path / "area")
    assert "--protocol best: synthetic has only one" in told(capsys, run, "--protocol", "best")
    assert "--protocol best: cvact has validation, test" in told(capsys, run, "cvact", "--protocol", "best")
    assert "did you mean folder?" in told(capsys, run, "foldr")
    assert "add --config RUN, or --config config.yaml" in told(capsys, str(tmp_path / "area"))
    assert "there is no ground truth for synthetic" in told(capsys, run, "--root", str(tmp_path))
    anywhere = replace(EXPERIMENT, contrast=replace(EXPERIMENT.contrast, heading="unknown"))
    save_settings(tmp_path / "run" / "config.yaml", anywhere)
    assert "its panoramas begin anywhere" in told(capsys, run)


def test_recall_and_confidence_of_an_index_are_counted(tmp_path):
    localizer = make_index(tmp_path / "area")
    assert localizer.index is not None
    vectors = localizer.index.vectors()
    rows = np.array([0, 1, 2, 3, 4, 0])  # the last query's first tile is another
    protocol, asked = Protocol("one true tile", rows[:, None]), Pool(rows, vectors)
    line = scored(localizer, {"query": asked}, protocol)
    assert line.startswith("R@1 83.3") and "6 queries x 6 references" in line
    lines = _confidence(localizer, asked, rows[:, None])
    assert lines[0].startswith("confidence: expected calibration error") and len(lines) == 7
    assert _confidence(localizer, asked, np.stack(((rows + 1) % 6, rows), 1)) == lines  # any true tile is right
    localizer.index.manifest = replace(localizer.index.manifest, heading="unknown", calibration=None)
    assert _confidence(localizer, asked, rows[:, None])[0].startswith("searched with known headings, while the index")


def test_what_an_approximate_index_does_not_find_is_no_hit_of_a_query_with_fewer_true_tiles(tmp_path, monkeypatch):
    localizer = make_index(tmp_path / "area")
    assert localizer.index is not None
    localizer.index.manifest = replace(localizer.index.manifest, kind="hnsw")
    found = np.array([[1, -1, -1, -1, -1, -1]])
    monkeypatch.setattr(localizer.index, "search", lambda *_: (np.where(found < 0, -np.inf, 0.5), found))
    protocol = Protocol("any true tile", np.array([[3, -1]]))
    asked = Pool(np.array([0]), localizer.index.vectors()[:1])
    assert "R@5 0.0" in scored(localizer, {"query": asked}, protocol)


def test_queries_that_were_trained_on_under_other_names_are_known_by_their_content(tmp_path):
    files = [content_of(name.encode()) for name in ("a", "b", "c")]
    store = tmp_path / "2_project" / "train" / "queries"
    write_shard(store, 0, ["t0", "t1"], np.zeros((2, 4, 8, 3), np.uint8), contents=files[:2])
    digests = np.array([int(files[2], 16), int(files[1], 16), 0], np.uint64)
    asked = Pool(np.array(["x", "y", "z"]), np.zeros((3, 2)), None, digests)
    assert _trained_on(tmp_path, asked, same_names=False).tolist() == [False, True, False]
    assert _trained_on(tmp_path / "none", asked, same_names=True).tolist() == [False] * 3


def test_a_run_that_lacks_what_tells_of_its_training_is_not_taken_for_one_that_saw_no_query(tmp_path):
    (tmp_path / "2_project" / "train" / "queries").mkdir(parents=True)
    assert _training_unknown(tmp_path) == [f"whether queries were TRAINED ON is not known: {tmp_path} has no 1_catalog"]
    (tmp_path / "1_catalog").mkdir()
    assert _training_unknown(tmp_path) == []
    (line,) = _training_unknown(tmp_path / "config.yaml")
    assert line.endswith("config.yaml has no 1_catalog and no 2_project/train/queries")


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_recall_is_that_of_verified_answers(tmp_path, kind):
    """Queries whose descriptors prefer their neighbour's tile, while they stand on their own."""
    localizer = make_index(tmp_path / "area")
    assert localizer.index is not None and localizer.index.grounds is not None
    localizer.index.manifest = replace(localizer.index.manifest, kind=kind)
    vectors, rows = localizer.index.vectors(), np.arange(6)
    protocol, seen = Protocol("one true tile", rows[:, None]), localizer.index.grounds
    other = Pool(rows, np.roll(vectors, 1, axis=0), seen)
    assert scored(localizer, {"query": other, "reference": Pool(rows, vectors)}, protocol).startswith("R@1 0.0")
    told = scored(localizer, {"query": other, "reference": Pool(rows, vectors)}, protocol, verified=6)
    assert told.startswith("R@1 100.0") and "6 queries x 6 references" in told
