"""A file of settings is a plain tree, or refused in a sentence before anything is built of it."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from ucvgl.files import plain
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
        ("seed: 010", "010 is read as a number of base 8, 2 or 60 by YAML; write"),
        ("seed: 1:30", "1:30 is read as a number of base"),
        ("seed: 0b11", "0b11 is read as a number of base"),
        ("a: 2020-13-45", "is not YAML: "),
        ("\0", "is not YAML: "),
    ],
)
def test_what_is_no_plain_tree_is_refused_with_its_name(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        tree_of(text, origin="mine.yaml")
    assert str(caught.value).startswith("mine.yaml ")


@pytest.mark.parametrize("begin", ["a: b: ", "a: [b, ", "a: '"])
def test_no_line_of_a_file_is_repeated_cut_off_so_that_a_secret_in_it_is_none(begin: str) -> None:
    with pytest.raises(ValueError, match=r"is not YAML: .* line 1, column \d+$") as caught:
        tree_of(f"{begin}s3://key:s3cr3t{'x' * 90}@bucket/a", origin="mine.yaml")
    assert "s3cr3t" not in str(caught.value)


def test_a_plain_tree_is_read_as_it_is() -> None:
    assert tree_of("a: {b: [1, 2.5, x]}\nc: true", origin="x") == {"a": {"b": [1, 2.5, "x"]}, "c": True}
    assert tree_of("", origin="x") is None


def test_a_pipe_that_ends_is_read_as_a_file() -> None:
    reader, writer = os.pipe()  # as the shell's <(echo seed: 3)
    os.write(writer, b"seed: 3\n")
    os.close(writer)
    try:
        assert read_tree(Path(f"/dev/fd/{reader}")) == {"seed": 3}
    finally:
        os.close(reader)


def test_a_named_pipe_is_waited_for_while_it_is_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    def slowly() -> None:
        with (tmp_path / "pipe").open("w") as file:
            for text in ("seed", ": ", "3\n"):
                time.sleep(0.05)
                print(text, end="", file=file, flush=True)

    writing = threading.Thread(target=slowly)
    writing.start()
    assert read_tree(tmp_path / "pipe") == {"seed": 3}
    writing.join()


@pytest.mark.parametrize(("content", "words"), [(b"", "did not end within 0.2 s"), (b"a", "did not end within 0.2 s"),
                                                (b"a" * 9, "more than 8 bytes")])  # fmt: skip
def test_a_pipe_that_is_silent_or_endless_is_let_go(
    content: bytes, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain, "PATIENCE_S", 0.2)
    monkeypatch.setattr("ucvgl.settings.yaml_door.MOST_BYTES", 8)
    os.mkfifo(tmp_path / "pipe")
    held = os.open(tmp_path / "pipe", os.O_RDWR)
    os.write(held, content)
    try:
        with pytest.raises(ValueError, match=f"pipe cannot be read: it is a pipe .*{words}"):
            read_tree(tmp_path / "pipe")
    finally:
        os.close(held)


def test_only_regular_files_of_a_sensible_size_are_read(tmp_path: Path) -> None:
    (tmp_path / "long").write_text("# " * 600_000)
    for name, words in (("", "no regular file"), ("long", "more than 1,000,000"), ("gone", "No such file")):
        with pytest.raises(ValueError, match=f"{name} cannot be read: .*{words}"):
            read_tree(tmp_path / name)
