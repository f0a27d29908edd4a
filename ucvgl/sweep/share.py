"""Stages that several runs have in common: made once, linked into each; in a bucket copied within it.

A trial's process knows of a sweep what is here: with the page and the encoders it would start three times as slowly.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from ucvgl.files.names import OWNER
from ucvgl.images.storage import AT_ONCE, exists, list_files, write
from ucvgl.images.store_copy import copy_there
from ucvgl.images.uris import join
from ucvgl.methods import plan
from ucvgl.run.mirror import fetch_records
from ucvgl.run.prospects import Stage, wanted
from ucvgl.run.record import BEGUN, DONE, read_record
from ucvgl.settings.dotted import dotted
from ucvgl.sweep.home import Home, Lies
from ucvgl.sweep.space import Trial


def common_stages(stages: Sequence[Stage], others: Sequence[Sequence[Stage]]) -> list[str]:
    """The stages that every plan makes from the same settings and the same inputs, in order."""
    common: list[str] = []
    for place, stage in enumerate(stages):
        same = all(dotted(other[place].settings) == dotted(stage.settings) for other in others)
        if same and set(stage.inputs) <= set(common):
            common.append(stage.name)
    return common


def give_common(sweep: Home, trial: Trial) -> None:
    """Give a trial the stages that all trials have in common."""
    share(sweep.shared, sweep.trial(trial.number), plan.unsupervised(trial.experiment))


def share(made: Lies, run: Lies, stages: Sequence[Stage]) -> list[str]:
    """Give one run of a sweep the finished stages of another that it would make just so; their names."""
    if made.store and run.store:
        return share_in_store(made.store, run.store, stages)
    return share_stages(made.folder, run.folder, stages)


def share_stages(made: Path, run: Path, stages: Sequence[Stage]) -> list[str]:
    """Link the finished stages of one run into another that would make them just so; their names.

    Files are hard links where the disk allows: they cost nothing, and are never written to again.
    """
    run.mkdir(parents=True, exist_ok=True)
    shared = []
    for stage in stages:
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


def share_in_store(made: str, run: str, stages: Sequence[Stage]) -> list[str]:
    """The same for runs in a bucket, before a process takes the second one over.

    The bucket copies the files itself, and no machine sees them. A cache that holds one of them for one run has it for
    the others as well, as their digests are the same (`ucvgl.files.room.twin`).

    Args:
        made: where the run lies whose stages are shared.
        run: where the other one lies.

    Raises:
        StorageError: the bucket cannot be used.
    """
    with TemporaryDirectory() as folder:
        records = Path(folder, "made"), Path(folder, "run")
        fetch_records(made, records[0])
        fetch_records(run, records[1])
        begun = {path.name.removesuffix(".partial") for path in records[1].glob("*.partial")}
        names = share_stages(*records, [stage for stage in stages if stage.name not in begun])
    if names and not exists(join(run, OWNER)):
        write(join(run, OWNER), b"shared")  # a place that holds something and no run is refused
    for name in names:
        there = list_files(join(made, name))
        files = [file for file in there if file not in (BEGUN, DONE)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(partial(_copy, join(made, name), join(run, name)), files, map(there.__getitem__, files)))
        _copy(join(made, name), join(run, name), DONE, there[DONE])
    return names


def _copy(made: str, run: str, name: str, size: int) -> None:
    copy_there(join(made, name), join(run, name), size)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
