"""What a command line asks for: preset < `--config file.yaml` < flags, checked as a whole."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from ucvgl.files.printable import odd_name
from ucvgl.images import azure
from ucvgl.images.uris import climbs, refuse_secrets, split_options
from ucvgl.run.places import STORES, lasting, local_folder, runs_folder
from ucvgl.settings.dotted import Mistakes, differences, read_yaml, suggestion, with_changes
from ucvgl.settings.experiment import Experiment
from ucvgl.settings.limits import check
from ucvgl.settings.presets import PRESETS
from ucvgl.settings.rates import rates_of_batches
from ucvgl.settings.yaml_door import text_given


@dataclass(frozen=True)
class Flags:
    """What to do with a run; the settings of the experiment are flags too."""

    preset: tyro.conf.Positional[str] = "synthetic"
    """The experiment to begin from: synthetic, tiny, synthetic_drone, folder, cvusa, cvact, vigor,
    university1652, sues200 or denseuav."""
    config: Path | None = None
    """YAML file of settings, laid over the preset."""
    run: str | None = None
    """Folder of the run, or its place in an object store, as s3://bucket/runs/mine; runs/PRESET when not given."""
    redo: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Make this stage again, and all that was made from it."""
    stop_after: str | None = None
    """Stop when this stage is done."""
    dry_run: bool = False
    """Say what would happen, and do nothing."""


@dataclass(frozen=True)
class FlagsAndSettings(Flags):
    """What to do with a run, and every setting of the experiment."""

    experiment: Annotated[Experiment, tyro.conf.arg(name=""), tyro.conf.FlagConversionOff] = field(
        default_factory=Experiment
    )


@dataclass(frozen=True)
class Invocation:
    """One checked command.

    Args:
        changed: settings that differ from the preset: (dotted name, preset's value, value).
        run: local folder of the run.
        store: where the run is copied to, if anywhere.
    """

    preset: str
    experiment: Experiment
    changed: list[tuple[str, Any, Any]]
    run: Path
    redo: tuple[str, ...]
    stop_after: str | None
    dry_run: bool
    store: str | None = None


def resolve(
    argv: Sequence[str], *, stages: Sequence[str] = (), recipe: Callable[[Experiment], Experiment] = replace
) -> Invocation:
    """Read a command line.

    Args:
        argv: without the program's name.
        stages: names that `--redo` and `--stop-after` may take, `3_translate` or just `translate`.
        recipe: what the job makes of a preset; by default a copy.

    Raises:
        Mistakes: everything that is wrong with it, at once.
    """
    rest, changes, mistakes = _split(argv)
    refuse_secrets(rest)  # what is wrong there is told by a library, as it is
    if "-h" in rest or "--help" in rest:
        _print_help(rest, recipe)
    flags = tyro.cli(Flags, args=rest, description="Unknown flags are settings; see --help.")
    if flags.preset not in PRESETS:
        near = suggestion(flags.preset, list(PRESETS))
        mistakes.append(f"{flags.preset!r} is not a preset; there are {', '.join(PRESETS)}{near}")
    preset = recipe(PRESETS.get(flags.preset, Experiment)())
    experiment = preset
    if flags.config is not None:
        written, unread = _read_config(flags.config)
        experiment, wrong = _with(experiment, written)
        mistakes += unread + [f"{flags.config}: {line}" for line in wrong]
    experiment, wrong = _with(experiment, changes)
    mistakes += wrong + check(experiment)
    redo = tuple(_stage(name, stages, mistakes) for name in flags.redo)
    stop_after = flags.stop_after and _stage(flags.stop_after, stages, mistakes)
    store = flags.run if flags.run and "://" in flags.run else None
    mistakes += _wrong_store(store) if store else []
    mistakes += ["--run is empty; name a folder, or leave it out"] if flags.run == "" else []
    mistakes += [f"--run {odd}"] if (odd := odd_name(flags.run or "")) else []
    if mistakes:
        raise Mistakes(mistakes)
    experiment = lasting(experiment)
    run = local_folder(store) if store else Path(flags.run or runs_folder() / flags.preset)
    changed = differences(preset, experiment)
    return Invocation(flags.preset, experiment, changed, run, redo, stop_after, flags.dry_run, store)


def _with(before: Experiment, named: Mapping[str, Any]) -> tuple[Experiment, list[str]]:
    after, wrong = with_changes(before, named)
    return rates_of_batches(before, after, named), wrong


def _split(argv: Sequence[str]) -> tuple[list[str], dict[str, str], list[str]]:
    """The command line without the settings; the settings; settings that lack a value."""
    own = {"--config", "--run", "--redo", "--stop-after", "--dry-run", "--help"}
    rest: list[str] = []
    changes: dict[str, str] = {}
    mistakes: list[str] = []
    tokens = list(argv)
    while tokens:
        token = tokens.pop(0)
        flag, equals, value = token.partition("=")
        if not token.startswith("--") or flag.replace("_", "-") in own:
            rest.append(token)
            continue
        name = flag[2:].replace("-", "_")
        if equals:
            changes[name] = value
        elif tokens and not tokens[0].startswith("--"):
            changes[name] = tokens.pop(0)
        else:
            mistakes.append(f"{name}: the value is missing; write {flag} VALUE")
    return rest, changes, mistakes


def _wrong_store(uri: str) -> list[str]:
    scheme, _, rest = uri.partition("://")
    if f"{scheme}://" not in STORES:
        return [f"--run {uri}: a run lies in a local or mounted folder, or in {' or '.join(STORES)}"]
    if "/" not in rest.partition("?")[0].strip("/"):
        return [f"--run {uri}: name a folder below the bucket, as {scheme}://{rest.strip('/') or 'bucket'}/runs/mine"]
    if scheme in azure.SCHEMES and not azure.is_installed():
        return [f"--run {uri}: {azure.NOT_INSTALLED}"]
    if climbs(split_options(rest)[0].rstrip("/")):
        return [f"--run {uri}: write the folder without empty parts, `.` and `..`"]
    return []


def _read_config(path: Path) -> tuple[dict[str, Any], list[str]]:
    try:
        return read_yaml(text_given(path), origin=str(path))
    except ValueError as error:
        return {}, [str(error)]


def _stage(name: str, stages: Sequence[str], mistakes: list[str]) -> str:
    for stage in stages:
        if name in (stage, stage.partition("_")[2]):
            return stage
    short = [stage.partition("_")[2] for stage in stages]
    mistakes.append(f"{name!r} is not a stage; there are {', '.join(stages)}{suggestion(name, short)}")
    return name


def _print_help(rest: Sequence[str], recipe: Callable[[Experiment], Experiment]) -> None:
    named = next((token for token in rest if token in PRESETS), "synthetic")
    default = FlagsAndSettings(preset=named, experiment=recipe(PRESETS[named]()))
    tyro.cli(FlagsAndSettings, args=["--help"], default=default, prog=sys.argv[0])
