"""A file of settings is a plain tree, or refused in a sentence before anything is built of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ucvgl.settings.yaml_door import read_tree, tree_of

BOMB = "a: &a [x, x]\n" + "\n".join(f"{b}: &{b} [*{a}, *{a}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, r"\*a refers to another place; write the value itself"),
        ("a: &a [*a]", r"\*a refers to another place"),
        ("[" * 5000, "nested more than 20 deep"),
        ("a: " + "9" * 5000, "a number has 5000 digits"),
        ("seed: 1\nseed: 2", "seed is written twice"),
        ("curriculum: {rounds: 1, rounds: 2}", "rounds is written twice"),
        ("a: [", "is not YAML: "),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("a: 2020-13-45", "is not YAML: "),
        ("\0", "is not YAML: "),
    ],
)
def test_what_is_no_plain_tree_is_refused_with_its_name(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        tree_of(text, origin="mine.yaml")
    assert str(caught.value).startswith("mine.yaml ")


def test_a_plain_tree_is_read_as_it_is() -> None:
    assert tree_of("a: {b: [1, 2.5, x]}\nc: true", origin="x") == {"a": {"b": [1, 2.5, "x"]}, "c": True}
    assert tree_of("", origin="x") is None


def test_only_regular_files_of_a_sensible_size_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long").write_text("# " * 600_000)
    for name, words in (("pipe", "no regular file"), ("long", "more than 1,000,000"), ("gone", "No such file")):
        with pytest.raises(ValueError, match=f"{name} cannot be read: .*{words}"):
            read_tree(tmp_path / name)
