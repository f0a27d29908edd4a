"""Types and shapes of the core are run in tests, and not only read."""

from __future__ import annotations

import numpy as np
import pytest

from ucvgl.types import Matches


def test_a_wrong_shape_is_caught() -> None:
    three, four = np.zeros(3), np.zeros(4)
    with pytest.raises(TypeError, match="Type-check error"):
        Matches(three.astype(int), four.astype(int), three, three, three, three > 0)
    Matches(three.astype(int), three.astype(int), three, three, three, three > 0)
