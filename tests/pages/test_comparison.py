import re
from dataclasses import replace

import pytest

from ucvgl.pages.comparison import Compared, differing, write_comparison
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
