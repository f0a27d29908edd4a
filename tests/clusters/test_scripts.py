"""The shell scripts can be read by bash, and stop nothing but what they started."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.clusters.machine_files import ROOT

SCRIPTS = sorted((ROOT / "clusters").glob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_bash_can_read_it_and_it_may_be_run(script) -> None:
    checked = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert script.stat().st_mode & 0o111


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_it_ends_only_its_own_processes(script) -> None:
    text = script.read_text()
    assert not re.search(r"\bray stop\b|\bpkill\b|\bkillall\b", text)
    assert "trap stop EXIT" in text
    assert "RAY_AUTH_MODE=" in text


def test_there_are_scripts() -> None:
    assert [script.name for script in SCRIPTS] == ["local.sh", "slurm.sh"]
