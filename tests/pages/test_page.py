import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from ucvgl.pages.page import Report, Retrieval, Round, Translated, duration, percent, write_page
from ucvgl.poses.verifying import Fit
from ucvgl.pseudo_labels.decoys import Estimate
from ucvgl.retrieval.recall import Recall

HOSTILE = "panos/<script>alert('1')</script>\" onerror=\"x & y.jpg"


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def report() -> Report:
    panorama, tile = picture(12, 48), picture(16, 16)
    margins = np.random.default_rng(0).gamma(1, 0.03, 300)
    right = [False, False, True, False, False]
    retrieval = Retrieval("q7", panorama, tile, [tile] * 5, [0.912, 0.823, 0.734, 0.645, 0.556], 2, right)
    return Report(
        title="a run",
        about="Seven villages.",
        recall=Recall(
            0.4123, 0.661, 0.7547, 0.6281, queries=487, references=493, without_reference=13, more={"hit rate": 0.5912}
        ),
        raw_pixels={"colour": 0.031, "edges": 0.052},
        supervised=0.846,
        begun_r1=0.184,
        begun_judged=Estimate(0.16, 0.1, 0.22),
        rounds=[
            Round(141, 300, 0.0517, margins, 0.781, 0.273, None, 0.757, Estimate(0.26, 0.21, 0.31)),
            Round(229, 300, 0.0123, margins, 0.694, 0.369, None, 0.713, Estimate(0.38, 0.33, 0.43)),
        ],
        translated=[Translated(panorama, tile, tile, tile)],
        first_batch=[(panorama, tile)],
        retrievals=[retrieval],
        losses={"cold start": (range(900), np.linspace(3, 1, 900))},
        settings={"curriculum.rounds": (8, 13)},
        versions={"torch": "2.15.0"},
        seconds={"translate": 191.2},
        rejected=[("a.jpg", "empty file (0 bytes)")],
        rejected_count=17,
        images=9001,
        command="python jobs/unsupervised.py --curriculum.rounds 13",
    )


def test_queries_that_are_not_projected_are_shown_once_and_not_said_to_be_rolled(report, page, tmp_path):
    shown, (retrieval,) = "its bird&#39;s-eye view", report.retrievals
    flights = replace(report, retrievals=[replace(retrieval, bev=None)], translated=[], heading_known=False)
    told = write_page(tmp_path / "flights.html", flights).read_text(encoding="utf-8")
    assert shown in page and "rolling the panorama" in page
    assert shown not in told and "rolling the panorama" not in told and "turned by any angle" in told


@pytest.fixture(scope="module")
def page(report, tmp_path_factory) -> str:
    return write_page(tmp_path_factory.mktemp("report") / "report.html", report).read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Every start tag with its attributes, and the text outside style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def words(page: str) -> str:
    return re.sub(r"\s+", " ", " ".join(Tags(page.split("</style>", 1)[1]).text))


def test_the_page_fetches_nothing_and_runs_nothing(page):
    for tag, attributes in Tags(page).tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form"), tag
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
                assert (value or "").startswith(("data:image/", "#")), (tag, name, value)
    assert not re.search(r"@import|url\((?!#)", page)
    assert "default-src 'none'" in page


def test_every_number_given_is_on_the_page(page):
    text = words(page)
    numbers = (
        "41.2 66.1 75.5 62.8 59.1 487 493 13 3.1 5.2 84.6 18.4 141 229 47.0 76.3 0.0517 0.0123 78.1 69.4 27.3 36.9"
    )
    more = "75.7 71.3 0.912 0.823 0.734 0.645 0.556 q7 17 9001 2.15.0"
    for number in (numbers + " " + more).split():
        assert re.search(rf"(?<![\d.]){re.escape(number)}(?![\d]|\.\d)", text), number
    for phrase in (
        "Seven villages.",
        "hit rate",
        "3 min 11 s",
        "curriculum.rounds",
        "one true tile, ties count against",
        "place 3",
        "26 (21 to 31)",
        "R@1 is 38 (33 to 43) %",
    ):
        assert phrase in text, phrase


def test_every_image_has_a_text_and_a_size(page):
    images = [attributes for tag, attributes in Tags(page).tags if tag == "img"]
    assert len(images) == 4 + 2 + 2 + 5
    assert all(image["alt"] and image["width"] and image["height"] for image in images)


def test_a_true_tile_beyond_the_best_is_the_last_and_marks_say_where_the_ground_lies(report, tmp_path):
    (retrieval,) = report.retrievals
    fits = [Fit(8.0 * place, 0.1, 0.2, 4.0) for place in range(6)]
    far = replace(retrieval, right=[False] * 5, rank=36, true_tile=picture(16, 16), fits=fits)
    told = replace(report, retrievals=[far], true_places=[("first", 445), ("after 100", 7)])
    text = write_page(tmp_path / "far.html", told).read_text(encoding="utf-8")
    assert re.findall(r'<figure class="(right|wrong)">', text) == ["wrong"] * 5 + ["right"]
    assert "37. true tile<br>ground +0.500" in text and "at place 37" in text
    assert text.count('aria-label="where the ground fits best"') == 6
    assert re.search(r">first</th><th[^>]*>after 100<.*445</td><td[^>]*>7<", text, re.DOTALL)


def test_the_true_tile_is_framed_right_and_the_others_wrong(page):
    frames = re.findall(r'<figure class="(right|wrong)">', page)
    assert frames == ["wrong", "wrong", "right", "wrong", "wrong"]


def test_what_compares_with_the_truth_is_marked_as_evaluation_only(page):
    for heading in ("R@1 by round", "Right and wrong"):
        assert re.search(rf"<h\d>{heading} <span class=\"tag\">evaluation only", page), heading


def test_hostile_names_are_shown_as_text(report, tmp_path):
    hostile = replace(
        report,
        title=HOSTILE,
        about=HOSTILE,
        rejected=[(HOSTILE, HOSTILE)],
        settings={HOSTILE: (HOSTILE, HOSTILE)},
        versions={HOSTILE: HOSTILE},
        seconds={HOSTILE: 1.0},
        losses={HOSTILE: ([1, 2], [1, 2])},
        raw_pixels={HOSTILE: 0.1},
        retrievals=[replace(report.retrievals[0], query_id=HOSTILE)],
        command=HOSTILE,
    )
    page = write_page(tmp_path / "report.html", hostile).read_text(encoding="utf-8")
    test_the_page_fetches_nothing_and_runs_nothing(page)
    assert page.count("<script") == 0
    assert HOSTILE in words(page)


def test_without_truth_the_page_says_so_and_still_shows_the_rounds(report, tmp_path):
    blind = replace(
        report,
        recall=None,
        begun_r1=None,
        retrievals=[],
        rounds=[replace(step, precision=None, r1=None) for step in report.rounds],
    )
    page = write_page(tmp_path / "report.html", blind).read_text(encoding="utf-8")
    assert "There is no ground truth for these images" in page
    assert "141" in words(page) and "R@1 is 38 (33 to 43) %" in words(page)
    assert re.search(r"R@1 by round <span class=\"tag\">judged without truth", page)
    assert "36.9" not in words(page) and "78.1" not in words(page)
    unjudged = replace(blind, rounds=[replace(step, judged=None) for step in blind.rounds])
    assert "R@1 by round" not in write_page(tmp_path / "unjudged.html", unjudged).read_text(encoding="utf-8")


def test_a_bare_report_is_a_page_too(tmp_path):
    page = write_page(tmp_path / "deep/report.html", Report(title="bare", recall=None)).read_text(
        encoding="utf-8"
    )
    assert "How it learned" not in page and "The run" in page
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["report.html"]


def test_a_run_that_translates_nothing_is_not_said_to_paint_and_says_how_its_labels_are_chosen(report, page, tmp_path):
    assert "A CycleGAN" in page and "Fake tile" in page and "decoys, mirrored tiles" not in page
    own = replace(report, painted=False, labels_judged=True)
    bare = write_page(tmp_path / "report.html", own).read_text(encoding="utf-8")
    assert "A CycleGAN" not in bare and "Fake tile" not in bare and "Nothing was translated" in bare
    assert "decoys, mirrored tiles" in bare


def test_large_images_are_shrunk_so_that_the_page_stays_small(report, tmp_path):
    panorama, tile = picture(832, 1664), picture(1200, 1200)
    large = replace(
        report,
        first_batch=[(panorama, tile)] * 8,
        retrievals=[replace(report.retrievals[0], panorama=panorama, tiles=[tile] * 5)] * 12,
    )
    assert write_page(tmp_path / "report.html", large).stat().st_size < 5e6


def test_the_same_report_gives_the_same_page(report, page, tmp_path):
    assert write_page(tmp_path / "report.html", report).read_text(encoding="utf-8") == page


@pytest.mark.parametrize(
    "share,text",
    [(0.4123, "41.2"), (1, "100.0"), (0.00213, "0.21"), (0, "0.0"), (None, "–"), (float("nan"), "–")],
)
def test_shares_are_written_as_percentages(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(
    "seconds,text",
    [(0.24, "0.2 s"), (59.4, "59.4 s"), (59.9, "1 min 00 s"), (3599.9, "1 h 00 min"), (7440, "2 h 04 min")],
)
def test_durations_are_written_as_a_person_says_them(seconds, text):
    assert duration(seconds) == text


def test_labels_that_were_used_are_told_and_what_would_be_false_then_is_not(report, tmp_path):
    told = "400 of 4000 training queries came with their true tile (10 %)"
    page = write_page(tmp_path / "page.html", replace(report, labels_used=told)).read_text(encoding="utf-8")
    assert told in page and "cross-view geo-localization with labels" in page
    assert "never told" not in page
    true_pairs = [Round(0, 0, 0.0, np.empty(0), r1=0.5), Round(0, 0, 0.0, np.empty(0), r1=0.6)]
    supervised = replace(report, labels_used=told, rounds=true_pairs, translated=[], first_batch=[])
    page = write_page(tmp_path / "page.html", supervised).read_text(encoding="utf-8")
    assert "How it learned from labels" in page and "R@1 by round" in page
    assert "seudo-label" not in page and "without labels" not in page
