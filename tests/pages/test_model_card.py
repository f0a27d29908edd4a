from dataclasses import replace
from pathlib import Path

import pytest

from ucvgl.pages.model_card import Card, markdown
from ucvgl.pages.page import Report, write_page
from ucvgl.pages.write_card import write_card
from ucvgl.pseudo_labels.decoys import Estimate
from ucvgl.retrieval.recall import Recall
from ucvgl.settings.experiment import Experiment, Model

RECALL = Recall(r1=0.412, r5=0.6, r10=0.7, r1pct=0.55, queries=480, references=500, without_reference=20)
CARD = Card(
    name="mine",
    data="Seven villages",
    counts={"train_queries": 4000},
    model={"backbone": "strided"},
    recall=RECALL,
    raw_pixels={"edges_search": 0.068, "colour": 0.04},
    begun_r1=0.046,
    labels=(2294, 4000, 0.952),
    settings={"curriculum.rounds": (10, 3)},
    versions={"torch": "2.15.0"},
)


def test_the_card_holds_data_settings_protocol_numbers_and_limits():
    text = markdown(CARD)
    for line in (
        "| train queries | 4000 |",
        "| raw pixels (edges, search), no learning | 6.8 |  |  |  |",
        "| **this model** | 41.2 | 60.0 | 70.0 | 55.0 |",
        "Protocol: one true tile, ties count against; 480 queries among 500 references",
        "20 queries have no true tile in the pool and are left out.",
        "2294 pseudo-labels among 4000 queries, of which 95.2 % are true",
        "| `curriculum.rounds` | 10 | 3 |",
        "## Limits",
        "| torch | 2.15.0 |",
    ):
        assert line in text, line
    assert "rendered" not in text
    assert "no forecast for real images" in markdown(replace(CARD, synthetic=True))


def test_without_truth_the_card_says_that_nothing_is_known():
    text = markdown(replace(CARD, recall=None))
    assert "nothing is known about how often the model is right" in text and "R@1" not in text
    text = markdown(replace(CARD, recall=None, judged=Estimate(0.33, 0.27, 0.39)))
    assert "As far as decoys tell, R@1 is 33 (27 to 39) %." in text and "nothing is known about how often" not in text


def test_a_name_cannot_break_a_table():
    assert "| a\\|b | 1 |" in markdown(replace(CARD, counts={"a|b": 1}))


def test_labels_that_were_used_are_told_first():
    assert "trained without labels" in markdown(CARD)
    text = markdown(replace(CARD, labels_used="400 of 4000 training queries came with their true tile (10 %)"))
    assert "**trained with labels**: 400 of 4000 training queries" in text.split("\n\n")[1]
    assert "without labels" not in text


def test_a_card_that_somebody_changed_is_kept_and_said_and_one_of_ours_is_written_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = Report(title="run", recall=None, labels_used="3 labels")
    path = write_card(tmp_path, Experiment(), before)
    assert "3 labels" in path.read_text()
    write_card(tmp_path, Experiment(), replace(before, labels_used="4 labels"))
    assert "4 labels" in path.read_text() and not caplog.text
    for mine in (path.read_text() + "\nMy own words.\n", "mine\n", ""):
        path.write_text(mine)
        write_card(tmp_path, Experiment(), before)
        assert path.read_text() == mine
        assert f"{path} was changed since it was written, and is kept; move it away" in caplog.text
        caplog.clear()


@pytest.mark.parametrize(
    ("aggregation", "told"),
    [("safa", "SAFA, 8 heads"), ("map", "a map of the ground, cell by cell"), ("mean", "mean")],
)
def test_the_card_says_how_features_are_aggregated(tmp_path: Path, aggregation: str, told: str) -> None:
    report = Report(title="run", recall=None)
    settings = replace(Experiment(), model=Model(aggregation=aggregation))
    assert f"| aggregation | {told} |" in write_card(tmp_path, settings, report).read_text()


def test_a_page_of_somebody_else_is_not_drawn_over(tmp_path: Path) -> None:
    page = write_page(tmp_path / "report.html", Report(title="run", recall=None))
    write_page(page, Report(title="run again", recall=None))
    page.write_text("<p>mine")
    with pytest.raises(ValueError, match="report.html is there already and was not made by ucvgl"):
        write_page(page, Report(title="run", recall=None))
