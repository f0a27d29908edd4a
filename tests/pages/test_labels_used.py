import pyarrow as pa
import pyarrow.parquet as pq

from ucvgl.pages.labels_used import labels_used
from ucvgl.run.record import DONE, Record, write_record


def record(run, stage, **summary):
    (run / stage).mkdir(exist_ok=True)
    write_record(run / stage / DONE, Record(settings={}, inputs={}, summary=summary))


def label(run, queries, *, evaluated):
    record(run, "2_labels", labelled_queries=400, queries=4000, pairs=400)
    (run / "1_catalog").mkdir()
    for view in ("queries", "references"):
        listed = pa.table({"id": evaluated, "uri": evaluated})
        pq.write_table(listed, run / "1_catalog" / f"validation_{view}.parquet")
    told = pa.table({"query_id": queries, "reference_id": queries, "spared": [[""]] * len(queries)})
    pq.write_table(told, run / "2_labels" / "pairs.parquet")


def test_a_run_without_labels_has_nothing_to_tell(tmp_path):
    record(tmp_path, "4_cold_start", **{"from": "cross"})
    assert labels_used(tmp_path) == ""


def test_the_labels_of_a_run_and_of_the_run_it_began_with_are_told(tmp_path):
    label(tmp_path, ["a", "b"], evaluated=["x"])
    assert labels_used(tmp_path) == "400 of 4000 training queries came with their true tile (10 %)"
    record(tmp_path, "4_cold_start", **{"from": "runs/other", "labels_seen": 0})
    assert labels_used(tmp_path).endswith("(10 %); begun with the encoders of runs/other, which saw no labels")


def test_labelled_queries_that_are_evaluated_too_are_counted(tmp_path):
    label(tmp_path, ["a", "b", "c"], evaluated=["b", "c", "d"])
    assert labels_used(tmp_path).endswith("(10 %), 2 of which are evaluated as well")


def test_labels_that_a_frozen_network_saw_are_told_or_that_nobody_knows(tmp_path):
    for seen, words in ((0, ""), (400, "which saw 400 labels"), (None, "of which nobody knows what labels they saw")):
        record(tmp_path, "3_features", **{"from": "runs/other", "labels_seen": seen})
        assert labels_used(tmp_path) == (words and f"those of the frozen network, from runs/other, {words}")
    record(tmp_path, "3_features", frozen=3)  # timm's, or of before
    assert labels_used(tmp_path) == ""
