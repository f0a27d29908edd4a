"""What an adaptation made of a frozen model's descriptors: each kind, what it finds, and what the judge says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ucvgl.stages.judge_rows import ADAPTED
from ucvgl.training.closed_form import FREE

WORDS = {
    "frozen": "as the network gives them",
    "centred": "each view without its mean",
    "whitened": "each view on its own axes, all equally long",
    "aligned": "whitened, and queries turned by pairs that choose each other",
    "fair": "whitened, and what is near to everything set back",
    "voted": "whitened, moved by what all labels say together, and set back",
    ADAPTED: "by an adapter that was trained on labels, in rounds",
}


@dataclass(frozen=True)
class DescriptorKind:
    """One kind; shares of the question, and of the question back.

    Args:
        what: in words.
        chosen: whether it is the result.
        judged: R@1 as far as the judge tells.
        r1: R@1 in truth.
    """

    name: str
    what: str
    chosen: bool
    judged: tuple[float | None, float | None]
    r1: tuple[float | None, float | None]

    def __str__(self) -> str:
        said = [
            f"{title} {100 * forth:.1f}, back {100 * back:.1f}"
            for title, (forth, back) in (("R@1", self.r1), ("judged", self.judged))
            if forth is not None and back is not None
        ]
        return f"{self.name}: {'; '.join(said) or 'neither truth nor judge'}"


def result_of(table: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The row of the result, of those of `5_evaluate/rounds.parquet`; in runs that chose none, the last."""
    return next((row for row in table if row.get("result")), table[-1])


def kinds_of(table: Sequence[Mapping[str, Any]]) -> list[DescriptorKind]:
    """What needs no training, and what the last round trained, of the rows of `5_evaluate/rounds.parquet`."""
    rows, result = [row for row in table if row["name"] in FREE], result_of(table)
    if table[-1]["labels"] is not None or table[-1] is result:
        rows.append(table[-1])
    kinds = []
    for row in rows:
        name = row["name"] if row["name"] in FREE else ADAPTED
        forth, back = (row[f"{way}_judged"] for way in ("forth", "back"))
        judged = (forth if forth is None else forth / 100, back if back is None else back / 100)
        found = row["forth_r1"], row["back_r1"]
        kinds.append(DescriptorKind(name, WORDS[name], row is result, judged, found))
    return kinds
