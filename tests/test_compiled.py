"""Compiled kernels on disk, as several processes write and read them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ucvgl import compiled

SOURCE = """
from ucvgl.compiled import kernel

@kernel
def last(values):
    return values[-1, -1]
"""
SMALL, LARGE = (np.arange(6, dtype=kind).reshape(2, 3) for kind in (np.int16, np.int64))


def loaded(folder: Path, source: str = SOURCE) -> Any:
    """The kernel as a process that has just imported it holds it."""
    (folder / "kernels.py").write_text(source)
    compiled._stamp.cache_clear()
    spec = importlib.util.spec_from_file_location("kernels", folder / "kernels.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.last


def hits(function: Any) -> int:
    return sum(function.stats.cache_hits.values())


def test_what_one_process_compiled_the_next_one_loads(tmp_path: Path) -> None:
    assert loaded(tmp_path)(SMALL) == 5
    again = loaded(tmp_path)
    assert (again(SMALL), hits(again)) == (5, 1)
    assert (again(LARGE), again(SMALL.T), hits(again)) == (5, 5, 1)
    changed = loaded(tmp_path, SOURCE.replace("[-1, -1]", "[0, 0]"))
    assert (changed(SMALL), hits(changed)) == (0, 0)


def test_processes_that_compile_for_different_arrays_at_once_do_not_run_each_others_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first has seen what there is and writes its code last, after the other has done all of its own."""
    first, second, late = loaded(tmp_path), loaded(tmp_path), []
    kept = first._cache._cache_file
    monkeypatch.setattr(kept, "_save_data", lambda name, data: late.append((name, data)))
    assert first(SMALL) == 5
    for index in tmp_path.rglob("*.nbi"):
        index.unlink()  # the second looked before it was there
    assert second(LARGE) == 5
    monkeypatch.undo()
    for name, data in late:
        kept._save_data(name, data)
    third = loaded(tmp_path)
    assert (third(LARGE), third(SMALL)) == (5, 5) and hits(third) == 2
