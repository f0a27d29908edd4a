"""Find settings without labels: trials over a space, chosen by the recall that decoys estimate.

python jobs/tune.py tune_spaces/threshold.yaml [PRESET] --run runs/sweep
python jobs/tune.py --help
"""

import sys

from ucvgl.run.ending import Imports

with Imports():
    from ucvgl.distributed.cluster import connect
    from ucvgl.distributed.trials import run_trials
    from ucvgl.methods.ucvgl import unsupervised
    from ucvgl.sweep import tuning

if __name__ == "__main__":
    sys.exit(tuning.main(sys.argv[1:], unsupervised, run_trials=run_trials, connect=connect))
