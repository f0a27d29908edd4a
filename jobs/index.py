"""Embed the tiles of an area and write an index that answers photos; the command `ucvgl index`, as a job.

ray job submit --working-dir . -- python jobs/index.py RUN TILES --out INDEX --workers 8
python jobs/index.py --help
"""

import sys

from ucvgl import cli

if __name__ == "__main__":
    sys.exit(cli.main(["index", *sys.argv[1:]]))
