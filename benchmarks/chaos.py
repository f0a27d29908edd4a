"""Does a job survive whatever dies under it? Random kill -9, and the result compared bit by bit.

    python benchmarks/chaos.py --kills 100 --seed 0
    python benchmarks/chaos.py --minutes 20 --pause 40    as many as fit; on a busy machine seldom, as all takes longer

The preset `tiny` runs undisturbed once. Then it runs again and again while one of its processes, of a kind drawn from
those alive, is killed at a random moment: the driver (with its whole Ray, as when a machine dies), Ray's own servers, a
worker of the group, an image actor. When the job ends early, the same command is started again. A kill is survived when
the job, or that command, goes on by itself and the run ends with the bits of the undisturbed one. One moment in two is
drawn from when Ray's first server is there, the other from when the workers are: else most would meet a Ray that
starts. What was counted lies in `--folder`: broken off, the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "ray"))
from one_job import Job, artefacts, log_of, processes_with  # noqa: E402 - the tests' way to run the job
from origin import measured_here  # noqa: E402

VICTIMS = {
    "worker": ("ray::RayTrainWorker",),
    "image actor or task": ("ray::Map",),
    "mailbox": ("ray::Mailbox",),
    "train controller": ("ray::TrainController",),
    "raylet": ("/raylet",),
    "gcs": ("/gcs_server",),
}
"""What may be killed beside the driver: how the titles of Ray's workers begin, and the programs of its servers end."""
BUSY = "when the machine is less busy"
"""In what the job says where other programs left Ray no time to start: the same command is started again."""
EARLY = 0.5
"""How many moments are drawn from when Ray's first server is there, and not from when the workers are."""
PATIENCE_S = 1800
"""How long to wait for a start of the job to end."""


@dataclass
class Tally:
    """Kills by victim, and what came of them."""

    killed: Counter = field(default_factory=Counter)
    ended: Counter = field(default_factory=Counter)
    """By the last victim before the job ended early."""
    by_stage: Counter = field(default_factory=Counter)
    at_work: int = 0
    """Kills while the group of workers was there."""
    alone: float = 0.0
    """Seconds of the run that nothing disturbed."""
    runs: int = 0
    starts: int = 0
    busy: int = 0
    """Starts that the machine was too busy for."""
    lost: list[str] = field(default_factory=list)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after so many nothing is killed any more")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause", type=float, default=9.0, help="mean seconds between kills")
    parser.add_argument("--folder", type=Path, default=Path("runs/chaos"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/chaos.json"))
    wish = parser.parse_args(argv)
    wish.folder.mkdir(parents=True, exist_ok=True)
    kept = wish.folder / "tally.json"
    tally = _read(kept) if kept.exists() else Tally()
    random_ = random.Random(f"{wish.seed}, {sum(tally.killed.values())} kills")
    with tempfile.TemporaryDirectory(prefix="ucvgl") as ray:
        job = Job(wish.folder.resolve() / "images", Path(ray))
        expected = wish.folder.resolve() / "undisturbed"
        began = time.monotonic()
        job.finish(expected)
        tally.alone = tally.alone or time.monotonic() - began
        bits = artefacts(expected)
        until = time.monotonic() + 60 * wish.minutes
        while sum(tally.killed.values()) < wish.kills and time.monotonic() < until:
            run = wish.folder.resolve() / f"disturbed_{tally.runs:02d}"
            left = wish.kills - sum(tally.killed.values())
            began = time.monotonic()
            _disturb(job, run, tally, left, random_, wish.pause, until, kept)
            made = artefacts(run)
            if made != bits:
                differ = sorted(name for name in made.keys() | bits.keys() if made.get(name) != bits.get(name))
                tally.lost.append(f"{run.name} ended with other bits: {', '.join(differ[:3])}")
            tally.runs += 1
            _keep(kept, tally)
            print(f"{run.name}: {time.monotonic() - began:.0f} s; {_line(tally)}", flush=True)
            _write(wish.out, tally, wish.seed)
    print(_table(tally))
    return 1 if tally.lost else 0


def _disturb(
    job: Job, run: Path, tally: Tally, kills: int, random_: random.Random, pause: float, until: float, kept: Path
) -> None:
    """One run of the job, to its end, with up to so many kills, all of them before a moment."""
    while True:
        tally.starts, deadline = tally.starts + 1, time.monotonic() + PATIENCE_S
        process, hit = job.begin(run), ""
        while process.poll() is None:
            first = "gcs" if random_.random() < EARLY else "worker"
            while process.poll() is None and not _alive(job, VICTIMS[first]) and time.monotonic() < deadline:
                time.sleep(0.2)
            moment = time.monotonic() + random_.expovariate(1 / pause)
            while process.poll() is None and time.monotonic() < min(moment, deadline):
                time.sleep(0.05)
            if kills and until > time.monotonic() and process.poll() is None:
                stage, there = _stage(run), bool(_alive(job, VICTIMS["worker"]))
                hit = _kill_one(job, process.pid, random_)
                tally.killed[hit] += 1
                tally.by_stage[stage] += 1
                tally.at_work += there
                _keep(kept, tally)
                kills -= 1
                print(f"{time.strftime('%X')} {run.name}: {hit} killed in {stage}; {_line(tally)}", flush=True)
            if time.monotonic() >= deadline:
                tally.lost.append(f"{run.name} hung after {hit or 'no kill'}")
                process.kill()
        if process.returncode != 0 and hit:
            tally.ended[hit] += 1
        _end_ray(job)
        if process.returncode == 0 or time.monotonic() >= deadline:
            return
        if not hit and BUSY in log_of(run).splitlines()[-1]:
            tally.busy += 1
        elif not hit:
            tally.lost.append(f"{run.name} failed without a kill: {log_of(run).splitlines()[-1]}")
            return


def _kill_one(job: Job, driver: int, random_: random.Random) -> str:
    """Kill a process of any kind that is alive at the moment; which it was."""
    alive = {"driver": [driver]} | {kind: pids for kind, marks in VICTIMS.items() if (pids := _alive(job, marks))}
    kind = random_.choice([*alive])
    with suppress(ProcessLookupError):
        os.kill(random_.choice(alive[kind]), signal.SIGKILL)
    if kind == "driver":
        time.sleep(0.5)
        _end_ray(job)
    return kind


def _alive(job: Job, marks: tuple[str, ...]) -> list[int]:
    found = []
    for pid in processes_with(f"RAY_TMPDIR={job.ray}"):
        with suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
            if any(line.startswith(mark) if "ray::" in mark else line.endswith(mark) for mark in marks):
                found.append(pid)
    return found


def _end_ray(job: Job) -> None:
    """What is left of a job's Ray ends, as it does when a machine dies; alone it takes most of a minute."""
    end = time.monotonic() + 20
    while left := processes_with(f"RAY_TMPDIR={job.ray}"):
        if time.monotonic() > end:
            raise RuntimeError(f"processes {left} do not end")
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _stage(run: Path) -> str:
    return next((folder.name.removesuffix(".partial") for folder in run.glob("[1-9]_*.partial")), "between stages")


def _line(tally: Tally) -> str:
    return f"{sum(tally.killed.values())} kills, {tally.starts} starts, {len(tally.lost)} lost"


def _keep(kept: Path, tally: Tally) -> None:
    aside = kept.with_suffix(".partial")
    aside.write_text(json.dumps(vars(tally)))
    aside.replace(kept)


def _read(kept: Path) -> Tally:
    tally = Tally(**json.loads(kept.read_text()))
    counts = {name: Counter(getattr(tally, name)) for name in ("killed", "ended", "by_stage")}
    return replace(tally, **counts)


def _write(out: Path, tally: Tally, seed: int) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    result = {
        **measured_here(), "kills": sum(tally.killed.values()), "seed": seed, "runs": tally.runs,
        "starts": tally.starts, "busy": tally.busy, "lost": tally.lost, "seconds_undisturbed": round(tally.alone),
        "by_stage": dict(tally.by_stage), "at_work": tally.at_work,
        "by_victim": {kind: {"killed": count, "ended": tally.ended[kind]} for kind, count in tally.killed.items()},
    }  # fmt: skip
    out.write_text(json.dumps(result, indent=1) + "\n")


def _table(tally: Tally) -> str:
    lines = ["| killed | times | the job went on | the same command went on |", "| --- | --- | --- | --- |"]
    for kind, count in sorted(tally.killed.items()):
        lines.append(f"| {kind} | {count} | {count - tally.ended[kind]} | {tally.ended[kind]} |")
    lines.append(f"{_line(tally)}; {tally.runs} runs, each compared with the undisturbed one bit by bit")
    return "\n".join(lines + tally.lost)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
