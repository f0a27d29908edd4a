"""What an E-step answers with: which query and which reference show one place, and how sure that is.

Every strategy of the E-step is a function `strategy(queries, references, best, *, ...) -> Labels`, in a module of its
own beside this one. Positional are the evidence, tuning arguments are keywords with defaults:

    queries: float32 [q d], unit-norm adapted descriptors of the whole corpus, one row per query.
    references: float32 [r d], the same of the references.
    best: the k best partners both ways by inner product, from our exact search; row and column numbers count from 0.
        k is `adaptation.partners`, at least 2; absent partners have index -1 and score -inf.

It is a pure function of these: no file, no id, no truth, no state between rounds, and the same answer each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Int

from ucvgl.matching.topk import TwoSided


@dataclass(frozen=True)
class Labels:
    """Pairs to train on; a row of either view may be in several pairs, and in none.

    Args:
        query: row of the query of each pair.
        reference: row of the reference of each pair.
        weight: of the pair in the loss, more than 0 and at most 1; 1 is a plain pseudo-label.
    """

    query: Int[np.ndarray, " n"]
    reference: Int[np.ndarray, " n"]
    weight: Float[np.ndarray, " n"]

    @property
    def spared(self) -> None:
        """Nothing is known that a batch would have to mind (`contrast.batches.Rows`)."""

    neighbours = spared

    def __post_init__(self) -> None:
        assert len(self.query) == len(self.reference) == len(self.weight)
        assert np.all((self.weight > 0) & (self.weight <= 1)), "weights of pseudo-labels lie in (0, 1]"

    def __len__(self) -> int:
        return len(self.query)


@runtime_checkable
class Strategy(Protocol):
    """An E-step with its tuning arguments bound."""

    def __call__(
        self, queries: Float32[np.ndarray, "q d"], references: Float32[np.ndarray, "r d"], best: TwoSided, /
    ) -> Labels: ...


def plain(query: Any, reference: Any) -> Labels:
    """Labels that all count alike."""
    return Labels(np.asarray(query), np.asarray(reference), np.ones(len(query)))
