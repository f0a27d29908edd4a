"""What will become of each stage of a run: reused, resumed, run or refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ucvgl.files.printable import printable
from ucvgl.images.folder import absolute
from ucvgl.run.places import another_root, same_place
from ucvgl.run.record import BEGUN, DONE, Record, as_json_holds, digest, read_record
from ucvgl.settings.dataset import RENDERED
from ucvgl.settings.dotted import differences, dotted
from ucvgl.settings.retired import as_ever


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
    changed = [
        (name, a, b)
        for name, a, b in differences(before.settings, now.settings)
        if not (as_ever(name, a) or same_place(name, a, b, before.summary.get("root")))
    ]
    listed, named = before.summary.get("root"), now.settings.get("dataset.root")
    if not changed and now.settings.get("dataset.name") not in RENDERED and another_root(listed, named):
        changed = [("dataset.root", listed, absolute(str(named)))]
    other = [printable(f"{name}: {a} -> {b}") for name, a, b in changed]
    stale = {name: None for name, _, _ in differences(before.inputs, now.inputs)} | dict.fromkeys(remade)
    reasons = [f"with other settings ({', '.join(other)})"] if other else []
    reasons += [f"from another {' and '.join(map(printable, stale))}"] if stale else []
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
    records = _records(run)
    found = [name] if name in records else []
    for made in found:
        found += [stage for stage, by in records.items() if made in by.inputs and stage not in found]
    return found


def kept_inputs(run: Path, victims: Collection[str]) -> list[str]:
    """The finished stages that stages on disk were made from and that stay when these are dropped."""
    records = _records(run)
    found = {source for name in victims for source in records[name].inputs}
    return sorted(name for name in found - {*victims} if (run / name / DONE).exists())


def _records(run: Path) -> dict[str, Record]:
    """Those of all stages on disk, finished or not."""
    records: dict[str, Record] = {}
    for file in [*run.glob(f"*.partial/{BEGUN}"), *run.glob(f"*/{DONE}")]:
        record = read_record(file)
        if record is not None and not file.parent.name.startswith("."):
            records[file.parent.name.removesuffix(".partial")] = record
    return records


def partial_folder(run: Path, name: str) -> Path:
    """Where a stage is at work until it is whole."""
    return run / f"{name}.partial"
