"""What is wrong with the values of the settings: each alone, by the range at its field, and all together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ucvgl.images.uris import NO_CREDENTIALS, holds_secrets, is_local, no_place, without_secrets
from ucvgl.settings.dotted import Mistakes, dotted, setting_types, with_changes
from ucvgl.settings.experiment import PROTOCOLS, Experiment, Resources
from ucvgl.settings.photos import photo_mistakes
from ucvgl.settings.ranges import MOST, holds, in_words


def ranges() -> dict[str, Any]:
    """The range of every number among the settings, by dotted name."""
    return {name: type_ for name, type_ in setting_types(ranged=True).items() if setting_types()[name] in (int, float)}


def check(experiment: Experiment) -> list[str]:
    """All that is wrong with the values of the settings, in plain words; empty when nothing is."""
    return alone(experiment) or disagreements(experiment)


def alone(experiment: Experiment) -> list[str]:
    """What is wrong with each value by itself, whatever the others are; every line begins with the setting's name."""
    values = dotted(experiment)
    mistakes = [
        f"{name}: {values[name]!r} is not allowed; it must be {in_words(range_)}"
        + (f", and no number is beyond {MOST:,}" if abs(values[name]) > MOST else "")
        for name, range_ in ranges().items()
        if not holds(values[name], range_)
    ]
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    mistakes += [
        f"{name}: {without_secrets(text)}: {NO_CREDENTIALS}" for name, text in texts.items() if holds_secrets(text)
    ]
    mistakes += [
        f"{name}: {text!r} is not UTF-8; rename it, or link to it" for name, text in texts.items() if not _is_utf8(text)
    ]
    dataset = experiment.dataset
    root = "" if dataset.rendered and is_local(dataset.root) else no_place(dataset.root)
    mistakes += [f"dataset.root: {root}"] if root and not holds_secrets(dataset.root) else []
    return mistakes


def _is_utf8(text: str) -> bool:
    """Whether a file can hold it: names of files on the command line may be any bytes."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


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


def resources_of(**values: Any) -> Resources:
    """The resources of a command, whose flags have the ranges of the settings that they stand for.

    Raises:
        ValueError: one is outside.
    """
    allowed = ranges()
    for name, value in values.items():
        range_ = allowed.get(f"resources.{name}")
        if range_ is not None and not holds(value, range_):
            raise ValueError(f"--{name.replace('_', '-')} {value}: it must be {in_words(range_)}, and at most {MOST:,}")
    return Resources(**values)


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
    mistakes += photo_mistakes(experiment)
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
    mistakes += _structure(experiment)
    model, sizes = experiment.model, (dataset.panorama_height, dataset.panorama_width)
    if model.query == "both" and experiment.translation.fake:
        mistakes.append(
            "model.query: the encoder of tiles has seen fakes, not bird's-eye views, where translation.fake is on; set "
            "it to panorama, or translation.fake off"
        )
    if model.shared and model.aggregation != "mean" and sizes != (dataset.tile_size, dataset.tile_size):
        mistakes.append(
            f"model.shared: one encoder needs one image size, but panoramas are {sizes[0]}x{sizes[1]} and tiles "
            f"{dataset.tile_size}x{dataset.tile_size}; make them equal, or set model.aggregation to mean"
        )
    workers = experiment.resources.workers
    for name in ("translation", "contrast", "adaptation"):
        batch = getattr(experiment, name).batch
        if batch < workers:
            mistakes.append(f"{name}.batch: {batch} is less than resources.workers, {workers}")
    fewest = experiment.resources.workers_at_least
    if 0 < workers < fewest:
        mistakes.append(f"resources.workers_at_least: {fewest} is more than resources.workers, {workers}")
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


def _structure(experiment: Experiment) -> list[str]:
    """What rules out that the structure of the ground is compared."""
    curriculum = experiment.curriculum
    asked = {
        "curriculum.first_structure_vote": curriculum.first_structure_vote,
        "curriculum.final_structure_vote": curriculum.final_structure_vote,
        "curriculum.verified": curriculum.verified,
        "evaluation.verified": experiment.evaluation.verified,
        "model.structure": experiment.model.structure if experiment.query_by == "both" else 0.0,
    }
    mistakes, flags = [], " and ".join(name for name, share in asked.items() if share)
    if flags and not experiment.projection.bev:
        mistakes.append(f"projection.bev: off rules out {flags}, which compare bird's-eye views; set them to 0")
    if not curriculum.whitening and (curriculum.first_structure_vote or curriculum.final_structure_vote):
        mistakes.append(
            "curriculum.whitening: 0 rules out curriculum.first_structure_vote and curriculum.final_structure_vote: "
            "unwhitened, the structure of all places is much the same; set them to 0"
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
    if settings.towers == "two" and not settings.source:
        mistakes.append("adaptation.towers: two encoders are those of a run; name it in adaptation.source")
    if settings.averaged_turns > 1 and settings.towers == "two":
        mistakes.append("adaptation.averaged_turns: a panorama does not turn like a picture from above; leave it at 1")
    if settings.pooling == "moments" and settings.source:
        mistakes.append(
            "adaptation.pooling: moments are of the layers of a timm network; leave adaptation.source empty, or choose "
            "another pooling"
        )
    if settings.source and (settings.pooling == "cls" or settings.layer != -1):
        mistakes.append(
            "adaptation.source: the encoders of a run have no blocks and no class token; leave adaptation.layer at -1, "
            "and choose another adaptation.pooling"
        )
    return mistakes
