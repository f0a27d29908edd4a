"""The rounds of an adaptation as its page shows them."""

from __future__ import annotations

from ucvgl.pages.adapter_report import _rounds, _row
from ucvgl.pages.page import Report, write_page


def row(name, labels, precision, r1):
    labelled = labels and labels // 2  # every labelled query has two
    return {"name": name, "labels": labels, "labelled": labelled, "precision": precision, "forth_r1": r1}


def test_the_rounds_are_what_was_trained_on_labels():
    table = [row("frozen", None, None, 0.1), row("start", None, None, 0.1), row("round_00", 20, 0.5, 0.2)]
    (step,) = _rounds(table, 40)
    assert (step.labels, step.queries, step.share, step.precision, step.r1) == (20, 40, 0.25, 0.5, 0.2)


def test_what_was_found_and_what_was_judged_are_told_in_the_same_unit():
    found = {"forth_r1": 0.404, "back_r1": 0.617, "forth_judged": 35.6, "back_judged": 62.3}
    assert _row({"name": "voted", **found}) == "voted: R@1 40.4, back 61.7; judged 35.6, back 62.3"
    assert _row({"name": "round_05", **found | {"back_r1": None}}) == "adapted: judged 35.6, back 62.3"


def test_without_truth_the_page_still_tells_of_an_adaptation(tmp_path):
    rounds = _rounds([row("frozen", None, None, None), row("round_00", 20, None, None)], 40)
    page = write_page(tmp_path / "report.html", Report("run", None, rounds=rounds)).read_text()
    assert "How it adapted without labels" in page and "Margins, 0 to" not in page
    assert "Both ways" not in page
