"""The ranges of numbers among the settings, as types: each stands at its field, beside the default."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from pydantic import ConfigDict, TypeAdapter, ValidationError

Count = Annotated[int, Ge(1)]
CountOrNone = Annotated[int, Ge(0)]
Width = Annotated[int, Ge(1), Le(100_000)]
Candidates = Annotated[int, Ge(0), Le(1000)]
Layers = Annotated[int, Ge(0), Le(1000)]
Batch = Annotated[int, MultipleOf(2), Ge(2)]
Pixels = Annotated[int, MultipleOf(8), Ge(8), Le(32_760)]  # more no image can have that is read
Temperature = Annotated[float, Ge(1e-4), Le(1e4)]  # beyond it similarities overflow, or are nothing
Rate = Annotated[float, Gt(0), Le(10)]
Share = Annotated[float, Ge(0), Le(1)]
BelowOne = Annotated[float, Ge(0), Lt(1)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Elevation = Annotated[float, Ge(-90), Le(90)]
Margin = Annotated[float, Ge(0), Le(2)]

MOST = 2**32
"""Whatever a number counts: more is a slip of the finger, which would fill the memory or never end."""
WORDS = {Ge: ("at least", "ge"), Gt: ("more than", "gt"), Le: ("at most", "le"), Lt: ("less than", "lt")}


def holds(value: float, range_: Any) -> bool:
    """Whether a number lies in its range; never for NaN, infinity and what is beyond `MOST`."""
    if not abs(value) <= MOST:
        return False
    try:
        _door(range_).validate_python(value)
    except ValidationError:
        return False
    return True


def in_words(range_: Any) -> str:
    """A range as a person reads it: `a multiple of 8 and at least 8`."""
    words = []
    for bound in getattr(range_, "__metadata__", ()):
        if isinstance(bound, MultipleOf):
            words.append(f"a multiple of {bound.multiple_of}")
        else:
            say, name = WORDS[type(bound)]
            words.append(f"{say} {getattr(bound, name):g}")
    return " and ".join(words) or "a finite number"


@cache
def _door(range_: Any) -> TypeAdapter[Any]:
    return TypeAdapter(range_, config=ConfigDict(allow_inf_nan=False))
