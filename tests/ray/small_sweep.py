"""A sweep without training as its user runs one: `python small_sweep.py SPACE ...`, with a Ray of its own."""

import sys

from small_runs import agree

from ucvgl.distributed.cluster import connect
from ucvgl.distributed.trials import run_trials
from ucvgl.sweep import tuning

if __name__ == "__main__":
    sys.exit(tuning.main(sys.argv[1:], agree, run_trials=run_trials, connect=connect))
