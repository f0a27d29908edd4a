import re

import numpy as np

from ucvgl.pages.curves import loss_curve, margin_histogram, recall_curve
from ucvgl.pseudo_labels.decoys import Estimate


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_charts_take_their_colours_from_the_page():
    for svg in (
        recall_curve([0.1, 0.2], {"chance": 0.002}),
        margin_histogram(np.linspace(0, 0.1, 50), 0.04, 0.1),
        loss_curve([0, 1, 2], [3.0, 2.0, 1.0]),
    ):
        assert svg.startswith("<svg") and "var(--accent)" in svg
        assert not re.search(r"(fill|stroke): ?#(?!ffffff)", svg)
        assert not re.search(r'<svg[^>]* (width|height)="', svg)


def test_the_recall_curve_names_its_levels_and_its_last_value():
    written = texts(recall_curve([0.184, 0.273, 0.369], {"blind guess": 0.002, "true pairs": 0.846}))
    assert {"blind guess 0.2", "true pairs 84.6", "36.9", "cold start", "2"} <= set(written)


def test_what_is_judged_stands_beside_the_truth_with_its_bounds_and_alone_without_it():
    judged = [Estimate(0.1, 0.05, 0.15), Estimate(0.3, 0.25, 0.35)]
    both, alone = (recall_curve(r1, {}, judged=judged) for r1 in ([0.1, 0.2], []))
    truth = recall_curve([0.1, 0.2], {})
    assert "20.0" in texts(both) and "30.0" in texts(alone)
    assert [svg.count("FillBetweenPolyCollection") > 0 for svg in (both, alone, truth)] == [True, True, False]


def test_margins_beyond_the_threshold_are_coloured_and_none_is_lost():
    margins = np.array([0.01] * 30 + [0.09] * 10 + [5.0] * 2 + [np.nan])
    svg = margin_histogram(margins, threshold=0.05, limit=0.1)
    bars = re.findall(
        r'<path d="M ([\d.]+) ([\d.]+) \nL [\d.]+ [\d.]+ \nL [\d.]+ ([\d.]+)[^>]*fill: var\(--(\w+)\)', svg
    )
    heights = {(colour, round(float(x))): float(bottom) - float(top) for x, bottom, top, colour in bars}
    tall = {key: -height for key, height in heights.items() if height}
    assert sorted(colour for colour, _ in tall) == ["accent", "accent", "muted"]
    by_colour = {
        colour: sum(v for (c, _), v in tall.items() if c == colour) for colour in ("accent", "muted")
    }
    assert abs(by_colour["accent"] / by_colour["muted"] - 12 / 30) < 0.01


def test_long_losses_are_averaged_and_gaps_left_out():
    losses = np.random.default_rng(0).normal(size=100_000)
    losses[::7] = np.nan
    svg = loss_curve(range(100_000), losses)
    assert len(svg) < 40_000


def test_a_loss_of_a_single_step_is_visible():
    assert "<use" in loss_curve([5], [1.0])
