"""What a sweep without labels is worth: does the judge pick what recall would have picked, and what does it cost?

    python benchmarks/tune.py                   24 trials, on 256 validation places
    python benchmarks/tune.py --trials 8

The sweep is that of `jobs/tune.py`; started again, it goes on. Recall is read when all is over. Then one trial is run
again as a run of its own, that shares nothing but the rendered world. One trial runs at a time, on one thread.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from origin import measured_here
from scipy.stats import spearmanr

from ucvgl.distributed.cluster import connect
from ucvgl.distributed.trials import run_trials
from ucvgl.methods.ucvgl import unsupervised
from ucvgl.run.record import DONE, read_record
from ucvgl.sweep import tuning

SPACE = """
settings:
  curriculum.min_probability: {{uniform: [0.0, 0.9]}}
  curriculum.whitening: {{log_uniform: [0.003, 0.3]}}
  curriculum.final_fake_vote: {{uniform: [0.0, 1.0]}}
  curriculum.mutual: {{choice: [true, false]}}
  curriculum.with_fakes: {{choice: [true, false]}}
  curriculum.label_smoothing: {{uniform: [0.0, 0.4]}}
trials: {trials}
"""

COMMON = {
    "dataset.synthetic.validation-places": 256,
    "dataset.synthetic.train-places": 1024,
    "translation.steps": 300,
    "cold-start.intra-epochs": 14,
    "cold-start.cross-epochs": 8,
    "curriculum.rounds": 2,
    "curriculum.epochs-per-round": 2,
    "resources.workers": 1,
    "resources.worker-cpus": 1,
}
"""Makes the preset `tiny` learn enough for recall to tell trials apart."""


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
    flags = [word for name, value in COMMON.items() for word in (f"--{name}", str(value))] + wish.flags
    _run(wish.run.with_name("rendered"), "tiny", *flags, "--stop-after", "1_catalog")
    fresh, started = not (wish.run / "sweep.yaml").exists(), time.time()
    code = tuning.main(
        [str(space), "tiny", "--run", str(wish.run), *flags], unsupervised, run_trials=run_trials, connect=connect
    )
    if code:
        return code
    rows = [row for row in json.loads((wish.run / "results.json").read_text()) if row["finished"]]
    judged, r1 = (np.array([row[name] for row in rows]) for name in ("judged", "r1"))
    chosen, best = float(r1[judged.argmax()]), float(r1.max())
    runs = sorted((wish.run / "trials").iterdir())
    cold_starts = {(run / "4_cold_start" / "model.pt").stat().st_ino for run in runs}
    common, own = _seconds(wish.run / "shared"), [_seconds(run) for run in runs]
    result = {
        "trials": len(runs),
        "finished": len(rows),
        "r1_chosen": chosen,
        "r1_best": best,
        "r1_quartiles": np.quantile(r1, (0, 0.25, 0.5, 0.75, 1)).tolist(),
        "share_of_best": chosen / best,
        "rank_correlation": float(spearmanr(judged, r1)[0]),  # pyright: ignore
        "cold_starts": len(cold_starts),
        "seconds_in_common": common,
        "seconds_per_trial": float(np.mean(own)) - common,
    }
    print(json.dumps(result, indent=1), flush=True)
    if fresh and len(rows) >= 8:
        ends = sorted((runs[row["number"]] / "6_evaluate" / DONE).stat().st_mtime for row in rows)
        alone = _run(wish.run.with_name("alone"), "--config", str(runs[rows[0]["number"]] / "config.yaml"))
        result |= {"wall_seconds_of_8_trials": ends[7] - started, "wall_seconds_of_one_run_alone": alone}
        result["times_faster"] = 8 * alone / result["wall_seconds_of_8_trials"]
        print(f"8 trials: {ends[7] - started:.0f} s; one run alone {alone:.0f} s, so {result['times_faster']:.1f}x")
    wish.out.parent.mkdir(parents=True, exist_ok=True)
    wish.out.write_text(json.dumps({**measured_here(), **result, "rows": rows}, indent=1) + "\n")
    return 0


def _run(run: Path, *words: str) -> float:
    """The main job, as its user runs it; seconds."""
    started = time.monotonic()
    subprocess.run([sys.executable, "jobs/unsupervised.py", *words, "--run", str(run)], check=True)
    return time.monotonic() - started


def _seconds(run: Path) -> float:
    """What the finished stages of a run took, whoever made them."""
    records = [read_record(file) for file in run.glob(f"[1-9]_*/{DONE}")]
    return sum(record.seconds or 0.0 for record in records if record)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
