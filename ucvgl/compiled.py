"""Numba kernels whose cache on disk notices a change in any file of their package.

Numba itself looks only at the file of the outer function, and would go on using the old body of an inner
function that another file defines.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function for arrays and numbers; it frees the GIL."""
    return _compiled(function, fastmath=False)


def kernel_in_any_order(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same, where sums may be added up in any order: many times faster, and other last digits elsewhere."""
    return _compiled(function, fastmath={"reassoc", "contract"})


def _compiled(function: Callable[..., Any], *, fastmath: Any) -> Callable[..., Any]:
    plain = inspect.unwrap(function)  # tests wrap annotated functions in shape checks
    how = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
    try:
        compiled = njit(cache=True, **how)(plain)
    except RuntimeError:  # neither the code's folder nor HOME may be written: compiled anew in every process
        return njit(**how)(plain)
    stamp = _stamp(Path(plain.__code__.co_filename).parent)
    compiled._cache._cache_file._source_stamp = stamp  # pyright: ignore[reportAttributeAccessIssue]
    return compiled


@cache
def _stamp(folder: Path) -> bytes:
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))).digest()
