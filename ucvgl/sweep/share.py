"""Stages that several runs have in common: made once, linked into each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from ucvgl.run.prospects import Stage, wanted
from ucvgl.run.record import DONE, read_record
from ucvgl.settings.dotted import dotted


def common_stages(plan: Sequence[Stage], others: Sequence[Sequence[Stage]]) -> list[str]:
    """The stages that every plan makes from the same settings and the same inputs, in order."""
    common: list[str] = []
    for place, stage in enumerate(plan):
        same = all(dotted(other[place].settings) == dotted(stage.settings) for other in others)
        if same and set(stage.inputs) <= set(common):
            common.append(stage.name)
    return common


def share_stages(made: Path, run: Path, plan: Sequence[Stage]) -> list[str]:
    """Link the finished stages of one run into another that would make them just so; their names.

    Files are hard links where the disk allows: they cost nothing, and are never written to again.
    """
    run.mkdir(parents=True, exist_ok=True)
    shared = []
    for stage in plan:
        record = read_record(made / stage.name / DONE)
        if record is None or (run / stage.name).exists():
            continue
        if not all((run / name / DONE).exists() for name in stage.inputs):
            continue
        now = wanted(run, stage)
        if (record.settings, record.inputs) != (now.settings, now.inputs):
            continue
        aside = run / f".shared.{stage.name}"
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(made / stage.name, aside, copy_function=_link)
        aside.rename(run / stage.name)
        shared.append(stage.name)
    return shared


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
