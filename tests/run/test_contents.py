"""Records of the right syntax and another content are told of by name and key, whoever reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ucvgl.distributed.projecting import project_images
from ucvgl.distributed.selection import AskedAs, recall_of_round, rounds_up_to_kept, weigh_query
from ucvgl.files.parts import check_all
from ucvgl.files.seal import sealed
from ucvgl.files.tables import write_table
from ucvgl.images.image_store import write_shard
from ucvgl.pages.right_and_wrong import retrievals
from ucvgl.retrieval.recall import Recall
from ucvgl.run import columns
from ucvgl.run.record import read_record
from ucvgl.settings.experiment import Experiment
from ucvgl.stages.curriculum import judged_precision
from ucvgl.stages.evaluate import read_recall, read_rounds
from ucvgl.stages.evaluate_adapter import read_ways
from ucvgl.stages.judge_rows import read_verdict

Reader = Callable[[Path], Any]
NOBODY: Any = None
"""In place of machines: nothing is made anew."""
RECALL = {"r1": 0.5, "r5": 0.5, "r10": 0.5, "r1pct": 0.5, "queries": 4, "references": 4}


@pytest.mark.parametrize(
    ("name", "content", "words", "read"),
    [
        ("kept.json", {}, "round: Field required", rounds_up_to_kept),
        ("kept.json", {"round": "1", "judged_recalls": []}, "round: Input should be", rounds_up_to_kept),
        ("kept.json", {"round": 7, "judged_recalls": []}, "there is no round 7", rounds_up_to_kept),
        ("kept.json", {"round": -1, "judged_recalls": []}, "there is no round -1", rounds_up_to_kept),
        ("query.json", {}, "panorama_share: Field", lambda it: weigh_query(it, it, it, NOBODY, how=AskedAs())),
        (
            "query.json", {"panorama_share": float("nan"), "judged_recalls": {}}, "panorama_share: Input should be",
            lambda it: weigh_query(it, it, it, NOBODY, how=AskedAs()),
        ),
        ("query.json", [0.5], "Input should be an object", lambda it: weigh_query(it, it, it, NOBODY, how=AskedAs())),
        (
            "judged.json", {"value": 1.0}, "low: Field required",
            lambda it: recall_of_round(it, it, NOBODY, how=AskedAs()),
        ),  # fmt: skip
        ("judged.json", {"result": 3, "judged": {}}, "result: Input", read_verdict),
        ("judged.json", {"result": "adapted", "judged": {"adapted": []}}, "judged: adapted: 0: Field", read_verdict),
        ("recall.json", {"recall": RECALL}, "raw_pixels: Field required", read_recall),
        ("recall.json", {"recall": {"r1": 0.5}, "raw_pixels": {}}, "recall: r5: Field required", read_recall),
        ("recall.json", {"recall": {**RECALL, "references": 0}, "raw_pixels": {}}, "recall: references: ", read_recall),
        ("recall.json", {"before": {"a to b": {**RECALL, "r1": "x"}}}, "before: a to b: r1: Input", read_ways),
        (
            "shards.json", {"images_per_shard": 0}, "images_per_shard: Input should be greater than 0",
            lambda it: project_images({}, it, experiment=Experiment()),
        ),
    ],
)  # fmt: skip
def test_a_file_with_other_content_is_told_of(
    tmp_path: Path, name: str, content: Any, words: str, read: Reader
) -> None:
    (tmp_path / "round_00").mkdir()
    (tmp_path / "round_00" / "model.pt").touch()
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(ValueError) as caught:
        read(tmp_path)
    assert f"{tmp_path / name} is damaged: {words}" in str(caught.value)
    assert str(caught.value).endswith("; copy it again, or make its stage anew with --redo")


@pytest.mark.parametrize(
    "content",
    [{"settings": 5, "inputs": {}}, {"settings": {}, "inputs": ["a"]}, {"settings": {}, "inputs": {}, "seconds": "x"}],
)
def test_a_record_with_a_seal_and_other_types_is_none(tmp_path: Path, content: dict[str, Any]) -> None:
    (tmp_path / "BEGUN.json").write_text(json.dumps(sealed(content)))
    with pytest.raises(ValueError, match="BEGUN.json is not a record of a stage .*delete .* to have it made again"):
        read_record(tmp_path / "BEGUN.json")


def test_a_list_of_parts_without_digests_is_none(tmp_path: Path) -> None:
    parts = {"recall.json": {"bytes": 2}}
    (tmp_path / "DONE.json").write_text(json.dumps(sealed({"settings": {}, "inputs": {}, "parts": parts})))
    with pytest.raises(ValueError, match="its list of parts lacks a size or a digest"):
        check_all(tmp_path)


@pytest.mark.parametrize(("query", "references"), [(2, [0]), (-1, [0]), (0, [2]), (0, [-2, 0]), (0, [])])
def test_retrievals_of_images_that_are_not_there_are_damaged(
    tmp_path: Path, query: int, references: list[int]
) -> None:
    for view in ("queries", "bev", "references"):
        write_shard(tmp_path / view, 0, ["a", "b"], np.zeros((2, 4, 4, 3), np.uint8))
    row = {"query_row": query, "rank": 0, "true_row": 0, "reference_rows": references, "right": [True], "scores": [0.5]}
    write_table(tmp_path / "retrievals.parquet", pa.Table.from_pylist([row], columns.RETRIEVALS))
    with pytest.raises(ValueError, match=r"retrievals.parquet is damaged: it names images that are not there; copy"):
        retrievals(tmp_path, tmp_path, Experiment())


@pytest.mark.parametrize("r1", [[], [None, 0.5], [0.5, None]])
def test_a_table_of_rounds_that_says_nothing_of_its_result_is_damaged(tmp_path: Path, r1: list[float | None]) -> None:
    refuse_rounds(tmp_path, [{"name": f"round_{index:02d}", "r1": share} for index, share in enumerate(r1)])


def test_a_table_of_rounds_that_gives_an_estimate_by_half_is_damaged(tmp_path: Path) -> None:
    refuse_rounds(tmp_path, [{"name": "cold", "r1": 0.5, "judged": 0.5, "judged_low": None, "judged_high": 1.0}])


def refuse_rounds(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    write_table(tmp_path / "rounds.parquet", pa.Table.from_pylist(rows, columns.ROUNDS))
    with pytest.raises(ValueError, match="rounds.parquet is damaged: it does not say what was reached; copy it again"):
        read_rounds(tmp_path, Recall(**RECALL))


@pytest.mark.parametrize("verdict", ["{", "{}", '{"value": "x", "low": 0.0, "high": 1.0}'])
def test_a_verdict_in_a_table_that_is_none_is_told_of(verdict: str) -> None:
    with pytest.raises(ValueError, match="the verdict in a pairs.parquet is damaged: "):
        judged_precision(pa.table({"label": [True]}, metadata={"precision": verdict}))
