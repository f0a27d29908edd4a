"""What a sweep tries: settings and how to draw them, checked as a whole before any machine starts."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from ucvgl.files.printable import printable
from ucvgl.run.places import lasting
from ucvgl.settings.dotted import MOST_SETTINGS, Mistakes, setting_types, suggestion, with_changes
from ucvgl.settings.experiment import Experiment
from ucvgl.settings.limits import alone, check
from ucvgl.settings.ranges import MOST
from ucvgl.settings.rates import rates_of_batches
from ucvgl.settings.yaml_door import read_tree

log = logging.getLogger(__name__)

KINDS = ("uniform", "log_uniform", "int", "choice", "grid")
Scheduler = Literal["none", "asha", "median"]
TRIES = 1000
"""Draws of one trial, until one is not refused."""
MOST_TRIALS = 10_000
MOST_TRIES = 4 * MOST_TRIALS


@dataclass(frozen=True)
class Space:
    """The content of a file in `tune_spaces/`.

    Args:
        settings: dotted name -> (kind, values); `uniform`, `log_uniform` and `int` have a low and a high end, both
            included, `choice` and `grid` all that there is.
        trials: how often the drawn settings are drawn for every point of the grid.
        seed: of the draws.
        scheduler: which trials end early, by the labels of their rounds so far, as judged.
        patience_rounds: rounds that every trial gets.
    """

    settings: Mapping[str, tuple[str, Sequence[Any]]]
    trials: int = 1
    seed: int = 0
    scheduler: Scheduler = "none"
    patience_rounds: int = 3


@dataclass(frozen=True)
class Trial:
    """One experiment of a sweep, and the settings that make it."""

    number: int
    changes: Mapping[str, Any]
    experiment: Experiment


def read_space(path: Path, base: Experiment) -> Space:
    """The space that a YAML file describes.

    Raises:
        Mistakes: all that is wrong with it, at once.
    """
    try:
        tree = read_tree(path)
    except ValueError as error:
        raise Mistakes([str(error)]) from error
    if not isinstance(tree, Mapping) or not isinstance(tree.get("settings"), Mapping) or not tree["settings"]:
        raise Mistakes([f"{path} names no settings; write `settings:` and below it `curriculum.min_margin: ...`"])
    if max(len(tree), len(tree["settings"])) > MOST_SETTINGS:
        raise Mistakes([f"{path} names {len(tree['settings']):,} settings, and there are {len(setting_types())}"])
    known = ("about", "settings", "trials", "seed", "scheduler", "patience_rounds")
    odd = [printable(str(name)) for name in tree if name not in known]
    mistakes = [f"{path}: {name}: no such entry{suggestion(name, list(known))}" for name in odd]
    settings = {}
    for name, written in tree["settings"].items():
        wrong = _mistakes(printable(str(name)), written, base)
        mistakes += [f"{path}: {line}" for line in wrong]
        if not wrong:
            ((kind, values),) = written.items()
            settings[str(name)] = (kind, values)
    for name, lowest in (("trials", 1), ("seed", 0), ("patience_rounds", 1)):
        value = tree.get(name, lowest)
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value < 2**32:
            mistakes.append(f"{path}: {name}: {value!r} is not allowed; it must be a whole number from {lowest} on")
    scheduler = str(tree.get("scheduler", "none"))
    if scheduler not in get_args(Scheduler):
        mistakes.append(f"{path}: scheduler: {scheduler!r} is not one of {', '.join(get_args(Scheduler))}")
    points = math.prod(len(values) for kind, values in settings.values() if kind == "grid")
    drawn = tree.get("trials", 1) if any(kind != "grid" for kind, _ in settings.values()) else 1
    if not mistakes and points * drawn > MOST_TRIALS:
        count = f"{points * drawn:,} trials, {points:,} grid points x {drawn:,}"
        mistakes.append(f"{path}: {count}; a sweep has at most {MOST_TRIALS:,}")
    if mistakes:
        raise Mistakes(mistakes)
    if "trials" in tree and drawn == 1 != tree["trials"]:
        told = f"trials {tree['trials']}: nothing is drawn, and each of {points} grid points is tried once"
        log.warning("%s: %s", path, told)
    rest = {name: tree[name] for name in ("trials", "seed", "scheduler", "patience_rounds") if name in tree}
    return Space(settings, **rest)


def draw(space: Space, base: Experiment) -> list[Trial]:
    """The trials of a space, the same every time. Draws that contradict themselves are drawn again; points of the grid
    that do are left out, counted and named.

    Raises:
        Mistakes: nothing that can be drawn is allowed.
    """
    rng = np.random.default_rng(space.seed)
    grid = {name: values for name, (kind, values) in space.settings.items() if kind == "grid"}
    drawn = {name: spread for name, spread in space.settings.items() if spread[0] != "grid"}
    trials: list[Trial] = []
    wrong: list[str] = []
    left_out: list[str] = []
    tries, changes = 0, {}
    for point in itertools.product(*grid.values()):
        for _ in range(space.trials if drawn else 1):
            for _ in range(TRIES if drawn else 1):
                changes = dict(zip(grid, point, strict=True)) | {
                    name: _one(*spread, rng) for name, spread in drawn.items()
                }
                tries += 1
                if tries > MOST_TRIES:
                    raise Mistakes(["nearly all draws of this space contradict themselves", *left_out[:1], *wrong])
                experiment, wrong = with_changes(base, changes)
                experiment = rates_of_batches(base, experiment, changes)
                wrong = wrong or check(experiment)
                if not wrong:
                    trials.append(Trial(len(trials), changes, lasting(experiment)))
                    break
            else:
                left_out.append(f"{', '.join(f'{name} {value}' for name, value in changes.items())}: {wrong[0]}")
                if drawn:
                    break  # the next draws at this point would fare the same
    if left_out and trials:
        log.warning("%d points contradict themselves and are left out; the first: %s", len(left_out), left_out[0])
    if not trials:
        raise Mistakes(["no trial of this space is allowed", *wrong])
    return trials


def _mistakes(name: str, written: Any, base: Experiment) -> list[str]:
    if name not in setting_types():
        return [f"{name}: no such setting{suggestion(name, list(setting_types()))}"]
    if name.startswith("resources."):
        return [f"{name}: resources change no result; give them as flags"]
    if not isinstance(written, Mapping) or len(written) != 1 or next(iter(written)) not in KINDS:
        return [f"{name}: {written!r} is not a way to draw; write one of {', '.join(KINDS)}, as {{uniform: [0, 1]}}"]
    ((kind, values),) = written.items()
    if not isinstance(values, list) or not values:
        return [f"{name}: {kind} needs a list of values, not {values!r}"]
    if len(values) > MOST_TRIALS:
        return [f"{name}: {len(values):,} values; a sweep has at most {MOST_TRIALS:,} trials"]
    if kind in ("choice", "grid"):
        return [line for value in values for line in _refused(name, value, base)]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    finite = numbers and all(abs(value) <= MOST for value in values)
    if len(values) != 2 or not finite or not values[0] < values[1]:
        return [f"{name}: {kind} needs two numbers, the lower one first, not {values!r}"]
    if kind == "log_uniform" and values[0] <= 0:
        return [f"{name}: log_uniform needs numbers above 0, not {values!r}"]
    if kind == "int" and any(value != int(value) for value in values):
        return [f"{name}: int needs whole numbers, not {values!r}"]
    return [line for value in values for line in _refused(name, value, base)]


def _refused(name: str, value: Any, base: Experiment) -> list[str]:
    """What is wrong with one value by itself, whatever the others are."""
    experiment, wrong = with_changes(base, {name: value})
    return wrong or [line for line in alone(experiment) if line.startswith(f"{name}: ")]


def _one(kind: str, values: Sequence[Any], rng: np.random.Generator) -> Any:
    if kind == "choice":
        return values[int(rng.integers(len(values)))]
    low, high = values
    if kind == "int":
        return int(rng.integers(int(low), int(high) + 1))
    if kind == "uniform":
        return float(f"{rng.uniform(low, high):.4g}")
    return float(f"{math.exp(rng.uniform(math.log(low), math.log(high))):.4g}")
