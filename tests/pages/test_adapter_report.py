"""The rounds of an adaptation as its page shows them."""

from __future__ import annotations

from ucvgl.pages.adapter_report import _rounds
from ucvgl.pages.page import Report, write_page


def row(name, labels, precision, r1):
    labelled = labels and labels // 2  # every labelled query has two
    return {"name": name, "labels": labels, "labelled": labelled, "precision": precision, "forth_r1": r1}


def test_a_round_without_labels_of_its_own_was_trained_on_those_before():
    table = [row("frozen", None, None, 0.1), row("start", None, None, 0.1), row("round_00", 20, 0.5, 0.2)]
    rounds = _rounds([*table, row("round_01", None, None, 0.3)], 40)
    assert [(step.labels, step.queries, step.precision, step.r1) for step in rounds] == [
        (20, 40, 0.5, 0.2),
        (20, 40, 0.5, 0.3),
    ]
    assert [step.share for step in rounds] == [0.25, 0.25]


def test_without_truth_the_page_still_tells_of_an_adaptation(tmp_path):
    rounds = _rounds([row("frozen", None, None, None), row("round_00", 20, None, None)], 40)
    page = write_page(tmp_path / "report.html", Report("run", None, rounds=rounds)).read_text()
    assert "How it adapted without labels" in page and "Margins, 0 to" not in page
    assert "Both ways" not in page
