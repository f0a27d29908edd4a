"""The one door for YAML from people: plain trees, so that no file of a few bytes fills the memory or never ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from ucvgl.files.plain import read_plain, read_plain_or_pipe

MOST_BYTES, DEEPEST = 1_000_000, 20
LONGEST_NUMBER = 400
"""Digits."""
ODD_NUMBER = re.compile(r"[+-]?(0[0-7_]+|0b[01_]+|\d[\d_]*(:[0-5]?\d)+(\.[\d_]*)?)")
"""Eight is what YAML makes of `010`, and ninety of `1:30`; nobody means it, and flags read them otherwise."""


def read_tree(path: Path) -> Any:
    """What a YAML file, or a pipe that ends, holds.

    Raises:
        ValueError: it cannot be read, or is not plain; the message names it.
    """
    return tree_of(text_given(path), origin=str(path))


def text_given(path: Path) -> str:
    """The text of a YAML file that a person names, or of a pipe that ends.

    Raises:
        ValueError: as `text_of`.
    """
    return _text(path, read_plain_or_pipe)


def text_of(path: Path) -> str:
    """The text of a YAML file.

    Raises:
        ValueError: it cannot be read, or is no regular file of a sensible size; the message names it.
    """
    return _text(path, read_plain)


def _text(path: Path, read: Callable[[Path, int], bytes]) -> str:
    try:
        return read(path, MOST_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def tree_of(text: str, *, origin: str) -> Any:
    """What a YAML text holds: mappings, lists, texts, numbers.

    Raises:
        ValueError: it is no YAML, uses aliases, is nested too deep, or names something twice.
    """
    try:
        _refuse_tangles(text)
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        _refuse_repetitions(root)
        return loader.construct_document(root)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        for mark in filter(None, (getattr(error, name, None) for name in ("context_mark", "problem_mark"))):
            mark.buffer = None  # an excerpt may be cut in the middle of a secret, which is no URI then
        raise ValueError(f"{origin} is not YAML: {' '.join(str(error).split())}") from error


def _refuse_tangles(text: str) -> None:
    """Event by event, before anything is built."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"*{event.anchor} refers to another place; write the value itself")
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > LONGEST_NUMBER and event.value.isdigit():
            raise ValueError(f"a number has {len(event.value)} digits")
        if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and ODD_NUMBER.fullmatch(event.value):
            way_out = "write it with ten digits, or a text in quotes"
            raise ValueError(f"{event.value} is read as a number of base 8, 2 or 60 by YAML; {way_out}")


def _refuse_repetitions(node: yaml.Node) -> None:
    if isinstance(node, yaml.MappingNode):
        met = set[str]()
        for name in (str(name.value) for name, _ in node.value):
            if name in met:
                raise ValueError(f"{name} is written twice")
            met.add(name)
    for child in node.value if isinstance(node, yaml.CollectionNode) else ():
        for part in child if isinstance(child, tuple) else (child,):
            _refuse_repetitions(part)
