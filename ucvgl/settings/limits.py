"""The values a setting may take: one table for single settings, one function for those that must agree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ucvgl.images.storage import NO_CREDENTIALS, holds_credentials, without_credentials
from ucvgl.settings.adaptation import TRANSPORT_PARTNERS
from ucvgl.settings.dotted import Mistakes, dotted, with_changes
from ucvgl.settings.experiment import PROTOCOLS, Experiment


@dataclass(frozen=True)
class Limit:
    """An interval, closed unless said otherwise, and a step."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    multiple_of: int = 1

    def holds(self, value: float) -> bool:
        """Whether the value lies inside; never for NaN and infinity."""
        above = self.low < value if self.low_open else self.low <= value
        below = value < self.high if self.high_open else value <= self.high
        in_step = self.multiple_of == 1 or value % self.multiple_of == 0
        return math.isfinite(value) and above and below and in_step

    def __str__(self) -> str:
        words = []
        if self.multiple_of > 1:
            words.append(f"a multiple of {self.multiple_of}")
        if self.low > -math.inf:
            words.append(f"{'more than' if self.low_open else 'at least'} {self.low:g}")
        if self.high < math.inf:
            words.append(f"{'less than' if self.high_open else 'at most'} {self.high:g}")
        return " and ".join(words) or "a finite number"


COUNT = Limit(low=1)
COUNT_OR_NONE = Limit(low=0)
SHARE = Limit(low=0, high=1)
POSITIVE = Limit(low=0, low_open=True)
NOT_NEGATIVE = Limit(low=0)
BELOW_ONE = Limit(low=0, high=1, high_open=True)
MARGIN = Limit(low=-4, high=4)
MARGINS = {"cosine": Limit(low=0, high=2), "quantile": Limit(low=0, high=1), "z_score": MARGIN}
"""By `curriculum.margin_scale`."""
ELEVATION = Limit(low=-90, high=90)
BATCH = Limit(low=2, multiple_of=2)
PIXELS = Limit(low=8, multiple_of=8)

LIMITS = {
    "dataset.synthetic.seed": COUNT_OR_NONE,
    "dataset.synthetic.look.camera_height_m": Limit(low=1, high=8),
    "dataset.synthetic.look.tile_side_m": Limit(low=16, high=100),
    "dataset.synthetic.look.top_elevation_deg": ELEVATION,
    "dataset.synthetic.look.bottom_elevation_deg": Limit(low=-90, high=0, high_open=True),
    "dataset.synthetic.look.off_centre_m": Limit(low=0, high=10),
    "dataset.synthetic.look.off_north_deg": Limit(low=0, high=45),
    "dataset.synthetic.look.inversion": SHARE,
    "dataset.synthetic.look.texture": Limit(low=0, high=5),
    "dataset.synthetic.look.visibility_m": Limit(low=20),
    "dataset.synthetic.look.veil": Limit(low=0, high=0.6),
    "dataset.synthetic.train_places": Limit(low=2),
    "dataset.synthetic.validation_places": Limit(low=2),
    "dataset.synthetic.panorama_height": PIXELS,
    "dataset.synthetic.panorama_width": PIXELS,
    "dataset.synthetic.tile_size": PIXELS,
    "dataset.synthetic.queries_without_reference": BELOW_ONE,
    "dataset.synthetic.references_without_query": BELOW_ONE,
    "dataset.drone.views": Limit(low=1, high=99),
    "dataset.drone.size": PIXELS,
    "dataset.drone.distractor_places": COUNT_OR_NONE,
    "dataset.panorama_height": PIXELS,
    "dataset.panorama_width": PIXELS,
    "dataset.tile_size": PIXELS,
    "dataset.max_bad_share": SHARE,
    "projection.fov_deg": Limit(low=0, high=180, low_open=True, high_open=True),
    "projection.metres_per_pixel": NOT_NEGATIVE,
    "projection.camera_height_m": NOT_NEGATIVE,
    "projection.top_elevation_deg": ELEVATION,
    "projection.bottom_elevation_deg": ELEVATION,
    "translation.steps": COUNT_OR_NONE,
    "translation.batch": COUNT,
    "translation.learning_rate": POSITIVE,
    "translation.channels": COUNT,
    "translation.blocks": COUNT_OR_NONE,
    "translation.cycle_weight": NOT_NEGATIVE,
    "translation.identity_weight": NOT_NEGATIVE,
    "model.safa_heads": COUNT,
    "model.channels": COUNT,
    "contrast.batch": BATCH,
    "contrast.learning_rate": POSITIVE,
    "contrast.weight_decay": NOT_NEGATIVE,
    "contrast.temperature": POSITIVE,
    "contrast.shift": Limit(low=0, high=0.5),
    "contrast.rotate_deg": Limit(low=0, high=180),
    "contrast.scale": BELOW_ONE,
    "contrast.tone": SHARE,
    "contrast.holes": COUNT_OR_NONE,
    "contrast.average_decay": BELOW_ONE,
    "contrast.clip_gradient": NOT_NEGATIVE,
    "cold_start.intra_epochs": COUNT_OR_NONE,
    "cold_start.cross_epochs": COUNT_OR_NONE,
    "cold_start.intra_label_smoothing": BELOW_ONE,
    "cold_start.cross_label_smoothing": BELOW_ONE,
    "curriculum.rounds": COUNT_OR_NONE,
    "curriculum.epochs_per_round": COUNT,
    "curriculum.min_margin": MARGIN,
    "curriculum.reciprocal": Limit(low=1, high=32),
    "curriculum.final_margin": MARGIN,
    "curriculum.first_fake_vote": SHARE,
    "curriculum.final_fake_vote": SHARE,
    "curriculum.scan_turns": Limit(low=1, high=4),
    "curriculum.label_smoothing": BELOW_ONE,
    "curriculum.patience": COUNT_OR_NONE,
    "curriculum.dustbin_share": SHARE,
    "supervision.label_fraction": SHARE,
    "supervision.neighbours": COUNT,
    "adaptation.layer": Limit(low=-100, high=100),
    "adaptation.gem_power": POSITIVE,
    "adaptation.vlad_centres": COUNT,
    "adaptation.turns": Limit(low=1, high=4),
    "adaptation.width": COUNT_OR_NONE,
    "adaptation.rounds": COUNT_OR_NONE,
    "adaptation.steps_per_round": COUNT,
    "adaptation.batch": BATCH,
    "adaptation.learning_rate": POSITIVE,
    "adaptation.weight_decay": NOT_NEGATIVE,
    "adaptation.temperature": POSITIVE,
    "adaptation.label_smoothing": BELOW_ONE,
    "adaptation.aic_weight": NOT_NEGATIVE,
    "adaptation.partners": Limit(low=2, high=64),
    "adaptation.reciprocal": Limit(low=1, high=64),
    "adaptation.neighbours": Limit(low=1, high=64),
    "adaptation.group_weight": NOT_NEGATIVE,
    "adaptation.transport_temperature": POSITIVE,
    "adaptation.transport_balance": SHARE,
    "adaptation.first_threshold": MARGIN,
    "adaptation.final_threshold": MARGIN,
    "resources.train_workers": COUNT,
    "resources.train_cpus": COUNT,
    "resources.train_gpus": NOT_NEGATIVE,
    "resources.train_workers_at_least": COUNT_OR_NONE,
    "resources.train_rows": COUNT_OR_NONE,
    "resources.image_workers": COUNT,
    "resources.model_workers": COUNT,
    "resources.model_gpus": NOT_NEGATIVE,
    "resources.search_workers": COUNT,
    "resources.search_rows": COUNT,
    "resources.search_gpus": NOT_NEGATIVE,
    "resources.images_per_shard": COUNT,
    "seed": COUNT_OR_NONE,
}


def check(experiment: Experiment) -> list[str]:
    """All that is wrong with the values of the settings, in plain words; empty when nothing is."""
    values = dotted(experiment)
    margin = MARGINS[experiment.curriculum.margin_scale]
    limits = LIMITS | {"curriculum.min_margin": margin, "curriculum.final_margin": margin}
    threshold = MARGINS[experiment.adaptation.threshold_scale]
    limits |= {"adaptation.first_threshold": threshold, "adaptation.final_threshold": threshold}
    mistakes = [
        f"{name}: {values[name]!r} is not allowed; it must be {limit}"
        for name, limit in limits.items()
        if not limit.holds(values[name])
    ]
    return mistakes or disagreements(experiment)


def changed(base: Experiment, settings: Mapping[str, Any]) -> Experiment:
    """An experiment with other values of some settings, by dotted name.

    Raises:
        Mistakes: everything that is wrong with them, at once.
    """
    experiment, mistakes = with_changes(base, settings)
    mistakes += check(experiment)
    if mistakes:
        raise Mistakes(mistakes)
    return experiment


def disagreements(experiment: Experiment) -> list[str]:
    """Settings that are right alone and wrong together."""
    mistakes = _adaptation(experiment)
    projection, curriculum, dataset = experiment.projection, experiment.curriculum, experiment.dataset
    if projection.top_elevation_deg <= projection.bottom_elevation_deg:
        mistakes.append(
            f"projection.top_elevation_deg: {projection.top_elevation_deg:g} is not above "
            f"projection.bottom_elevation_deg, {projection.bottom_elevation_deg:g}"
        )
    if (projection.metres_per_pixel > 0) != (projection.camera_height_m > 0):
        mistakes.append(
            f"projection.metres_per_pixel: {projection.metres_per_pixel:g} and projection.camera_height_m, "
            f"{projection.camera_height_m:g}, set the scale together; give both, or neither to use projection.fov_deg"
        )
    choices = PROTOCOLS[dataset.name]
    if dataset.protocol != "default" and dataset.protocol not in choices:
        offer = f"there are {', '.join(choices)}" if choices else "it has no choice: leave it at default"
        mistakes.append(f"dataset.protocol: {dataset.protocol!r} is no protocol of {dataset.name}; {offer}")
    if bool(dataset.queries) != bool(dataset.references):
        mistakes.append("dataset.queries: it goes with dataset.references; give both, or neither")
    if dataset.queries and dataset.name != "folder":
        mistakes.append(f"dataset.queries: {dataset.name} knows where its images lie; leave it empty")
    if curriculum.final_margin > curriculum.min_margin:
        mistakes.append(
            f"curriculum.final_margin: {curriculum.final_margin:g} is above curriculum.min_margin, "
            f"{curriculum.min_margin:g}; the threshold falls from the second to the first"
        )
    if curriculum.patience and curriculum.keep == "last":
        mistakes.append("curriculum.patience: it counts rounds by their agreement; set curriculum.keep to agreement")
    model, sizes = experiment.model, (dataset.panorama_height, dataset.panorama_width)
    if model.shared and model.aggregation == "safa" and sizes != (dataset.tile_size, dataset.tile_size):
        mistakes.append(
            f"model.shared: one SAFA encoder needs one image size, but panoramas are {sizes[0]}x{sizes[1]} and tiles "
            f"{dataset.tile_size}x{dataset.tile_size}; make them equal, or set model.aggregation to mean"
        )
    if holds_credentials(dataset.root):
        mistakes.append(f"dataset.root: {without_credentials(dataset.root)}: {NO_CREDENTIALS}")
    workers = experiment.resources.train_workers
    for name in ("translation", "contrast", "adaptation"):
        batch = getattr(experiment, name).batch
        if batch < workers:
            mistakes.append(f"{name}.batch: {batch} is less than resources.train_workers, {workers}")
    fewest = experiment.resources.train_workers_at_least
    if fewest > workers:
        mistakes.append(f"resources.train_workers_at_least: {fewest} is more than resources.train_workers, {workers}")
    unpaired = dataset.synthetic.queries_without_reference + dataset.synthetic.references_without_query
    if unpaired >= 1:
        mistakes.append(
            f"dataset.synthetic.references_without_query: together with queries_without_reference "
            f"it makes {unpaired:g}, which leaves no pair; their sum must be less than 1"
        )
    if dataset.rendered and experiment.contrast.batch > dataset.synthetic.train_places:
        mistakes.append(
            f"contrast.batch: {experiment.contrast.batch} is more than there are images, "
            f"dataset.synthetic.train_places, {dataset.synthetic.train_places}"
        )
    return mistakes


def _adaptation(experiment: Experiment) -> list[str]:
    settings = experiment.adaptation
    mistakes = []
    if settings.final_threshold > settings.first_threshold:
        mistakes.append(
            f"adaptation.final_threshold: {settings.final_threshold:g} is above adaptation.first_threshold, "
            f"{settings.first_threshold:g}; the threshold falls from the second to the first"
        )
    if settings.strategy == "transport" and settings.partners < TRANSPORT_PARTNERS:
        mistakes.append(
            f"adaptation.partners: {settings.partners} is too few for adaptation.strategy transport, which shares "
            f"every query out among them; give {TRANSPORT_PARTNERS} or more, or 50 to come near the whole pool's shares"
        )
    if settings.towers == "two" and not settings.source:
        mistakes.append("adaptation.towers: two encoders are those of a run; name it in adaptation.source")
    if settings.source and (settings.facet != "token" or settings.pooling == "cls" or settings.layer != -1):
        mistakes.append(
            "adaptation.source: the encoders of a run have no blocks, facets or class token; leave adaptation.layer at "
            "-1 and adaptation.facet at token, and choose another adaptation.pooling"
        )
    return mistakes
