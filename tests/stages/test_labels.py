import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucvgl.settings.experiment import Dataset, Experiment, Supervision
from ucvgl.stages.catalog import SPLITS
from ucvgl.stages.labels import draw, known_tiles, labels, pairs_table
from ucvgl.truth.door import GroundTruth

QUERIES = [f"q{number:03d}" for number in range(200)]


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 100))
def test_the_share_is_exact_and_a_larger_one_holds_the_smaller(one, other, seed):
    small, large = (draw(QUERIES, fraction=fraction, seed=seed) for fraction in sorted((one, other)))
    assert len(small) == max(1, round(200 * min(one, other))) == len(set(small))
    assert set(small) <= set(large) <= set(QUERIES)


def test_the_draw_is_by_seed_and_is_no_prefix():
    drawn = [draw(QUERIES, fraction=0.1, seed=seed) for seed in range(20)]
    assert len(set(map(tuple, drawn))) == 20
    assert QUERIES[:20] not in drawn
    counts = [sum(query in some for some in drawn) for query in QUERIES]
    assert max(counts) < 10, "some queries are drawn again and again"


def test_only_pairs_whose_images_are_both_listed_are_known():
    truth = GroundTruth({"a": ("x", "gone"), "b": ("gone",), "c": ("y",), "elsewhere": ("x",)})
    assert known_tiles(truth, {"a", "b", "c", "d"}, {"x", "y"}) == {"a": ["x"], "c": ["y"]}


def test_a_query_with_a_tile_of_its_own_is_told_that_and_the_near_ones_are_spared():
    truth = GroundTruth({"a": ("x", "y"), "b": ("z", "w")}, spared={"b": ("v", "")}, own={"a": ("y",)})
    table = pairs_table(known_tiles(truth, {"a", "b"}, {"w", "x", "y", "z"}), truth)
    assert sorted(table.to_pylist(), key=lambda row: (row["query_id"], row["reference_id"])) == [
        {"query_id": "a", "reference_id": "y", "spared": ["x"]},
        {"query_id": "b", "reference_id": "w", "spared": ["v", "z"]},
        {"query_id": "b", "reference_id": "z", "spared": ["v", "w"]},
    ]


@pytest.fixture
def folder(tmp_path):
    """A data set of ten places, listed, and its truth where a folder keeps it."""
    catalogs = tmp_path / "1_catalog"
    catalogs.mkdir()
    for split in SPLITS:
        for view in ("queries", "references"):
            ids = [f"{split}_{view}_{number}" for number in range(10)]
            pq.write_table(pa.table({"id": ids, "uri": ids}), catalogs / f"{split}_{view}.parquet")
    return tmp_path


def test_without_truth_the_stage_says_which_job_needs_none(folder):
    for name in ("panorama", "satellite"):
        (folder / "data" / "train" / name).mkdir(parents=True)
    experiment = Experiment(Dataset("folder", str(folder / "data")), supervision=Supervision(label_fraction=0.5))
    with pytest.raises(ValueError, match=r"has no true pairs to train on; .* jobs/unsupervised.py, which needs none"):
        labels(folder, catalogs=folder / "1_catalog", experiment=experiment)


def test_the_stage_writes_what_it_drew_from_the_training_split(folder, monkeypatch):
    truth = GroundTruth({f"train_queries_{n}": (f"train_references_{9 - n}",) for n in range(8)})
    asked = []
    monkeypatch.setattr("ucvgl.stages.labels.read_truth", lambda dataset, split: asked.append(split) or truth)
    experiment = Experiment(supervision=Supervision(label_fraction=0.5))
    said = labels(folder, catalogs=folder / "1_catalog", experiment=experiment)
    rows = pq.read_table(folder / "pairs.parquet").to_pylist()
    assert asked == ["train"]
    assert said == {"labelled_queries": 4, "queries": 10, "pairs": 4}
    assert len(rows) == 4
    assert all(int(row["query_id"][-1]) + int(row["reference_id"][-1]) == 9 for row in rows)
