"""How far is the recall that decoys estimate, which needs no truth, from the true one, and does it rank as that does?

    python benchmarks/judge.py runs/*

Every set of encoders that an evaluation of these runs scored is one point; the truth must be known.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from ucvgl.files.tables import read_table
from ucvgl.run import columns

OUT = Path("benchmarks/results/judge.json")


def main(runs: Sequence[str]) -> int:
    scored = [sorted(run.glob("*_evaluate"))[:1] for run in map(Path, runs)]  # a supervised run also links 6_evaluate
    points = [point for folders in scored for folder in folders for point in _points(folder)]
    if len(points) < 3:
        print("three sets of encoders are needed, with known recall; name finished runs", file=sys.stderr)
        return 2
    judged, low, high, r1 = (
        np.array([point[name] for point in points]) for name in ("judged", "judged_low", "judged_high", "r1")
    )
    labelled = [point for point in points if None not in (point["precision"], point["judged_precision"])]
    precision, believed = (np.array([row[name] for row in labelled]) for name in ("precision", "judged_precision"))
    result = {
        "encoders": len(points),
        "runs": len({point["run"] for point in points}),
        "mean_error": float(np.abs(judged - r1).mean()),
        "largest_error": float(np.abs(judged - r1).max()),
        "bias": float((judged - r1).mean()),
        "within_bounds": float(((low <= r1) & (r1 <= high)).mean()),
        "rank_correlation": float(spearmanr(judged, r1)[0]),  # pyright: ignore
        "mean_error_of_precision": float(np.abs(believed - precision).mean()) if labelled else None,
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(result | {"points": points}, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return 0


def _points(scored: Path) -> list[dict]:
    rows = read_table(scored / "rounds.parquet", columns.ROUNDS).to_pylist()
    return [{"run": scored.parent.name, **row} for row in rows if row["r1"] is not None]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
