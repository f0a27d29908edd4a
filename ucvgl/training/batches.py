"""Which rows meet in which step: a function of the seed and the epoch alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, UInt8

from ucvgl.images.image_store import ImageStore
from ucvgl.networks.towers import View
from ucvgl.poses.turns import upright


class Side(NamedTuple):
    """Images that meet others in a step: who sees them, where they are, the row of each pair's own, where queries look,
    and through what they are seen, see `Pairs`."""

    view: View
    store: Path
    rows: Int[np.ndarray, " n"]
    heading_deg: Float[np.ndarray, " q"] | None = None
    through: Path | None = None

    @property
    def stores(self) -> list[Path]:
        """All that is read."""
        return [self.store] if self.through is None else [self.store, self.through]

    def read(self, stores: Mapping[Path, ImageStore], own: Int[np.ndarray, " n"]) -> UInt8[np.ndarray, "n h w 3"]:
        """The images of some pairs, panoramas and their views from above with north up.

        Args:
            stores: the open ones, by their folders.
            own: numbers of the pairs.
        """
        rows = self.rows[own]
        images = stores[self.store].read(rows)
        if self.through is not None and len(rows):
            views = stores[self.through]
            images = images * views.read(rows % len(views)).any(3, keepdims=True)
        if self.heading_deg is None or not len(rows):
            return images
        return upright(images, self.heading_deg[rows], above=self.view != "query")


@dataclass(frozen=True)
class Pairs:
    """Rows of a query store and of a reference store that are trained as positives of each other.

    Args:
        name: what the pairs are, for logs.
        views: which encoder sees each side; `("query", "query")` is intra-view.
        stores: folder of the image store of each side.
        query: row of each pair's first side.
        reference: row of each pair's second side.
        label_smoothing: of the loss on these pairs.
        weight: of each pair in the loss; None: all count alike.
        labelled: False for rows that are no pair and serve as negatives only (the dustbin).
        spared: rows of further references that show the place of a pair's query, padded with -1: no negatives of it.
        neighbours: rows of references that are hard to tell from a pair's own, hardest first, padded with -1.
        fakes: folder of a store with the fake (or bird's-eye view) of every query, row by row: then a step contrasts
            three sides, and the encoder of references sees the third as well.
        fake_label_smoothing: of the loss between a query and its own fake.
        heading_deg: where the middle of every panorama in the store of queries looks, clockwise from north; it and its
            fake are turned by that much. None: to the north.
        through: folder of a store of bird's-eye views: of the first side of each pair only that is shown which one of
            these shows, and the rest is black.
    """

    name: str
    views: tuple[View, View]
    stores: tuple[Path, Path]
    query: Int[np.ndarray, " n"]
    reference: Int[np.ndarray, " n"]
    label_smoothing: float = 0.1
    weight: Float[np.ndarray, " n"] | None = None
    labelled: np.ndarray | None = None
    spared: Int[np.ndarray, "n s"] | None = None
    neighbours: Int[np.ndarray, "n k"] | None = None
    fakes: Path | None = None
    fake_label_smoothing: float = 0.3
    heading_deg: Float[np.ndarray, " q"] | None = None
    through: Path | None = None

    @property
    def sides(self) -> list[Side]:
        """What a step shows: queries, references and, where there are any, the fakes of the queries."""
        headings, through = (self.heading_deg, None), (self.through, None)
        told = zip(self.views, self.stores, (self.query, self.reference), headings, through, strict=True)
        fakes = [] if self.fakes is None else [Side("reference", self.fakes, self.query, self.heading_deg)]
        return [*(Side(*one) for one in told), *fakes]

    def __len__(self) -> int:
        return len(self.query)


@runtime_checkable
class Rows(Protocol):
    """Pairs of rows, whatever they are rows of; `Pairs` says what each is."""

    @property
    def query(self) -> Int[np.ndarray, " p"]:
        """Row of each pair's query."""
        ...

    @property
    def reference(self) -> Int[np.ndarray, " p"]:
        """Row of each pair's reference."""
        ...

    @property
    def spared(self) -> Int[np.ndarray, "p s"] | None:
        """Rows of references that may show the query's place as well, padded with -1."""
        ...

    @property
    def neighbours(self) -> Int[np.ndarray, "p k"] | None:
        """Rows of references that are hard to tell from the pair's own, hardest first, padded with -1."""
        ...

    def __len__(self) -> int: ...


def epoch_order(pairs: Rows, batch: int, seed: tuple[int, ...]) -> list[Int[np.ndarray, " b"]]:
    """Batches of pair numbers for one epoch in which no pair meets an image of its own, or a spared one, as a negative.

    A pair that may not join a batch waits for the next one, so a reference that several queries share never becomes
    its own false negative. Every pair comes once, save those of late batches less than half as large as the first,
    which are dropped. Where neighbours are known, a pair brings some of its own into its batch.
    """
    random = np.random.default_rng(seed)
    waiting = np.ones(len(pairs), bool)
    showing = _pairs_of_references(pairs)
    coming, held, batches = _in_chunks(pairs, random.permutation(len(pairs))), [], []
    while True:
        chosen, again, turned_down = _Batch(pairs, batch), iter(held), []
        for one in chain(again, coming):
            row = one[0]
            if not waiting[row]:
                continue
            if chosen.admit(*one):
                waiting[row] = False
                for reference in _company(pairs, row, batch, random):
                    other = next((other for other in showing[reference] if waiting[other]), None)
                    if other is not None and chosen.admit(other, int(pairs.query[other]), reference):
                        waiting[other] = False
                if chosen.full:
                    break
            else:
                turned_down.append(one)
        if not chosen.rows:
            break
        held = [*turned_down, *again]
        batches.append(np.array(chosen.rows))
    return [rows for rows in batches if 2 * len(rows) >= len(batches[0])]


def _in_chunks(pairs: Rows, order: np.ndarray, chunk: int = 1 << 14) -> Iterator[tuple[int, int, int]]:
    """Number, query and reference of every pair, as plain numbers of which few exist at a time."""
    for first in range(0, len(order), chunk):
        rows = order[first : first + chunk]
        yield from zip(rows.tolist(), pairs.query[rows].tolist(), pairs.reference[rows].tolist(), strict=True)


class _Batch:
    """Pairs that may meet: each will be a negative of all others."""

    def __init__(self, pairs: Rows, size: int) -> None:
        self.rows: list[int] = []
        self._size, self._spared_of = size, pairs.spared
        self._queries: set[int] = set()
        self._references: set[int] = set()
        self._spared: set[int] = {-1}

    @property
    def full(self) -> bool:
        return len(self.rows) == self._size

    def admit(self, row: int, query: int, reference: int) -> bool:
        """Take a pair in, if there is room and it may meet all that are in."""
        if self.full or query in self._queries or reference in self._references or reference in self._spared:
            return False
        if self._spared_of is not None:
            spared = self._spared_of[row].tolist()
            if not self._references.isdisjoint(spared):
                return False
            self._spared.update(spared)
        self.rows.append(row)
        self._queries.add(query)
        self._references.add(reference)
        return True


def _pairs_of_references(pairs: Rows) -> dict[int, list[int]]:
    """The pairs that show each reference; asked for only where there are neighbours."""
    showing: dict[int, list[int]] = defaultdict(list)
    if pairs.neighbours is not None:
        for row, reference in enumerate(pairs.reference.tolist()):
            showing[reference].append(row)
    return showing


def _company(pairs: Rows, row: int, batch: int, random: np.random.Generator) -> Iterator[int]:
    """References to meet: the hardest of a pair's neighbours, and as many drawn from the rest (Sample4Geo).

    Half of its neighbours, and at most half of the batch, so that a batch has several neighbourhoods.
    """
    if pairs.neighbours is None:
        return
    near = pairs.neighbours[row]
    near = near[near >= 0]
    hardest = min(pairs.neighbours.shape[1], batch) // 4
    yield from near[:hardest].tolist()
    yield from random.permutation(near[hardest:])[:hardest].tolist()
