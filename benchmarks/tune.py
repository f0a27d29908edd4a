"""What a sweep without labels is worth: does agreement pick what recall would have picked, and what does it cost?

    python benchmarks/tune.py                   24 trials of the tiny preset, on 256 validation places
    python benchmarks/tune.py --trials 8

The sweep is that of `jobs/tune.py`; started again, it goes on. Recall is read when all is over.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from ucvgl.distributed.cluster import connect
from ucvgl.distributed.sweep import run_trials
from ucvgl.pipeline import unsupervised
from ucvgl.record import DONE, read_record
from ucvgl.sweep import job

SPACE = """
settings:
  curriculum.min_margin: {{log_uniform: [0.01, 0.4]}}
  curriculum.final_margin: {{uniform: [0.0, 0.1]}}
  curriculum.final_fake_vote: {{uniform: [0.0, 1.0]}}
  curriculum.mutual: {{choice: [true, false]}}
trials: {trials}
"""


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--run", type=Path, default=Path("runs/bench_tune"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/tune.json"))
    parser.add_argument("flags", nargs="*", help="settings of all trials, after --")
    wish = parser.parse_args(argv)
    wish.run.mkdir(parents=True, exist_ok=True)
    space = wish.run.with_suffix(".yaml")
    space.write_text(SPACE.format(trials=wish.trials))
    places = ["--dataset.synthetic.validation-places", "256"]
    started = time.monotonic()
    code = job.main(
        [str(space), "tiny", "--run", str(wish.run), *places, *wish.flags],
        unsupervised,
        run_trials=run_trials,
        connect=connect,
    )
    if code:
        return code
    wall = time.monotonic() - started
    rows = [row for row in json.loads((wish.run / "results.json").read_text()) if row["finished"]]
    agreement, r1 = (np.array([row[name] for row in rows]) for name in ("agreement", "r1"))
    chosen, best = float(r1[agreement.argmax()]), float(r1.max())
    cold_starts = {(trial / "4_cold_start" / "model.pt").stat().st_ino for trial in (wish.run / "trials").iterdir()}
    common, own = _seconds(wish.run / "shared"), [_seconds(trial) for trial in (wish.run / "trials").iterdir()]
    result = {
        "trials": len(rows),
        "r1_chosen": chosen,
        "r1_best": best,
        "r1_median": float(np.median(r1)),
        "share_of_best": chosen / best,
        "rank_correlation": float(spearmanr(agreement, r1)[0]),  # pyright: ignore
        "cold_starts": len(cold_starts),
        "seconds_in_common": common,
        "seconds_per_trial": float(np.mean(own)) - common,
        "wall_seconds_of_this_call": wall,
    }
    wish.out.parent.mkdir(parents=True, exist_ok=True)
    wish.out.write_text(json.dumps(result | {"rows": rows}, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return 0


def _seconds(run: Path) -> float:
    """What the finished stages of a run took, whoever made them."""
    records = [read_record(file) for file in run.glob(f"[1-9]_*/{DONE}")]
    return sum(record.seconds or 0.0 for record in records if record)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
