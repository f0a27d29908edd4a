"""Settings by their dotted names: the door between `Experiment` and YAML or flags.

Every mistake found on the way in is kept, in plain words, so that all are reported at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass, replace
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml
from pydantic import TypeAdapter

from ucvgl.atomic import write_whole
from ucvgl.files.printable import CONTROLS, printable
from ucvgl.files.seal import lines_fit, sealed_lines
from ucvgl.settings.experiment import Experiment
from ucvgl.settings.photos import as_photos_show
from ucvgl.settings.retired import RETIRED, no_more
from ucvgl.settings.yaml_door import text_of, tree_of

MOST_SETTINGS = 1000
"""In a file; each that is unknown is compared with all that there are."""
PLAIN_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


class Mistakes(ValueError):
    """All that is wrong with the settings, one line each."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        heading = "1 mistake in the settings" if len(lines) == 1 else f"{len(lines)} mistakes in the settings"
        super().__init__("\n  ".join([f"{heading}:", *lines]))


@cache
def setting_types(kind: type = Experiment, *, ranged: bool = False) -> dict[str, Any]:
    """Dotted name of every setting -> its type, in the order of the dataclasses.

    Args:
        ranged: with the range of numbers, as the types of `ucvgl.settings.ranges` have it.
    """
    found: dict[str, Any] = {}
    for name, hint in get_type_hints(kind, include_extras=ranged).items():
        if is_dataclass(hint):
            inside = setting_types(hint, ranged=ranged)
            found |= {f"{name}.{inner}": type_ for inner, type_ in inside.items()}
        else:
            found[name] = hint
    return found


def dotted(tree: Any) -> dict[str, Any]:
    """A dataclass or a nested mapping as one flat mapping; values as JSON and YAML hold them."""
    items = vars(tree) if is_dataclass(tree) else tree
    flat: dict[str, Any] = {}
    for name, value in items.items():
        if is_dataclass(value) or isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": leaf for inner, leaf in dotted(value).items()}
        else:
            flat[str(name)] = list(value) if isinstance(value, tuple) else value
    return flat


def differences(before: Any, after: Any) -> list[tuple[str, Any, Any]]:
    """What differs between two trees: (dotted name, before, after); None where one lacks the setting."""
    old, new = dotted(before), dotted(after)
    names = [*old, *(name for name in new if name not in old)]
    return [(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def with_changes(base: Experiment, changes: Mapping[str, Any]) -> tuple[Experiment, list[str]]:
    """`base` with some dotted settings changed, and the mistakes among the changes (those are left out)."""
    types, mistakes, good = setting_types(), [], {}
    for name, value in changes.items():
        if name in RETIRED:
            mistakes += [] if RETIRED[name] == value else [no_more(name, value)]
            continue
        if name not in types:
            mistakes.append(_unknown(name, value, types))
            continue
        if isinstance(value, bool) and types[name] in (int, float):  # pydantic would read true as 1
            mistakes.append(_wrong_type(name, value, types[name]))
            continue
        if isinstance(value, str) and CONTROLS.search(value):
            mistakes.append(
                f"{name}: {ascii(value)} holds a control character, which would change what a terminal shows; rename it"
            )
            continue
        try:
            good[name] = TypeAdapter(types[name]).validate_python(value)
        except ValueError:
            mistakes.append(_wrong_type(name, value, types[name]))
    return as_photos_show(_replaced(base, good)), mistakes


def to_yaml(experiment: Experiment) -> str:
    """Every setting as YAML; `from_yaml` gives back the same experiment."""
    return yaml.safe_dump(asdict(experiment), sort_keys=False, allow_unicode=True)


def save_settings(path: Path, experiment: Experiment) -> None:
    """Write the settings of a run, with a seal in front."""
    write_whole(path, sealed_lines(to_yaml(experiment)))


def saved_settings(path: Path) -> Experiment:
    """The settings that `save_settings` wrote; what those of earlier versions did is done, so it is read without them.

    Raises:
        ValueError: they were changed since, or cannot be read.
    """
    text = text_of(path)
    if not lines_fit(text):
        raise ValueError(
            f"{path} is not what the run wrote: it was emptied, damaged or changed, and nobody knows how the encoders "
            "were made; copy it again from where the run was made (other settings belong into a run of their own)"
        )
    changes, mistakes = read_yaml(text, origin=str(path))
    experiment, more = with_changes(Experiment(), {name: at for name, at in changes.items() if name not in RETIRED})
    if mistakes:
        raise Mistakes(mistakes)
    if more:
        why = f"the first of {len(more)}: {more[0]}"
        raise ValueError(
            f"{path} was written by another version of ucvgl, or by hand ({why}); use that version, or run it anew"
        )
    return experiment


def read_yaml(text: str, *, origin: str) -> tuple[dict[str, Any], list[str]]:
    """Dotted settings written in a YAML text, and the mistake that kept it from being read, if any."""
    try:
        tree = tree_of(text, origin=origin)
    except ValueError as error:
        return {}, [str(error)]
    if tree is None:
        return {}, []
    if not isinstance(tree, Mapping):
        return {}, [f"{origin} holds no settings; write them as `curriculum: {{min_margin: 0.03}}`"]
    changes, written = dotted(tree), _count(tree)
    if written > len(changes):
        return {}, [f"{origin} writes a setting twice, as `curriculum.rounds: 2` and `curriculum: {{rounds: 3}}`"]
    if written > MOST_SETTINGS:
        return {}, [f"{origin} holds {written:,} settings, and there are {len(setting_types())}"]
    return changes, []


def _count(tree: Any) -> int:
    """Values in a nested mapping."""
    return sum(map(_count, tree.values())) if isinstance(tree, Mapping) else 1


def from_yaml(text: str, *, base: Experiment | None = None, origin: str = "the YAML text") -> Experiment:
    """The experiment that a YAML text describes; what it does not name comes from `base`.

    Raises:
        Mistakes: all that is wrong with names and types.
    """
    changes, mistakes = read_yaml(text, origin=origin)
    experiment, more = with_changes(base or Experiment(), changes)
    if mistakes or more:
        raise Mistakes(mistakes + more)
    return experiment


def suggestion(name: str, names: list[str]) -> str:
    """`; did you mean ...?` where one of the names is close enough, else nothing."""
    if not names:
        return ""
    last = name.rsplit(".", 1)[-1]
    likeness = {known: SequenceMatcher(None, last, known.rsplit(".", 1)[-1]).ratio() for known in names}
    nearest = max(names, key=lambda known: (likeness[known], SequenceMatcher(None, name, known).ratio()))
    return f"; did you mean {nearest}?" if likeness[nearest] > 0.6 else ""


def _unknown(name: str, value: Any, types: Mapping[str, Any]) -> str:
    name = printable(name)
    if any(known.startswith(f"{name}.") for known in types):
        return f"{name}: {value!r} given to a group of settings; name one of them, as {_first(name, types)}"
    return f"{name}: no such setting{suggestion(name, list(types))}"


def _first(group: str, types: Mapping[str, Any]) -> str:
    return next(name for name in types if name.startswith(f"{group}."))


def _wrong_type(name: str, value: Any, type_: Any) -> str:
    if get_origin(type_) is Literal:
        choices = [str(choice) for choice in get_args(type_)]
        return f"{name}: {value!r} is not one of {', '.join(choices)}{suggestion(str(value), choices)}"
    return f"{name}: {value!r} is not {PLAIN_WORDS.get(type_, type_)}"


def _replaced(tree: Any, changes: Mapping[str, Any]) -> Any:
    inner: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        first, _, rest = name.partition(".")
        inner.setdefault(first, {})[rest] = value
    return replace(
        tree,
        **{
            first: rests[""] if "" in rests else _replaced(getattr(tree, first), rests)
            for first, rests in inner.items()
        },
    )
