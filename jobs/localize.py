"""Answer a folder of photos into Parquet; the command `ucvgl localize`, as a job.

ray job submit --working-dir . -- python jobs/localize.py PHOTOS --index INDEX --parquet OUT --workers 8
python jobs/localize.py --help
"""

import sys

from ucvgl import cli

if __name__ == "__main__":
    sys.exit(cli.main(["localize", *sys.argv[1:]]))
