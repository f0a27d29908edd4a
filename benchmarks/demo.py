"""The demo by the clock, after set-up, and what it says: the README shows it.

    python benchmarks/demo.py            # some minutes; `runs/demo` must not be there
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time

from origin import ROOT, measured_here, origin
from results import RESULTS, whole

FILE = "demo.json"
PROGRESS = re.compile(r"\d\d:\d\d:\d\d (?!\d_\w+: done|round \d+: \d+ of|a query is)|make|python3 -m|\s*$")
"""Lines that the README leaves out."""


def demo(file: str = FILE) -> str:
    """What it printed last time, and how long it took."""
    told = whole(file)
    minutes, seconds = divmod(round(told["seconds"]), 60)
    shown = "\n".join(line for line in told["output"].splitlines() if not PROGRESS.match(line))
    return f"```text\n{shown}\n```\n\n{minutes} min {seconds} s after set-up. {origin(file, [told])}"


def main() -> int:
    if (ROOT / "runs/demo").exists():
        print("runs/demo is there, and would be taken up again; move it away", file=sys.stderr)
        return 2
    subprocess.run(["make", "setup"], cwd=ROOT, check=True)
    begun = time.monotonic()
    command = ["make", "--silent", "demo"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seconds = time.monotonic() - begun
    print(done.stdout)
    if done.returncode == 0:
        told = {**measured_here(), "seconds": round(seconds), "output": done.stdout}
        (RESULTS / FILE).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
