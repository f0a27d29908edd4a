"""What the stages of each method are made with and made from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ucvgl.run.prospects import Stage
from ucvgl.run.record import digest
from ucvgl.run.weights import weights_of
from ucvgl.settings.dotted import Mistakes
from ucvgl.settings.experiment import Experiment


def unsupervised(experiment: Experiment) -> list[Stage]:
    """The stages of UCVGL; `resources` is in none of them, as it changes no number.

    Raises:
        Mistakes: it is asked to use labels, of its own or of another run.
    """
    _refuse_labels(experiment, "jobs/unsupervised.py")
    return _unsupervised(experiment)


def semi_supervised(experiment: Experiment) -> list[Stage]:
    """The stages of UCVGL with some true pairs, which join the cold start and all rounds (section 4.4, Table 4).

    Raises:
        Mistakes: no label is asked for.
    """
    supervision = experiment.supervision
    catalog, *others = _unsupervised(experiment)
    stages = [catalog, _labels(experiment)]
    for stage in others:
        if stage.name == "4_cold_start":
            stage = replace(stage, settings={**stage.settings, "supervision": {"start": supervision.start}})
        if stage.name in ("4_cold_start", "5_curriculum"):
            stage = replace(stage, inputs=[*stage.inputs, "2_labels"])
        stages.append(stage)
    return stages


def supervised(experiment: Experiment) -> list[Stage]:
    """The stages of training on true pairs alone (Sample4Geo); no translation, no pseudo-label.

    Raises:
        Mistakes: no label is asked for.
    """
    settings, catalog, project = experiment.curriculum, *_unsupervised(experiment)[:2]
    model = replace(experiment.model, query=experiment.query_by)  # by translation.fake, which makes nothing here
    training = {"seed": experiment.seed, "model": model, "contrast": experiment.contrast}
    intra = {
        name: getattr(experiment.cold_start, name) for name in ("intra_epochs", "intra_steps", "intra_label_smoothing")
    }
    each = ("rounds", "epochs_per_round", "round_steps", "label_smoothing", "query_weights", "verified")
    rounds = {name: getattr(settings, name) for name in each}
    begin, refresh = (
        {name: getattr(experiment.supervision, name) for name in names}
        for names in (("start",), ("start", "hard_negatives"))
    )
    own = {"cross_label_smoothing": experiment.cold_start.cross_label_smoothing}
    made = ["1_catalog", "2_labels", "2_project", "4_cold_start"]
    return [
        catalog,
        _labels(experiment),
        project,
        Stage("4_cold_start", training | {"cold_start": intra, "supervision": begin}, ["2_project"]),
        Stage("5_supervised", training | {"cold_start": own, "curriculum": rounds, "supervision": refresh}, made),
        _evaluation(experiment, "5_supervised"),
    ]


def _refuse_labels(experiment: Experiment, job: str) -> None:
    for name in ("label_fraction", "start"):
        if value := getattr(experiment.supervision, name):
            labelled = "jobs/semi_supervised.py and jobs/supervised.py do"
            raise Mistakes([f"supervision.{name}: {value!r}, but {job} does not use it; {labelled}"])


def _labels(experiment: Experiment) -> Stage:
    fraction = experiment.supervision.label_fraction
    if not fraction:
        way_out = "give a share, or use jobs/unsupervised.py, which needs none"
        raise Mistakes([f"supervision.label_fraction: 0 leaves no label; {way_out}"])
    return Stage("2_labels", {"seed": experiment.seed, "supervision": {"label_fraction": fraction}}, ["1_catalog"])


def _unsupervised(experiment: Experiment) -> list[Stage]:
    seed = {"seed": experiment.seed}
    training = seed | {"model": experiment.model, "contrast": experiment.contrast}
    later = {"panoramas_later": experiment.curriculum.panoramas_later}
    cold_start = training | {"cold_start": experiment.cold_start, "curriculum": later}
    curriculum = training | {"curriculum": experiment.curriculum}
    return [
        *_images(experiment),
        Stage("3_translate", seed | {"translation": experiment.translation}, ["2_project"]),
        Stage("4_cold_start", cold_start, ["2_project", "3_translate"]),
        Stage("5_curriculum", curriculum, ["2_project", "3_translate", "4_cold_start"]),
        _evaluation(experiment, "5_curriculum"),
    ]


def _evaluation(experiment: Experiment, trained: str) -> Stage:
    made = ["1_catalog", "2_project", "4_cold_start", trained]
    return Stage("6_evaluate", {"evaluation": experiment.evaluation}, made)


FROZEN_SETTINGS = ("towers", "layer", "pooling", "turns", "averaged_turns")
"""What of `adaptation` decides the frozen descriptors, beside the network itself."""


def adapt(experiment: Experiment) -> list[Stage]:
    """The stages of EM-CVGL. Frozen descriptors are kept under their network, layer, pooling and preprocessing.

    Raises:
        ValueError: `adaptation.source` names no model, or it is asked to use labels.
    """
    _refuse_labels(experiment, "jobs/adapt.py")
    settings, model, seed = experiment.adaptation, experiment.model, {"seed": experiment.seed}
    if settings.source:
        network: dict[str, Any] = {"weights": digest(weights_of(settings.source, setting="adaptation.source"))}
    else:
        network = {name: getattr(model, name) for name in ("backbone", "checkpoint", "pretrained")}
    light = {name: value for name, value in vars(settings).items() if name not in (*FROZEN_SETTINGS, "source")}
    frozen = {"network": network, "adaptation": {name: getattr(settings, name) for name in FROZEN_SETTINGS}}
    return [
        *_images(experiment, back=experiment.dataset.reverse_protocol),
        Stage("3_features", seed | frozen, ["2_project"]),
        Stage("4_adapt", seed | {"adaptation": light}, ["2_project", "3_features"]),
        Stage("5_evaluate", {}, ["1_catalog", "2_project", "3_features", "4_adapt"]),
    ]


def _images(experiment: Experiment, back: str = "") -> list[Stage]:
    dataset, seed = experiment.dataset, {"seed": experiment.seed}
    images = {"name": dataset.name, "root": dataset.root, "synthetic": dataset.synthetic}
    images |= {"protocol": dataset.chosen_protocol, "queries": dataset.queries, "references": dataset.references}
    images |= {"drone": dataset.drone} if dataset.name == "synthetic_drone" else {}
    images |= {"flight_height_m": dataset.flight_height_m} if dataset.name == "sues200" else {}
    images |= {"back": back} if back else {}
    seen = ("panorama_height", "panorama_width", "tile_size", "max_bad_share", "camera", "fov_deg", "tilt")
    projected = {"dataset": {name: getattr(dataset, name) for name in seen}, "projection": experiment.projection}
    projected |= {"contrast": {"heading": experiment.contrast.heading}}  # whether a list of headings is used
    projected |= seed if dataset.levelled else {}
    return [Stage("1_catalog", {"dataset": images}), Stage("2_project", projected, ["1_catalog"])]
