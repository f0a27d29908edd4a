"""Does agreement, which needs no truth, rank encoders as their recall does?

    python benchmarks/agreement.py runs/ablation/*

Every set of encoders that an evaluation of these runs holds is one point.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import spearmanr

from ucvgl.pseudo_labels.mutual_matching import agreement, matches
from ucvgl.retrieval.topk import two_sided_topk

OUT = Path("benchmarks/results/agreement.json")


def main(runs: Sequence[str]) -> int:
    scored = [sorted(run.glob("*_evaluate"))[:1] for run in map(Path, runs)]  # a supervised run also links 6_evaluate
    points = [point for folders in scored for folder in folders for point in _points(folder)]
    if len(points) < 3:
        print("three sets of encoders are needed, with known recall; name finished runs", file=sys.stderr)
        return 2
    agreed, r1 = (np.array([point[name] for point in points]) for name in ("agreement", "r1"))
    last = {point["run"]: point for point in points}
    result = {
        "encoders": len(points),
        "runs": len(last),
        "rank_correlation": float(spearmanr(agreed, r1)[0]),  # pyright: ignore
        "rank_correlation_above_half": float(spearmanr(agreed[r1 > 0.5], r1[r1 > 0.5])[0]),  # pyright: ignore
        "mean_distance": float(np.abs(agreed - r1)[r1 > 0.3].mean()),
        "last_of_each_run": {name: [point["agreement"], point["r1"]] for name, point in last.items()},
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(result | {"points": points}, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return 0


def _points(scored: Path) -> list[dict]:
    points = []
    for row in pq.read_table(scored / "rounds.parquet").to_pylist():
        folder = scored / "embeddings" / row["name"]
        query, reference = (
            np.concatenate([np.load(part) for part in sorted((folder / view).glob("part-*.npy"))])
            for view in ("query", "reference")
        )
        found = agreement(matches(two_sided_topk(query, reference)))
        points.append({"run": scored.parent.name, "encoders": row["name"], "agreement": found, "r1": row["r1"]})
    return points


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
