import json

import numpy as np
import pyarrow as pa
import pytest

from ucvgl.files.tables import write_table
from ucvgl.pages.run_report import learned, losses_of
from ucvgl.pseudo_labels.decoys import Estimate

SCORE = {"judged": 0.3, "judged_low": 0.2, "judged_high": 0.4, "r1": 0.5, "precision": 0.75, "judged_precision": 0.7}


def labels(path, label: list[bool], margin: list[float]) -> None:
    path.mkdir(parents=True)
    same = {name: np.zeros(len(label)) for name in ("score", "reference_margin", "weight")}
    ids = {name: [str(row) for row in range(len(label))] for name in ("query_id", "reference_id")}
    marks = {"mutual": label, "decoy": [False] * len(label), "label": label}
    write_table(path / "pairs.parquet", pa.table(ids | same | marks | {"margin": margin}))


def test_a_round_shows_its_labels_and_their_least_margin_beside_what_is_judged_and_true(tmp_path):
    labels(tmp_path / "round_00", [True, False, True], [0.3, 0.05, 0.1])
    first, second = learned(tmp_path, [SCORE | {"name": "round_00"}, SCORE | {"name": "round_01"}])
    assert (first.labels, first.queries, first.threshold) == (2, 3, pytest.approx(0.1))
    assert (first.precision, first.judged_precision, first.r1) == (0.75, 0.7, 0.5)
    assert first.judged == Estimate(0.3, 0.2, 0.4)
    assert second.labels == 2, "a round without labels of its own is trained on those before"


def test_a_round_without_any_label_has_all_margins_below_its_line(tmp_path):
    labels(tmp_path / "round_00", [False, False], [0.3, np.inf])
    (alone,) = learned(tmp_path, [SCORE | {"name": "round_00"}])
    assert (alone.labels, alone.threshold) == (0, pytest.approx(0.3))


def test_losses_are_named_by_what_is_contrasted_and_rounds_follow_each_other(tmp_path):
    rows = [
        {"stage": "cold_start", "step": 5, "steps": 5, "intra_tile_loss": 2.0},
        {"stage": "round_00", "step": 10, "steps": 10, "above_loss": 1.5},
        {"stage": "round_01", "step": 4, "steps": 10, "above_loss": 1.0, "label_loss": None, "new_loss": 3.0},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert losses_of(tmp_path) == {
        "cold_start: tile with itself": ([5], [2.0]),
        "curriculum: bird's-eye view of a label with its tile": ([10, 14], [1.5, 1.0]),
        "curriculum: new": ([14], [3.0]),
    }
