"""Which labels a run has used, in words: what its report and its model card have to say first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ucvgl.files.tables import read_table
from ucvgl.run import columns
from ucvgl.run.record import DONE, read_record
from ucvgl.stages.catalog import read_catalogs


def labels_used(run: Path) -> str:
    """How many training queries came with their true tile, here and where the encoders come from; empty: none."""
    labels, cold, frozen = (read_record(run / name / DONE) for name in ("2_labels", "4_cold_start", "3_features"))
    if frozen is not None and frozen.summary.get("labels_seen", 0) != 0:
        return f"those of the frozen network, from {_before(frozen.summary)}"
    if labels is None:
        return ""
    known, queries = labels.summary["labelled_queries"], labels.summary["queries"]
    words = f"{known} of {queries} training queries came with their true tile ({100 * known / queries:.3g} %)"
    if seen := _evaluated(run):
        words += f", {seen} of which are evaluated as well"
    if cold is None or "labels_seen" not in cold.summary:
        return words
    return f"{words}; begun with the encoders of {_before(cold.summary)}"


def _before(summary: Mapping[str, Any]) -> str:
    seen = summary["labels_seen"]
    told = "of which nobody knows what labels they saw" if seen is None else f"which saw {seen or 'no'} labels"
    return f"{summary['from']}, {told}"


def _evaluated(run: Path) -> int:
    """How many of them are among the validation queries: data without splits is evaluated on what was trained on."""
    queries = read_catalogs(run / "1_catalog")["validation"].queries["id"]
    told = read_table(run / "2_labels" / "pairs.parquet", columns.KNOWN)["query_id"]
    return len(set(queries.to_pylist()) & set(told.to_pylist()))
