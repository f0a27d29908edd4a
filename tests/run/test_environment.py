"""A run says what software made it, and nothing about who and where."""

from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path

import numpy as np

from ucvgl.run.environment import commit, environment


def test_versions_are_those_in_use() -> None:
    found = environment()
    assert found["numpy"] == np.__version__ and found["python"] == platform.python_version()
    assert {"ucvgl", "ray", "torch", "platform"} <= set(found)


def test_no_path_and_no_host_is_told() -> None:
    told = json.dumps(environment())
    assert "/" not in told
    assert not platform.node() or platform.node() not in told


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_the_commit_carries_a_plus_when_files_differ_from_it(tmp_path: Path) -> None:
    assert commit(tmp_path) == ""
    (tmp_path / "file").write_text("a")
    for arguments in (["init"], ["add", "file"], ["commit", "-m", "first"]):
        git(tmp_path, *arguments)
    clean = commit(tmp_path)
    assert len(clean) == 40
    (tmp_path / "file").write_text("b")
    assert commit(tmp_path) == clean + "+"
    (tmp_path / "inside").mkdir()
    assert commit(tmp_path / "inside") == "", "a folder inside somebody's repository is not its top"
