"""What passes between stages: Catalog, Embeddings, Matches.

Ground truth is deliberately not here: see `ucvgl.truth.door`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Catalog:
    """The images of one split: two piles that nothing links.

    Args:
        queries: columns `id, uri` and, where known, `heading_deg`, one row per ground (or drone) image.
        references: columns `id, uri` and, where known, `lat, lon`.
        missing: files that the data set lists and that are not there.
    """

    queries: pa.Table
    references: pa.Table
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for view, table in (("queries", self.queries), ("references", self.references)):
            missing = {"id", "uri"} - set(table.column_names)
            if missing:
                raise ValueError(f"catalog {view} lack the columns {sorted(missing)}")
            ids = table["id"].to_pylist()
            if len(set(ids)) != len(ids):
                raise ValueError(f"catalog {view} repeat ids: {repeated(ids)[:5]}")


@dataclass(frozen=True)
class Embeddings:
    """Unit-norm descriptors of one view, one row per id."""

    id: np.ndarray
    vector: Float[np.ndarray, "n d"]

    def __post_init__(self) -> None:
        if len(self.id) != len(self.vector):
            raise ValueError(f"{len(self.id)} ids for {len(self.vector)} vectors")
        if len(np.unique(self.id)) != len(self.id):
            raise ValueError(f"embedding ids repeat: {repeated(self.id.tolist())[:5]}")
        finite = np.isfinite(self.vector).all(axis=1)
        if not finite.all():
            raise ValueError(f"embeddings are not finite for ids {self.id[~finite][:5].tolist()}")
        unit = np.abs(np.linalg.norm(self.vector, axis=1) - 1) < 1e-3
        if not unit.all():
            raise ValueError(f"embeddings are not unit length for ids {self.id[~unit][:5].tolist()}")


@dataclass(frozen=True)
class Matches:
    """Every query with its best reference, kept with the margin and not only a verdict.

    Args:
        query: row of the query.
        reference: row of its most similar reference.
        score: their cosine similarity.
        margin: best minus second-best similarity of the query.
        reference_margin: the same seen from the reference; negative where it prefers other queries.
        mutual: whether the query is also the most similar one of that reference, or among the few that may be.
        heading_deg: where the query's panorama was found to look, clockwise from north; None: that is known.
    """

    query: Int[np.ndarray, " q"]
    reference: Int[np.ndarray, " q"]
    score: Float[np.ndarray, " q"]
    margin: Float[np.ndarray, " q"]
    reference_margin: Float[np.ndarray, " q"]
    mutual: np.ndarray
    heading_deg: Float[np.ndarray, " q"] | None = None


def repeated(ids: list) -> list:
    """The ids that occur more than once, in order of first repetition."""
    seen: set = set()
    found: dict = {}
    for identity in ids:
        if identity in seen:
            found.setdefault(identity)
        seen.add(identity)
    return list(found)
