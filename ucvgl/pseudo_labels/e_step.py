"""What an E-step answers with: which query and which reference show one place, and how sure that is.

Every strategy of the E-step is a function `strategy(queries, references, best, *, ...) -> Labels`, in a module of its
own beside this one. Positional are the evidence, tuning arguments are keywords with defaults:

    queries: float32 [q d], unit-norm adapted descriptors of the whole corpus, one row per query.
    references: float32 [r d], the same of the references.
    best: the k best partners both ways by inner product, from our exact search; row and column numbers count from 0.
        k is what `strategies.partners_needed` says, at least 2; absent partners have index -1 and score -inf.

A strategy that compares other vectors than these takes a `search` as well, which finds such partners (`Searcher`).

It is a pure function of these: no file, no id, no truth, no state between rounds, and the same answer each time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Int

from ucvgl.retrieval.topk import TwoSided


@dataclass(frozen=True)
class Labels:
    """Pairs to train on; a row of either view may be in several pairs, and in none.

    Args:
        query: row of the query of each pair.
        reference: row of the reference of each pair.
        weight: of the pair in the loss, more than 0 and at most 1; 1 is a plain pseudo-label.
        alike: rows of queries that are taken for two views of one place, each pair once.
    """

    query: Int[np.ndarray, " n"]
    reference: Int[np.ndarray, " n"]
    weight: Float[np.ndarray, " n"]
    alike: Int[np.ndarray, "m 2"] = field(default_factory=lambda: np.empty((0, 2), np.int64))

    @property
    def spared(self) -> None:
        """Nothing is known that a batch would have to mind (`contrast.batches.Rows`)."""

    neighbours = spared

    def __post_init__(self) -> None:
        assert len(self.query) == len(self.reference) == len(self.weight)
        assert np.all((self.weight > 0) & (self.weight <= 1)), "weights of pseudo-labels lie in (0, 1]"

    def __len__(self) -> int:
        return len(self.query)


@dataclass(frozen=True)
class Alike:
    """Pairs of queries to train on, first and second (`contrast.batches.Rows`).

    Args:
        spared: for each pair, the queries that must not be seconds beside it: its first, and whatever that is like.
    """

    query: Int[np.ndarray, " m"]
    reference: Int[np.ndarray, " m"]
    spared: Int[np.ndarray, "m s"]
    neighbours: None = None

    @classmethod
    def of(cls, pairs: Int[np.ndarray, "m 2"]) -> Alike:
        """Queries that show one place, from pairs of their rows; every row is listed with all that it is paired with.
        """
        both = np.concatenate([pairs, pairs[:, ::-1]])
        both = both[np.argsort(both[:, 0], kind="stable")]
        rows, first, count = np.unique(both[:, 0], return_index=True, return_counts=True)
        place = np.arange(len(both)) - np.repeat(first, count)
        like = np.full((both.max(initial=-1) + 1, 1 + count.max(initial=0)), -1)
        like[rows, 0] = rows
        like[both[:, 0], 1 + place] = both[:, 1]
        return cls(pairs[:, 0], pairs[:, 1], like[pairs[:, 0]])

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
