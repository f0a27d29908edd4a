"""What a cluster has to prove, run on clusters of processes on this machine, and shown as tables.

python benchmarks/cluster.py                    about a quarter of an hour on two cores
python benchmarks/cluster.py --parts nodes hosts scaling jobs submit
python benchmarks/cluster.py --show             the tables of the last time

The proofs are tests (`make test-cluster`); this runs them and prints what they measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from origin import measured_here

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "cluster.jsonl"
Line = Mapping[str, Any]


def nodes(lines: Iterable[Line]) -> str:
    """A row per stage; its seconds are those of the attempt that finished it."""
    stages: dict[str, list[Line]] = {}
    for line in lines:
        stages.setdefault(line["stage"], []).append(line)
    rows = []
    for stage, lost in stages.items():
        calm, disturbed = lost[0]["seconds"]
        times = ["", f"{disturbed:.0f}", ""]
        if calm is not None:
            times = [f"{calm:.0f}", f"{disturbed:.0f}", f"{disturbed - calm:+.0f}"]
        survived = sum(line["lived_on"] for line in lost)
        where = ", ".join(line["work"] for line in lost)
        rows.append([stage, where, f"{survived} of {len(lost)}", *times])
    heading = ["stage", "node lost that ran", "job lived on", "s undisturbed", "s disturbed", "s lost"]
    return _table(heading, rows)


def scaling(lines: Iterable[Line]) -> str:
    rows = [
        [line["autoscaler"], ", ".join(f"{count} at {when} s" for when, count in line["seconds_and_workers"])]
        for line in lines
    ]
    return _table(["autoscaler", "workers beside the head"], rows)


def jobs(lines: Iterable[Line]) -> str:
    rows = []
    for line in lines:
        if line["what"] == "two jobs":
            total = sum(line["processor_seconds"])
            shares = " : ".join(f"{100 * seconds / total:.0f} %" for seconds in line["processor_seconds"])
            done = " and ".join(map(str, line["stages_done"]))
            rows += [
                ["processor time of two jobs that fit together", shares],
                ["seconds that they ran side by side", str(line["seconds_together"])],
                ["stages done, of 4, when the first one ended", done],
            ]
        elif line["what"] == "never":
            rows.append(["seconds from losing all machines to the line about it", str(line["seconds_after_the_loss"])])
        else:
            rows += [
                ["seconds until a job that does not fit says so", str(line["seconds_to_the_message"])],
                ["seconds until it begins, once the other is stopped", str(line["seconds_to_begin"])],
            ]
    return _table(["two jobs at once", ""], rows)


def submitting(lines: Iterable[Line]) -> str:
    times = [(line["direct"], line["submitted"]) for line in lines]
    rows = [[f"{direct:.1f}", f"{submitted:.1f}", f"{submitted - direct:.1f}"] for direct, submitted in times]
    return _table(["s of the job started beside the cluster", "s of the same job submitted", "s of overhead"], rows)


def hosts(lines: Iterable[Line]) -> str:
    rows = [[str(line["hosts"]), str(line["seconds"])] for line in lines]
    return _table(["hosts, the head among them", "s of a short job with every stage"], rows)


PARTS: dict[str, tuple[str, set[str], Callable[[Iterable[Line]], str]]] = {
    "nodes": ("test_lost_nodes.py", {"node lost"}, nodes),
    "hosts": ("test_hosts.py", {"hosts"}, hosts),
    "scaling": ("test_autoscaler.py", {"scaling"}, scaling),
    "jobs": ("test_two_jobs.py", {"two jobs", "turn", "never"}, jobs),
    "submit": ("test_submit.py", {"submit"}, submitting),
}
"""Name -> the tests, what their lines are called, and how these are shown."""


def measure(part: str) -> bool:
    """Run the tests of a part; their lines replace those of the last time. Whether all passed."""
    tests, names, _ = PARTS[part]
    fresh = RESULTS.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", f"tests/ray/{tests}"]
    passed = subprocess.run(command, cwd=ROOT, env=os.environ | {"UCVGL_PROOFS": str(fresh)}).returncode == 0
    if fresh.exists():
        made = [line | measured_here() for line in _read(fresh)]
        others = [line for line in _read(RESULTS) if line["what"] not in names]
        RESULTS.write_text("".join(json.dumps(line) + "\n" for line in [*others, *made]))
        fresh.unlink()
    return passed


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--show", action="store_true", help="run nothing")
    asked = parser.parse_args()
    failed = [] if asked.show else [part for part in asked.parts if not measure(part)]
    for part in asked.parts:
        _, names, show = PARTS[part]
        lines = [line for line in _read(RESULTS) if line["what"] in names]
        print(f"\n{show(lines) if lines else f'{part}: not measured yet'}")
    sys.exit(f"not proven: {', '.join(failed)}" if failed else 0)
