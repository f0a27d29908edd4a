"""The model card of a run: what the encoders were made from, how good they were found, and what they are not for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ucvgl.pages.page import estimate, percent
from ucvgl.pseudo_labels.decoys import Estimate
from ucvgl.retrieval.recall import Recall


@dataclass(frozen=True)
class Card:
    """All that the card says.

    Args:
        data: which images.
        counts: how many images, by pile.
        model: what the encoders are, by word.
        settings: (preset's value, this run's) by dotted name, only where they differ.
        recall: None where there is no ground truth.
        raw_pixels: R@1 (share) by name of what needs no learning.
        method: whose, and where it is described.
        begun: what training began with; `begun_r1` is its R@1.
        labels_used: how many queries came with their true tile, in words; empty: none.
        labels: pseudo-labels of the last round, of how many queries, and the share that is true (or None).
        judged: R@1 as far as decoys tell, without truth.
        synthetic: whether the images are rendered.
    """

    name: str
    data: str
    counts: Mapping[str, int]
    model: Mapping[str, object]
    recall: Recall | None
    raw_pixels: Mapping[str, float] = field(default_factory=dict)
    begun: str = "cold start"
    begun_r1: float | None = None
    method: str = "UCVGL; Li, Qian and Xia, CVPR 2024"
    labels_used: str = ""
    labels: tuple[int, int, float | None] | None = None
    settings: Mapping[str, tuple[object, object]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    synthetic: bool = False
    judged: Estimate | None = None


def markdown(card: Card) -> str:
    """The card as Markdown."""
    parts = [
        f"# {escaped(card.name)}",
        "Two encoders that tell on which satellite tile a ground panorama was taken "
        f"({card.method}), {_labels(card)}.",
        "## Data",
        f"{card.data}.",
        _table(("images", "count"), [(escaped(name.replace("_", " ")), count) for name, count in card.counts.items()]),
        "## Model",
        _table(("what", "value"), [(what, escaped(value)) for what, value in card.model.items()]),
        "## Results",
        _results(card),
        "## Settings",
        _settings(card),
        "## Limits",
        "\n".join(f"- {line}" for line in _limits(card)),
        "## Software",
        _table(("package", "version"), list(card.versions.items())),
    ]
    return "\n\n".join(parts) + "\n"


def _labels(card: Card) -> str:
    if card.labels_used:
        return f"**trained with labels**: {card.labels_used}"
    return "trained without labels: nothing said which panorama belongs to which tile"


def _results(card: Card) -> str:
    recall = card.recall
    if recall is None:
        if card.judged:
            return f"There is no ground truth here. As far as decoys tell, R@1 is {estimate(card.judged)} %."
        return "There is no ground truth for these images, so nothing is known about how often the model is right."
    rows: list[Sequence[object]] = [("chance", percent(recall.chance), "", "", "")]
    if card.raw_pixels:
        best = max(card.raw_pixels, key=lambda name: card.raw_pixels[name])
        name = f"raw pixels ({best.replace('_', ', ')}), no learning"
        rows.append((name, percent(card.raw_pixels[best]), "", "", ""))
    if card.begun_r1 is not None:
        rows.append((card.begun, percent(card.begun_r1), "", "", ""))
    scores = (percent(share) for share in (recall.r1, recall.r5, recall.r10, recall.r1pct))
    rows.append(("**this model**", *scores))
    lines = [
        _table(("", "R@1, %", "R@5, %", "R@10, %", "R@1%, %"), rows),
        f"Protocol: {recall.protocol}; {recall.queries} queries among {recall.references} references, R@1% is the best "
        f"{recall.one_percent}. No model was chosen by these numbers: they are those of the last round.",
    ]
    if recall.without_reference:
        lines.append(f"{recall.without_reference} queries have no true tile in the pool and are left out.")
    if card.judged:
        lines.append(f"Without truth, as far as decoys tell, R@1 is {estimate(card.judged)} %.")
    if card.labels:
        labels, queries, precision = card.labels
        true = "" if precision is None else f", of which {percent(precision)} % are true"
        lines.append(f"The last round was trained on {labels} pseudo-labels among {queries} queries{true}.")
    return "\n\n".join(lines)


def _settings(card: Card) -> str:
    if not card.settings:
        return "Those of the preset; all are in `config.yaml`."
    rows = [(f"`{name}`", escaped(before), escaped(now)) for name, (before, now) in card.settings.items()]
    return _table(("setting", "preset", "this run"), rows) + "\n\nAll are in `config.yaml`, which repeats the run."


def _limits(card: Card) -> list[str]:
    lines = [
        "Panoramas must be equirectangular, with north in the middle column and the camera near the middle of its "
        "tile; tiles north up, at one scale.",
        "Images are shrunk to the sizes above; the encoders are tied to them.",
        "Nothing is known about places, seasons, sensors or cameras that differ from the images above.",
        "A tile always comes first, also for a photo taken outside the area: the confidence of `ucvgl localize` "
        "assumes that the place is among the tiles.",
        "Finding out where a photo was taken can harm the person who took it or is on it. Use it on photos that you "
        "may locate.",
    ]
    if card.synthetic:
        lines.insert(0, "All images are rendered: the numbers compare methods, and are no forecast for real images.")
    return lines


def escaped(text: object) -> str:
    """A name or a value that Markdown shows as it is: no element, no link, no end of a cell or line."""
    return re.sub(r"([\\`\[|])", r"\\\1", " ".join(str(text).split())).replace("<", "&lt;")


def code(text: str) -> str:
    """A name as code; one with a backquote is escaped instead."""
    return escaped(text) if "`" in text or "\n" in text else f"`{text}`"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in cells)
