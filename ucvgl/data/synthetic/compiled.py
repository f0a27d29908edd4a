"""Numba kernels whose cache on disk notices a change in any file of this package.

Numba itself looks only at the file of the outer function, and would go on using the old body of an inner
function that another file defines.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

_STAMP = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
).digest()


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function for arrays and numbers; it frees the GIL."""
    plain = inspect.unwrap(function)  # tests wrap annotated functions in shape checks
    compiled = njit(cache=True, nogil=True, error_model="numpy")(plain)
    compiled._cache._cache_file._source_stamp = _STAMP  # pyright: ignore[reportAttributeAccessIssue]
    return compiled
