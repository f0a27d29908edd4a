"""One self-contained HTML page of a run: no script, nothing fetched, readable on a phone and in the dark."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import jinja2
import numpy as np
from jaxtyping import UInt8
from markupsafe import Markup

from ucvgl.atomic import write_whole
from ucvgl.files.owned import refuse_foreign_file
from ucvgl.pages.camera_mark import fit_mark
from ucvgl.pages.curves import loss_curve, margin_histogram, recall_curve
from ucvgl.pages.descriptor_kinds import DescriptorKind
from ucvgl.pages.gallery import at_most
from ucvgl.poses.verifying import WEIGHT, Fit
from ucvgl.pseudo_labels import decoys
from ucvgl.pseudo_labels.decoys import Estimate
from ucvgl.retrieval.recall import Recall

Image = UInt8[np.ndarray, "h w 3"]
TILE_HEIGHT = 160
PANORAMA_HEIGHT = 128


@dataclass(frozen=True)
class Translated:
    """One panorama on its way to a tile; `real` is any tile of the pool, not its own."""

    panorama: Image
    bev: Image
    fake: Image
    real: Image


@dataclass(frozen=True)
class Round:
    """One round of the curriculum.

    Args:
        queries: how many could have got a pseudo-label; 0 where true pairs alone were trained on.
        threshold: smallest margin of a pseudo-label, cosine units.
        margins: best minus second-best similarity of every query; empty where labels are chosen otherwise.
        precision: share of the labels that are true; evaluation only, None without truth or labels.
        r1: share, after training on the labels; evaluation only.
        labelled: how many of the queries have one, where a query may have several; None: as many as labels.
        judged_precision: the same as `precision`, as far as decoys tell; None where they were not asked.
        judged: the same as `r1`, likewise.
    """

    labels: int
    queries: int
    threshold: float
    margins: np.ndarray
    precision: float | None = None
    r1: float | None = None
    labelled: int | None = None
    judged_precision: float | None = None
    judged: Estimate | None = None

    @property
    def share(self) -> float:
        """Of the queries, how many have a pseudo-label."""
        return (self.labels if self.labelled is None else self.labelled) / self.queries if self.queries else 0.0


@dataclass(frozen=True)
class Retrieval:
    """A query with its best tiles, best first.

    Args:
        bev: None where queries are not projected.
        rank: wrong tiles before or level with the true one; 0 is a hit at 1.
        right: for each of `tiles`, whether it is a true one.
        true_tile: the true one that comes first, where it is not among `tiles`.
        fits: how the bird's-eye view lies on each of `tiles`, then on `true_tile`; empty where that is not asked.
    """

    query_id: str
    panorama: Image
    bev: Image | None
    tiles: Sequence[Image]
    similarities: Sequence[float]
    rank: int
    right: Sequence[bool]
    true_tile: Image | None = None
    fits: Sequence[Fit] = ()


@dataclass(frozen=True)
class Attention:
    """A panorama and a tile, each with the positions that make up its descriptor (SAFA) lit up; and the true tile,
    where that is another one and known."""

    panorama: Image
    panorama_lit: Image
    tile: Image
    tile_lit: Image
    true_tile: Image | None = None
    true_lit: Image | None = None


@dataclass(frozen=True)
class Report:
    """All that the page shows; a section without content is left out.

    Args:
        about: one or two sentences: which data, which method.
        labels_used: how many queries came with their true tile, in words; empty: none.
        recall: None where there is no ground truth to evaluate with.
        raw_pixels: R@1 (share) by name of what needs no learning: correlating colours, edges.
        supervised: R@1 of the same network trained on true pairs.
        begun: what the first round begins with, in two words; `begun_r1` is its R@1.
        begun_judged: its R@1 as far as decoys tell.
        labels_judged: whether decoys tell how large a margin a label needs; else it is a threshold.
        painted: whether a CycleGAN makes a fake of a bird's-eye view; else that stands in for it.
        ways: name of a direction, and its recall before and after an adaptation.
        kinds: of descriptors that an adaptation made.
        settings: (preset's value, this run's) by dotted name, only where they differ.
        seconds: duration by stage.
        first_batch: what the two encoders are given, augmented: (panorama, tile) pairs.
        true_places: how many queries have their true tile at which places, in words.
        heading_known: whether a panorama begins at a known bearing, and is turned together with its tile.
        losses: (steps, values) by name.
        rejected: (uri, reason) of images left out; the first ones are enough.
        rejected_count: how many were left out in all.
    """

    title: str
    recall: Recall | None
    about: str = ""
    labels_used: str = ""
    raw_pixels: Mapping[str, float] = field(default_factory=dict)
    supervised: float | None = None
    begun: str = "cold start"
    begun_r1: float | None = None
    begun_judged: Estimate | None = None
    ways: Sequence[tuple[str, Recall, Recall]] = ()
    kinds: Sequence[DescriptorKind] = ()
    rounds: Sequence[Round] = ()
    labels_judged: bool = False
    painted: bool = True
    translated: Sequence[Translated] = ()
    first_batch: Sequence[tuple[Image, Image]] = ()
    heading_known: bool = True
    retrievals: Sequence[Retrieval] = ()
    true_places: Sequence[tuple[str, int]] = ()
    attention: Sequence[Attention] = ()
    losses: Mapping[str, tuple[Sequence[float], Sequence[float]]] = field(default_factory=dict)
    settings: Mapping[str, tuple[object, object]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    rejected: Sequence[tuple[str, str]] = ()
    rejected_count: int = 0
    images: int = 0
    command: str = ""


def write_page(path: Path | str, report: Report) -> Path:
    """Render the report; the file appears whole or not at all.

    Raises:
        ValueError: a file that is no page of ours is there.
    """
    refuse_foreign_file(Path(path))
    return publish(
        Path(path),
        "page.html.j2",
        report=report,
        levels=levels(report),
        curve=_curve(report),
        last_judged=report.rounds[-1].judged if report.rounds else None,
        limit=_margin_limit(report.rounds),
    )


def publish(path: Path, template: str, **content: object) -> Path:
    """Render a template of this package; the file appears whole or not at all."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ucvgl", "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        picture=picture, percent=percent, duration=duration, estimate=estimate, histogram=_histogram, loss=_loss,
        on_tile=_on_tile, of_ground=_of_ground, spread=_spread,
    )  # fmt: skip
    page = environment.get_template(template).render(**content)
    write_whole(path, page)
    return path


def levels(report: Report) -> list[tuple[str, float, str]]:
    """(name, R@1 share, kind) of everything the result is to be compared with, weakest first."""
    if report.recall is None:
        return []
    rows = [("blind guess", report.recall.chance, "other")]
    raw = {name.replace("_", ", "): share for name, share in report.raw_pixels.items()}
    rows += [(f"raw pixels: {name}", share, "other") for name, share in raw.items()]
    if report.begun_r1 is not None:
        rows.append((report.begun, report.begun_r1, "other"))
    rows.append(("this run", report.recall.r1, "this"))
    if report.supervised is not None:
        rows.append(("same network, true pairs", report.supervised, "other"))
    return sorted(rows, key=lambda row: row[1])


def picture(image: Image, alt: str, *, tall: int = TILE_HEIGHT) -> Markup:
    """An `<img>` with its pixels inside; small images keep every pixel, large ones are shrunk."""
    small = at_most(image, tall)
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        88,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    data = base64.b64encode(cv2.imencode(".jpg", small[..., ::-1], options)[1].tobytes()).decode()
    height, width = small.shape[:2]
    return Markup('<img src="data:image/jpeg;base64,{}" alt="{}" width="{}" height="{}">').format(
        Markup(data), alt, width, height
    )


def percent(share: float | None) -> str:
    """A share as a percentage without its sign; a dash where there is none."""
    if share is None or not np.isfinite(share):
        return "\N{EN DASH}"
    return f"{100 * share:.1f}" if share == 0 or share >= 0.01 else f"{100 * share:.2g}"


def estimate(judged: Estimate | None) -> str:
    """An estimate with its bounds, as percentages; a dash where there is none."""
    return decoys.percent(judged).replace(" %", "") if judged else percent(None)


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    return (
        f"{whole // 60} min {whole % 60:02d} s"
        if whole < 3600
        else f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    )


def _spread(score: tuple[float, float]) -> str:
    """Mean and standard error of shares, as percentages."""
    return f"{100 * score[0]:.1f} \N{PLUS-MINUS SIGN} {100 * score[1]:.1f}"


def _on_tile(fit: Fit) -> Markup:
    return Markup(fit_mark(fit))


def _of_ground(fit: Fit) -> str:
    """What the ground adds to the similarity of a tile that is verified."""
    return f"{WEIGHT * fit.evidence:+.3f}"


def _curve(report: Report) -> Markup | None:
    reached = [report.begun_r1, *(step.r1 for step in report.rounds)]
    r1 = [score for score in reached if score is not None] if report.recall else []
    believed = [report.begun_judged, *(step.judged for step in report.rounds)]
    judged = [estimate for estimate in believed if estimate is not None]
    if len(reached) < 2 or (len(r1) < len(reached) and len(judged) < len(reached)):
        return None
    lines = {name: share for name, share, _ in levels(report) if name not in (report.begun, "this run")}
    return Markup(recall_curve(r1, lines, begun=report.begun, judged=judged))


def _margin_limit(rounds: Sequence[Round]) -> float:
    """An axis for all rounds that a few outliers do not stretch."""
    tops = [float(np.nanquantile(step.margins, 0.995)) for step in rounds if np.isfinite(step.margins).any()]
    return max([*tops, *(1.1 * step.threshold for step in rounds), 1e-6])


def _histogram(step: Round, limit: float) -> Markup:
    return Markup(margin_histogram(step.margins, step.threshold, limit))


def _loss(curve: tuple[Sequence[float], Sequence[float]]) -> Markup:
    return Markup(loss_curve(*curve))
