"""Which labels a run has used, in words: what its report and its model card have to say first."""

from __future__ import annotations

from pathlib import Path

from ucvgl.files.tables import read_table
from ucvgl.run import columns
from ucvgl.run.record import DONE, read_record
from ucvgl.stages.catalog import read_catalogs


def labels_used(run: Path) -> str:
    """How many training queries came with their true tile, here and where the encoders come from; empty: none."""
    labels, cold = (read_record(run / name / DONE) for name in ("2_labels", "4_cold_start"))
    if labels is None:
        return ""
    known, queries = labels.summary["labelled_queries"], labels.summary["queries"]
    words = f"{known} of {queries} training queries came with their true tile ({100 * known / queries:.3g} %)"
    if seen := _evaluated(run):
        words += f", {seen} of which are evaluated as well"
    if cold is None or "labels_seen" not in cold.summary:
        return words
    before = cold.summary["labels_seen"]
    return f"{words}; begun with the encoders of {cold.summary['from']}, which saw {before or 'no'} labels"


def _evaluated(run: Path) -> int:
    """How many of them are among the validation queries: data without splits is evaluated on what was trained on."""
    queries = read_catalogs(run / "1_catalog")["validation"].queries["id"]
    told = read_table(run / "2_labels" / "pairs.parquet", columns.KNOWN)["query_id"]
    return len(set(queries.to_pylist()) & set(told.to_pylist()))
