"""What `real.py` measured, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from origin import origin
from results import lines_of, per_cent, table

NO_VOTES = ("frozen", "centred", "whitened", "aligned", "fair")


def real() -> str:
    """Every network of `real.jsonl`, one below the other."""
    lines = lines_of("real.jsonl")
    shown = "\n\n".join(real_table(line["title"], line["splits"]) for line in lines)
    return f"{shown}\n\nIn %, mean and standard error over the splits. {origin('real.jsonl', lines)}"


def real_table(title: str, measured: Sequence[Mapping[str, Sequence[float]]]) -> str:
    """One network's rows in Markdown: mean and standard error over random halves, and what the judge said."""
    rows = []
    for row in measured[0]:
        forth, back, *judged = np.array([split[row] for split in measured]).T / 100
        told = [per_cent(way) for way in judged] or ["", ""]
        rows.append([row, per_cent(forth), told[0], per_cent(back), told[1]])
    words = []
    for way, number in (("forth", 0), ("back", 1)):
        free = np.max([[split[row][number] for split in measured] for row in NO_VOTES], axis=0)
        ours, most = (np.array([split[row][number] for split in measured]) for row in ("voted", "true pairs"))
        times, share = ours.mean() / free.mean(), 100 * ours.mean() / most.mean()
        each = "more" if (ours > free).all() else "not more"
        words.append(
            f"{way}, votes find {times:.2f} times what the best other row does, {each} on each half, and {share:.0f} % "
            f"of what true pairs do"
        )
    heading = [title, "R@1", "judged", "back: R@1", "judged"]
    return f"{table(heading, rows)}\n\n{words[0][0].upper()}{'; '.join(words)[1:]}."
