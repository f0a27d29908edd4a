"""Numba kernels whose compiled forms lie on disk by all that they depend on.

Numba looks at the file of the outer function alone, and would go on using the old body of an inner function that
another file defines. And it numbers the forms of a kernel for arrays of different types: two processes that compile
different ones at once give both the same number, and a third runs code on arrays that it was not made for.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import IndexDataCacheFile


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
    kept: Any = compiled._cache  # pyright: ignore[reportAttributeAccessIssue]
    stamp = _stamp(Path(plain.__code__.co_filename).parent)
    kept._cache_file = _Forms(kept.cache_path, kept._impl.filename_base, stamp)
    return compiled


class _Forms(IndexDataCacheFile):
    """A file for each compiled form, named by its types, processor, code and numba, and no index."""

    def save(self, key: Any, data: Any) -> None:
        """Keep a form; another process that does the same at once writes the same."""
        self._save_data(self._name(key), data)

    def load(self, key: Any) -> Any:
        """A form that was kept, or None."""
        try:
            return self._load_data(self._name(key))
        except OSError:
            return None

    def _name(self, key: Any) -> str:
        told = repr((self._version, self._source_stamp, key))
        return f"{self._index_name.removesuffix('.nbi')}.{hashlib.sha256(told.encode()).hexdigest()[:24]}.nbc"


@cache
def _stamp(folder: Path) -> bytes:
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))).digest()
