"""What the stages of a run depend on, and what will become of each: reused, resumed, run or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ucvgl.run.record import BEGUN, DONE, Record, as_json_holds, digest, read_record
from ucvgl.run.weights import weights_of
from ucvgl.settings.dotted import Mistakes, differences, dotted
from ucvgl.settings.experiment import Experiment


@dataclass(frozen=True)
class Stage:
    """One folder of a run.

    Args:
        name: of the folder, as `3_translate`.
        settings: all that can change its content; dataclasses and nested mappings become dotted names.
        inputs: earlier stages that it is made from.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Sequence[str] = ()


@dataclass(frozen=True)
class Prospect:
    """What will become of a stage; a refusal says why, and the way out."""

    stage: str
    state: str
    reason: str = ""


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
    training = {"seed": experiment.seed, "model": experiment.model, "contrast": experiment.contrast}
    intra = {name: getattr(experiment.cold_start, name) for name in ("intra_epochs", "intra_label_smoothing")}
    rounds = {name: getattr(settings, name) for name in ("rounds", "epochs_per_round", "label_smoothing")}
    begin, refresh = (
        {name: getattr(experiment.supervision, name) for name in names}
        for names in (("start",), ("start", "hard_negatives", "neighbours"))
    )
    made = ["1_catalog", "2_labels", "2_project", "4_cold_start"]
    return [
        catalog,
        _labels(experiment),
        project,
        Stage("4_cold_start", training | {"cold_start": intra, "supervision": begin}, ["2_project"]),
        Stage("5_supervised", training | {"curriculum": rounds, "supervision": refresh}, made),
        Stage("6_evaluate", {}, ["1_catalog", "2_project", "4_cold_start", "5_supervised"]),
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
    cold_start = training | {"cold_start": experiment.cold_start}
    curriculum = training | {"curriculum": experiment.curriculum}
    return [
        *_images(experiment),
        Stage("3_translate", seed | {"translation": experiment.translation}, ["2_project"]),
        Stage("4_cold_start", cold_start, ["2_project", "3_translate"]),
        Stage("5_curriculum", curriculum, ["2_project", "3_translate", "4_cold_start"]),
        Stage("6_evaluate", {}, ["1_catalog", "2_project", "4_cold_start", "5_curriculum"]),
    ]


FROZEN_SETTINGS = ("towers", "layer", "facet", "pooling", "gem_power", "vlad_centres", "turns")
"""What of `adaptation` decides the frozen descriptors, beside the network itself."""


def adapt(experiment: Experiment) -> list[Stage]:
    """The stages of EM-CVGL. Frozen descriptors are kept under their network, layer, pooling and preprocessing.

    Raises:
        ValueError: `adaptation.source` names no model, or it is asked to use labels.
    """
    _refuse_labels(experiment, "jobs/adapt.py")
    settings, model, seed = experiment.adaptation, experiment.model, {"seed": experiment.seed}
    if settings.source:
        network: dict[str, Any] = {"weights": digest(weights_of(settings.source))}
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
    dataset = experiment.dataset
    images = {"name": dataset.name, "root": dataset.root, "synthetic": dataset.synthetic}
    images |= {"protocol": dataset.chosen_protocol, "queries": dataset.queries, "references": dataset.references}
    images |= {"drone": dataset.drone} if dataset.name == "synthetic_drone" else {}
    images |= {"back": back} if back else {}
    sizes = {
        name: getattr(dataset, name)
        for name in ("panorama_height", "panorama_width", "tile_size", "max_bad_share")
    }
    return [
        Stage("1_catalog", {"dataset": images}),
        Stage("2_project", {"dataset": sizes, "projection": experiment.projection}, ["1_catalog"]),
    ]


def prospects(run: Path, plan: Sequence[Stage], *, redo: Sequence[str] = ()) -> list[Prospect]:
    """What will become of each stage of a plan when the stages `redo` are dropped first."""
    dropped = {victim for name in redo for victim in made_from(run, name)}
    states: dict[str, Prospect] = {}
    for stage in plan:
        remade = [name for name in stage.inputs if name in states and states[name].state != "reused"]
        states[stage.name] = (
            Prospect(stage.name, "run") if stage.name in dropped else prospect(run, stage, remade=remade)
        )
    return list(states.values())


def prospect(run: Path, stage: Stage, *, remade: Sequence[str] = ()) -> Prospect:
    """What will become of one stage, when the inputs `remade` are about to change.

    Raises:
        ValueError: what the stage wrote down cannot be read.
    """
    folder, partial = run / stage.name, partial_folder(run, stage.name)
    done, begun = read_record(folder / DONE), read_record(partial / BEGUN)
    before, where, verb = (done, folder, "made") if done else (begun, partial, "begun")
    if before is None:
        if folder.exists():
            lacks = f"{folder} lacks {DONE}, so nobody knows what made it; move it away"
            return Prospect(stage.name, "refused", lacks)
        return Prospect(stage.name, "run")
    now = wanted(run, stage)
    other = [f"{name}: {a} -> {b}" for name, a, b in differences(before.settings, now.settings)]
    stale = {name: None for name, _, _ in differences(before.inputs, now.inputs)} | dict.fromkeys(remade)
    reasons = [f"with other settings ({', '.join(other)})"] if other else []
    reasons += [f"from another {' and '.join(stale)}"] if stale else []
    if not reasons:
        return Prospect(stage.name, "reused" if done else "resumed")
    way_out = f"start a new run with --run NAME, or remake it with --redo {stage.name}"
    return Prospect(stage.name, "refused", f"{where} was {verb} {' and '.join(reasons)}; {way_out}")


def wanted(run: Path, stage: Stage) -> Record:
    """The record of a stage as it would be made now."""
    files = {name: run / name / DONE for name in stage.inputs}
    inputs = {name: digest(file) if file.exists() else "not made" for name, file in files.items()}
    return Record(settings=as_json_holds(dotted(stage.settings)), inputs=inputs)


def made_from(run: Path, name: str) -> list[str]:
    """A stage and every stage on disk made from it, directly or not; empty when it was never begun."""
    records: dict[str, Record] = {}
    for file in [*run.glob(f"*.partial/{BEGUN}"), *run.glob(f"*/{DONE}")]:
        record = read_record(file)
        if record is not None and not file.parent.name.startswith("."):
            records[file.parent.name.removesuffix(".partial")] = record
    found = [name] if name in records else []
    for made in found:
        found += [stage for stage, by in records.items() if made in by.inputs and stage not in found]
    return found


def partial_folder(run: Path, name: str) -> Path:
    """Where a stage is at work until it is whole."""
    return run / f"{name}.partial"
