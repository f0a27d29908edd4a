import math

import pytest

from ucvgl.pages.sweep_page import Row, rank_correlation, ranked, table, write_sweep_page

ROWS = [
    Row(0, {"a.rate": 0.1, "a.kind": "x"}, 0.5, 3, True, "", 0.4),
    Row(1, {"a.rate": 0.2, "a.kind": "y"}, 0.7, 3, True, "", 0.8, (0.62, 0.78)),
    Row(2, {"a.rate": 0.3, "a.kind": "x"}, 0.6, 3, True, "", 0.9),
    Row(3, {"a.rate": 0.4, "a.kind": "y"}, 0.9, 1, False, "", None),
    Row(4, {"a.rate": 0.5, "a.kind": "<b>"}, math.nan, 0, False, "disk full", None),
]


def test_finished_trials_come_first_by_what_is_judged() -> None:
    assert [row.number for row in ranked(ROWS)] == [1, 2, 0, 3, 4]


def test_the_rank_correlation_is_over_finished_trials_whose_recall_is_known() -> None:
    assert rank_correlation(ROWS) == pytest.approx(0.5)  # ranks 1 3 2 and 1 2 3
    assert math.isnan(rank_correlation(ROWS[:2]))


def test_the_table_marks_the_best_and_says_how_every_trial_ended() -> None:
    lines = table(ROWS, 1).splitlines()
    assert lines[0].split() == ["trial", "rate", "kind", "judged", "R@1", "(hidden)"]
    assert lines[1].split() == ["001", "*", "0.2", "y", "70.0", "(62.0", "to", "78.0)", "80.0", "done"]
    assert "stopped after round 1" in lines[4] and "disk full" in lines[5]
    assert "was not used to choose; rank correlation with the judge 0.50" in lines[-1]


def test_the_page_is_whole_escaped_and_marks_what_reads_the_truth(tmp_path) -> None:
    page = write_sweep_page(tmp_path / "sweep.html", "mine", ["a.rate", "a.kind"], ROWS, 1, "judged").read_text()
    assert page.count("<svg") == 4
    assert "&lt;b&gt;" in page and "<b>&lt;" not in page
    assert "reads the truth" in page and "src=" not in page and "href=\"http" not in page
    without = [Row(row.number, row.changes, row.judged, row.rounds, row.finished, row.error, None) for row in ROWS]
    page = write_sweep_page(tmp_path / "sweep.html", "mine", ["a.rate", "a.kind"], without, 1, "judged").read_text()
    assert page.count("<svg") == 3 and "reads the truth" not in page
    failed = [row for row in without if math.isnan(row.judged)]
    assert "No trial came to its end" in write_sweep_page(
        tmp_path / "sweep.html", "mine", ["a.rate"], failed, None, "judged"
    ).read_text()
