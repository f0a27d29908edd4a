"""Run a job of this folder on a cluster, from here: the working tree goes there, the output comes back.

make submit ADDRESS=http://127.0.0.1:8265 JOB=unsupervised ARGS='folder --dataset.root s3://… --run s3://…'
python jobs/submit.py ADDRESS JOB [ARGUMENTS OF THE JOB]
"""

import logging
import sys
from pathlib import Path

from ucvgl.run.ending import Imports, ended

with Imports():
    from ucvgl.distributed.submit import submit
    from ucvgl.log import start_logging

if __name__ == "__main__":
    start_logging()
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    address, job, *arguments = sys.argv[1:]
    root, log = Path(__file__).resolve().parents[1], logging.getLogger("ucvgl")
    sys.exit(ended(lambda: submit(address, job, arguments, root=root), lambda told: log.error("%s", told)))
