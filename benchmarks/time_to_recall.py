"""CPU seconds until R@1 reaches a level: the default, the paper's recipe, and the same in one plain PyTorch file.

    python benchmarks/time_to_recall.py --world medium --rows default,paper,plain --seeds 0

A (row, world, seed) is a line of `results/time_to_recall.jsonl`. The rows of `recipe_rows.py` come from the lines of
`recipes.py`, which are made where they are missing; what a line of before does not say of its seconds, the log of its
run in `data/runs` does. `plain` is `plain_recipe.py`: it is given the panoramas, bird's-eye views and tiles that our
projection made. It goes on with the stage that it was broken off in.

Recall is what evaluation found after every round. Nothing that trains sees it, and evaluation is not in the seconds,
nor are rendering and projection, which all of them need alike.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import recipes
import torch
from origin import measured_here
from plain_recipe import ROUNDS, Images, Towers, describe, learn
from results import RESULTS
from time_tables import FILE, spent

from ucvgl.images.image_store import ImageStore
from ucvgl.stages.catalog import as_listed
from ucvgl.truth.door import read_truth
from ucvgl.truth.score import Protocol, protocol_of, score_in_memory

KEPT = ("row", "world", "seed", "machine", "date", "commit", "cpu_seconds", "r1", "stopped")


def of_recipe(row: str, world: str, seed: int, wish: argparse.Namespace) -> dict[str, Any]:
    """From the line of `recipes.py`, which is made where there is none."""
    known = [line for line in recipes.lines(wish.recipes) if (row, world, seed) == _key(line) and "error" not in line]
    log = wish.data / "runs" / f"{row}-{world}-{seed}" / "log.jsonl"
    if not known or not ("spent" in known[-1] or log.exists()):
        known = [recipes.line_of(row, world, seed, wish)]
        with wish.recipes.open("a", encoding="utf-8") as file:
            file.write(json.dumps(known[0]) + "\n")
    line = known[-1]
    seconds = line.get("spent") or spent(recipes.lines(log))
    if list(seconds.values())[-1] > line["cpu_seconds"]:
        raise ValueError(f"{log} is of another run than the line of {row}, {world}, {seed}")
    rounds = [{"name": one["name"], "r1": one["r1"]} for one in line["rounds"]]
    return {name: line[name] for name in KEPT if name in line} | {"spent": seconds, "rounds": rounds}


def of_plain(world: str, seed: int, wish: argparse.Namespace) -> dict[str, Any]:
    """Trained here, or gone on with."""
    torch.set_num_threads(wish.threads)
    projected, folder = wish.data / world / "2_project", wish.data / "runs" / f"plain-{world}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    train, validation = _images(projected / "train"), _images(projected / "validation")
    ids = [ImageStore(projected / "validation" / view).ids for view in ("queries", "references")]
    dataset = as_listed(projected.parent / "1_catalog", recipes.experiment_of(world, 0, "default", wish).dataset)
    protocol = protocol_of(read_truth(dataset, "validation"), *ids)
    saved = folder / "state.pt"
    state = torch.load(saved) if saved.exists() else None
    seconds, rounds = (state["spent"], state["rounds"]) if state else ({}, [])
    before, begun = list(seconds.values())[-1] if seconds else 0.0, time.process_time()
    for name, towers, now in learn(train, seed, state):
        before += time.process_time() - begun
        seconds[name] = round(before, 1)
        rounds.append({"name": name, "r1": round(_r1(towers, validation, protocol), 4)})
        torch.save(now | {"spent": seconds, "rounds": rounds}, saved)
        print(f"{before:.0f} s: {rounds[-1]}", flush=True)
        begun = time.process_time()
    cold, rounds = rounds[1], rounds[2:]  # the second stage ends the cold start
    stopped = {} if len(rounds) == ROUNDS else {"stopped": f"round {len(rounds) + 1} found too few labels"}
    told = {"row": "plain", "world": world, "seed": seed, **measured_here(), "cpu_seconds": round(before)}
    rounds = [cold | {"name": "cold"}, *rounds]
    return told | {"r1": rounds[-1]["r1"], "spent": seconds, "rounds": rounds} | stopped


def _images(folder: Path) -> Images:
    stores = [ImageStore(folder / view) for view in ("queries", "bev", "references")]
    return Images(*(torch.from_numpy(store.read(range(len(store)))).permute(0, 3, 1, 2) for store in stores))


def _r1(towers: Towers, images: Images, protocol: Protocol) -> float:
    query, tile = describe(towers.ground, images.panoramas), describe(towers.above, images.tiles)
    return score_in_memory(query.numpy(), tile.numpy(), protocol).r1


def _key(line: dict[str, Any]) -> tuple[str, str, int]:
    return line["row"], line["world"], line["seed"]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", default="medium")
    parser.add_argument("--rows", default="default,paper,plain")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, default=recipes.ROOT / "runs/recipes")
    parser.add_argument("--recipes", type=Path, default=RESULTS / "recipes.jsonl", help="lines of `recipes.py`")
    parser.add_argument("--out", type=Path, default=RESULTS / FILE)
    wish = parser.parse_args(argv)
    wish.data, wish.preset, wish.changed = wish.data.resolve(), "synthetic", {}
    with ProcessPoolExecutor(wish.threads, mp_context=get_context("fork")) as pool:
        recipes.prepare(wish.world, wish, pool)
    done = {_key(line) for line in recipes.lines(wish.out)}
    asked = [(row, wish.world, int(seed)) for row in wish.rows.split(",") for seed in wish.seeds.split(",")]
    for row, world, seed in asked:
        if (row, world, seed) in done:
            continue
        line = of_plain(world, seed, wish) if row == "plain" else of_recipe(row, world, seed, wish)
        with wish.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{row} {world} {seed}: R@1 {line['r1']:.3f} after {line['cpu_seconds']} s of a processor", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
