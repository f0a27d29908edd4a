"""One method, one preset, every world of the suite: what it reaches of what true pairs reach, at worst and on average.

    python benchmarks/worlds.py --worlds b,medium --seeds 0,1 --name bare --set translation.fake=false

A (world, seed) is a run of its own, `runs/worlds/<name>/<world>-<seed>`, by the job of the method, and a line of the
results when it is done. Started again, finished lines are skipped and a broken run goes on. Training on true pairs is
done once for each world and seed, whatever is set; `--name supervised` is its own.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from origin import measured_here
from suite import ELSEWHERE, SUITE

from ucvgl.log import start_logging
from ucvgl.settings.presets import PRESETS

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[1]
SUPERVISED = "supervised"
METHODS = ("unsupervised", SUPERVISED)


def main(argv: Sequence[str]) -> int:
    start_logging()
    wish = _wish(argv)
    done = {_key(line): line for line in _lines(wish.out)}
    asked = [_identity(wish, world, seed) for seed in wish.seeds for world in wish.worlds]
    bound = [] if wish.without_supervised else [_supervised(line) for line in asked]
    failed = []
    for line in [*asked, *bound]:
        if _key(line) in done:
            continue
        measured = _measure(line, wish.runs / line["name"] / f"{line['world']}-{line['seed']}")
        if measured is None:
            failed.append(f"{line['name']}/{line['world']}-{line['seed']}")
            continue
        _append(wish.out, line | measured)
        done[_key(line)] = line | measured
    print(markdown([done[_key(line)] for line in asked if _key(line) in done], done))
    if failed:
        log.error("not measured: %s", ", ".join(failed))
    return 1 if failed else 0


def _measure(line: Mapping[str, Any], run: Path) -> dict[str, Any] | None:
    """Do one run by its job; what it wrote about itself. None where the job failed; it has said why."""
    settings = {"seed": line["seed"], "dataset.synthetic.seed": line["seed"]} | line["images"] | line["settings"]
    flags = [f"--{name}={value}" for name, value in settings.items()]
    command = [sys.executable, f"jobs/{line['method']}.py", line["preset"], "--run", str(run.resolve()), *flags]
    log.info("--- %s: %s, seed %d", line["name"], line["world"], line["seed"])
    begun = time.time()
    if run_job(command):
        return None
    scored = run / "6_evaluate"
    result = json.loads((scored / "recall.json").read_text())
    return {
        "recall": result["recall"],
        "raw_pixels": result["raw_pixels"],
        "rounds": pq.read_table(scored / "rounds.parquet").to_pylist(),
        "seconds": round(time.time() - begun),
        **measured_here(),
    }


def run_job(command: Sequence[str]) -> int:
    """Run a command of this project; its exit status."""
    return subprocess.run(command, cwd=ROOT).returncode


def markdown(lines: Sequence[Mapping[str, Any]], done: Mapping[str, Mapping[str, Any]]) -> str:
    """A table in Markdown, in per cent, of the lines of one method; means over the seeds (lowest to highest).

    Args:
        done: everything that is measured, training on true pairs among it.
    """
    table = [["world", "seeds", "raw pixels", "cold start", "R@1", "supervised", "share of supervised"]]
    table.append(["---"] * len(table[0]))
    shares = []
    for world in dict.fromkeys(line["world"] for line in lines):
        some = [line for line in lines if line["world"] == world]
        best = [done[key]["recall"]["r1"] for key in map(_key, map(_supervised, some)) if key in done]
        reached = [line["recall"]["r1"] for line in some]
        share = np.mean(reached) / np.mean(best) if len(best) == len(some) else None
        shares += [] if share is None else [share]
        raw = [max(line["raw_pixels"].values(), default=np.nan) for line in some]
        cold = [line["rounds"][0]["r1"] for line in some]
        ranges = [_range(shares_) for shares_ in (raw, cold, reached, best)]
        table.append([world, str(len(some)), *ranges, "" if share is None else f"{share:.2f}"])
    notes = [f"share of supervised: worst {min(shares):.2f}, mean {np.mean(shares):.2f}"] if shares else []
    return "\n".join(["| " + " | ".join(row) + " |" for row in table] + ["", *notes])


def _range(shares: Sequence[float]) -> str:
    if not shares:
        return ""
    middle = f"{100 * np.mean(shares):.1f}"
    return middle if len(shares) == 1 else f"{middle} ({100 * min(shares):.1f} to {100 * max(shares):.1f})"


def _identity(wish: argparse.Namespace, world: str, seed: int) -> dict[str, Any]:
    """What a line is about: the images as the suite describes them, and the settings that were changed."""
    line = {"name": wish.name, "method": wish.method, "preset": wish.preset, "world": world, "seed": seed}
    return line | {"images": dict(SUITE[world]), "settings": wish.changed}


def _supervised(line: Mapping[str, Any]) -> dict[str, Any]:
    """The line that this one is compared with."""
    identity = ("preset", "world", "seed", "images")
    own = {name: line[name] for name in identity}
    return {"name": SUPERVISED, "method": SUPERVISED, **own, "settings": {}}


def _key(line: Mapping[str, Any]) -> str:
    identity = ("name", "method", "preset", "world", "seed", "images", "settings")
    return json.dumps([line[name] for name in identity], sort_keys=True)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _append(path: Path, line: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _wish(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", default=",".join(SUITE), help="of the suite, by comma")
    parser.add_argument("--seeds", default="0,1,2", help="each changes the worlds that are rendered, and the training")
    parser.add_argument("--method", default="unsupervised", choices=METHODS)
    parser.add_argument("--preset", default="synthetic", choices=PRESETS)
    parser.add_argument("--name", default="", help="of these runs; the method's when not given")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="in every run of the method")
    parser.add_argument("--without-supervised", action="store_true", help="only the method itself")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/worlds.jsonl")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs/worlds")
    wish = parser.parse_args(argv)
    wish.worlds = wish.worlds.split(",")
    if unknown := set(wish.worlds) - set(SUITE):
        parser.error(f"no such worlds: {', '.join(sorted(unknown))}; there are {', '.join(SUITE)}")
    if "b" in wish.worlds and not (ROOT / ELSEWHERE).is_dir():
        log.warning("world b is not at %s beside the project, and is left out", ELSEWHERE)
        wish.worlds.remove("b")
    wish.seeds = [int(seed) for seed in wish.seeds.split(",")]
    wish.changed = dict(setting.split("=", 1) for setting in wish.set)
    wish.name = wish.name or wish.method
    return wish


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
