"""The rounds of an adaptation as its page shows them."""

from __future__ import annotations

import re

from ucvgl.pages.adapter_report import _rounds
from ucvgl.pages.descriptor_kinds import kinds_of
from ucvgl.pages.page import Report, write_page


def row(name, labels, precision, r1):
    labelled = labels and labels // 2  # every labelled query has two
    return {"name": name, "labels": labels, "labelled": labelled, "precision": precision, "forth_r1": r1}


def test_the_rounds_are_what_was_trained_on_labels():
    table = [row("frozen", None, None, 0.1), row("start", None, None, 0.1), row("round_00", 20, 0.5, 0.2)]
    (step,) = _rounds(table, 40)
    assert (step.labels, step.queries, step.share, step.precision, step.r1) == (20, 40, 0.25, 0.5, 0.2)


def test_what_was_found_and_what_was_judged_are_told_in_the_same_unit_on_the_page_too(tmp_path):
    judged = {"forth_judged": 35.6, "back_judged": 62.3, "result": False}
    voted = {"name": "voted", "labels": None, "forth_r1": 0.404, "back_r1": 0.617, **judged, "result": True}
    start = {"name": "start", "labels": None, "forth_r1": 0.1, "back_r1": 0.1, **judged}
    last = {"name": "round_05", "labels": 20, "forth_r1": 0.3, "back_r1": None, **judged}
    kinds = kinds_of([voted, start, last])
    assert [*map(str, kinds)] == [
        "voted: R@1 40.4, back 61.7; judged 35.6, back 62.3",
        "adapted: judged 35.6, back 62.3",
    ]
    page = write_page(tmp_path / "report.html", Report("run", None, kinds=kinds)).read_text()
    assert "The result is <strong>voted</strong>." in page
    row = page[page.index("<td><strong>voted") :].split("</tr>")[0]
    assert re.findall(r">([\d.]+)<", row) == ["35.6", "62.3", "40.4", "61.7"]


def test_of_a_run_that_chose_no_result_the_last_round_is_it():
    judged = dict.fromkeys(("forth_judged", "back_judged"))
    table = [{"name": name, "labels": labels, "forth_r1": 0.1, "back_r1": 0.1, **judged, "result": None}
             for name, labels in (("frozen", None), ("round_05", 20))]  # fmt: skip
    assert [(kind.name, kind.chosen) for kind in kinds_of(table)] == [("frozen", False), ("adapted", True)]


def test_without_truth_the_page_still_tells_of_an_adaptation(tmp_path):
    rounds = _rounds([row("frozen", None, None, None), row("round_00", 20, None, None)], 40)
    page = write_page(tmp_path / "report.html", Report("run", None, rounds=rounds)).read_text()
    assert "How the adapter was trained without labels" in page and "Margins, 0 to" not in page
    assert "Both ways" not in page
