"""A machine that offers little: nothing may be written, and there is no home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_kernels_are_compiled_where_no_cache_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba.core.caching as caching

    from ucvgl.compiled import kernel

    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert kernel(lambda x: x + 1)(2) == 3


def test_a_dry_run_needs_neither_a_home_nor_a_folder_that_can_be_written(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": "/nonexistent",
        "RAY_AUTH_MODE": "disabled",
    }
    command = [sys.executable, ROOT / "jobs" / "unsupervised.py", "tiny", "--dry-run", "--run", tmp_path / "run"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/proc", timeout=300)
    assert done.returncode == 0, done.stderr
    assert "dry run: nothing was done" in done.stdout
