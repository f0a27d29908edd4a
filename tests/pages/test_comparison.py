import re
from dataclasses import replace

import pytest

from ucvgl.pages.comparison import Compared, differing, spreads, write_comparison
from ucvgl.pseudo_labels.decoys import Estimate
from ucvgl.retrieval.recall import Recall

RECALL = Recall(r1=0.412, r5=0.6, r10=0.7, r1pct=0.55, queries=480, references=500)
FIRST = Compared("first", RECALL, [0.05, 0.3, 0.412], [100, 200], {"seed": 0, "a": 1, "only": "x"}, 60.0)
SECOND = Compared("<b>second", replace(RECALL, r1=0.523), [0.05, 0.523], [150], {"seed": 0, "a": 2}, 7200.0)


def page(tmp_path, *runs):
    return write_comparison(tmp_path / "page.html", runs).read_text()


def test_only_settings_that_differ_are_listed_and_a_lacking_one_is_a_dash():
    assert differing([FIRST, SECOND]) == {"a": [1, 2], "only": ["x", "\N{EN DASH}"]}
    assert differing([FIRST, FIRST]) == {}


def test_every_run_has_its_recalls_labels_time_and_curve(tmp_path):
    text = page(tmp_path, FIRST, SECOND)
    for shown in ("41.2", "52.3", "200", "150", "1 min 00 s", "2 h 00 min", "<code>only</code>"):
        assert shown in text, shown
    assert len(re.findall(r"<svg", text)) == 1
    assert "<b>second" not in text and "&lt;b&gt;second" in text
    assert "default-src 'none'" in text and "<script" not in text


def test_recalls_of_other_pools_are_not_compared_in_silence(tmp_path):
    other = replace(SECOND, recall=replace(RECALL, references=9000))
    assert "These runs were not evaluated alike" in page(tmp_path, FIRST, other)
    assert "These runs were not evaluated alike" not in page(tmp_path, FIRST, SECOND)


def test_a_run_without_truth_is_shown_with_what_is_judged(tmp_path):
    text = page(tmp_path, FIRST, Compared("blind", None, labels=[3]))
    assert "no ground truth" in text and text.count("<svg") == 1
    judged = [Estimate(0.1, 0.0, 0.2), Estimate(0.33, 0.27, 0.39)]
    text = page(tmp_path, FIRST, Compared("blind", None, labels=[3], judged=judged))
    assert "33 (27 to 39)" in text and text.count("<svg") == 2


@pytest.mark.parametrize(("runs", "words"), [
    ([FIRST], "a comparison needs two runs or more"),
    ([FIRST, FIRST], "two of the runs have the same name"),
])  # fmt: skip
def test_what_cannot_be_compared_is_refused(tmp_path, runs, words):
    with pytest.raises(ValueError, match=words):
        write_comparison(tmp_path / "page.html", runs)


def test_runs_that_differ_in_their_seeds_only_have_their_mean_and_standard_error(tmp_path):
    runs = [
        Compared(f"seed {seed}", replace(RECALL, r1=r1), (), (), {"seed": seed, "a": 1}, 1.0, [Estimate(0.5, 0.4, 0.6)])
        for seed, r1 in enumerate((0.7, 0.8, 0.9))
    ]
    (spread,) = spreads([*runs, FIRST])
    assert spread.names == ["seed 0", "seed 1", "seed 2"]
    assert spread.scores[0] == (pytest.approx(0.8), pytest.approx(0.1 / 3**0.5))
    assert spread.judged == (0.5, 0.0)
    text = page(tmp_path, *runs, FIRST)
    assert "<b>80.0 \N{PLUS-MINUS SIGN} 5.8</b>" in text and "seeds of seed 0, seed 1, seed 2" in text


def test_runs_with_other_pools_or_settings_or_without_truth_have_no_mean(tmp_path):
    other = replace(FIRST, name="other", recall=replace(RECALL, references=9000))
    blind = replace(FIRST, name="blind", recall=None)
    assert spreads([FIRST, SECOND, other, blind]) == []
    assert "standard error" not in page(tmp_path, FIRST, SECOND, other, blind)
