"""Writes the tables of README.md and docs/ from what was measured, so that none of their figures is typed.

    python benchmarks/figures.py            # writes every block again
    python benchmarks/figures.py --check    # only tells which are not what it would write

A block stands between `<!-- figures: NAME argument=value -->` and `<!-- end -->`; NAME is one of `BLOCKS`. A table of
figures outside of any is preceded by `<!-- typed: WHY -->`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import adapter_tables
import choice_tables
import demo
import paper_rows
import place_tables
import real_table
import recipes_table
import speed_tables
import survival_tables
import time_tables

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "docs/*.md")
BLOCK = re.compile(r"(<!-- figures: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
BLOCKS: Mapping[str, Callable[..., str]] = {
    "demo": demo.demo,
    "worlds": recipes_table.worlds,
    "rounds": recipes_table.rounds,
    "recipes": recipes_table.recipes,
    "judged": recipes_table.judged,
    "mirror_axes": choice_tables.mirror_axes,
    "defaults": choice_tables.defaults,
    "choices": choice_tables.choices,
    "floors": recipes_table.floors,
    "paper_rows": paper_rows.paper_rows,
    "adapted": adapter_tables.adapted,
    "adapted_words": adapter_tables.adapted_words,
    "real": real_table.real,
    "positions": place_tables.positions,
    "headings": place_tables.headings,
    "geometries": place_tables.geometries,
    "presence": place_tables.presence,
    "confidence": place_tables.confidence,
    "projection": speed_tables.projection,
    "ingest": speed_tables.ingest,
    "matching": speed_tables.matching,
    "evaluated": speed_tables.evaluated,
    "halved": speed_tables.halved,
    "memory": speed_tables.memory,
    "same": speed_tables.same,
    "overhead": speed_tables.overhead,
    "time_to_recall": time_tables.time_to_recall,
    "time_by_stage": time_tables.time_by_stage,
    "cache": speed_tables.cache,
    "graphics_card": speed_tables.graphics_card,
    "second_card": speed_tables.second_card,
    "card_again": speed_tables.card_again,
    "cost": speed_tables.cost,
    "chaos": survival_tables.chaos,
    "fuzz": survival_tables.fuzz,
    "clusters": survival_tables.clusters,
    "tune": survival_tables.tune,
}
"""Name -> what writes the block in Markdown. It reads results and takes strings only."""


def written(text: str) -> str:
    """A document with all of its blocks written again.

    Raises:
        ValueError: a block is called what is not known.
    """
    return BLOCK.sub(lambda block: f"{block[1]}{_body(block[2])}\n{block[3]}", text)


def _body(call: str) -> str:
    name, *words = call.split()
    if name not in BLOCKS:
        raise ValueError(f"no block is called {name!r}; there are {', '.join(BLOCKS)}")
    try:
        return BLOCKS[name](**dict(word.split("=", 1) for word in words)).strip()
    except FileNotFoundError:
        return "Not measured yet."


def documents() -> list[Path]:
    """All that may hold blocks."""
    return [file for pattern in DOCUMENTS for file in sorted(ROOT.glob(pattern))]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 where a document would change")
    check, stale = parser.parse_args(argv).check, []
    for file in documents():
        text = file.read_text(encoding="utf-8")
        if (new := written(text)) != text:
            stale.append(file.relative_to(ROOT).as_posix())
            if not check:
                file.write_text(new, encoding="utf-8")
    print(f"{'stale' if check else 'written'}: {', '.join(stale) or 'none'}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
