"""What decoys tell of recall, by the axis about which they are mirrored: on the same encoders of many worlds.

    python benchmarks/mirror_axes.py --runs runs/recipes/runs/*-0 --rounds 0,2,5,8

By bird's-eye view, and by it and the panorama, without structure and verification. A line per model and way of asking:
its R@1, and what is judged by mirrors about each axis, about one of three by their content (the judge), and by the mean
of those three.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import absent_ray  # noqa: F401
import numpy as np
import torch
from origin import measured_here
from results import RESULTS

from ucvgl.files.plain import json_as
from ucvgl.images.image_store import ImageStore
from ucvgl.images.mirror_images import AXES, mirror_images, mirrored_about
from ucvgl.networks.adapted import load_encoders
from ucvgl.networks.towers import embed
from ucvgl.pseudo_labels.decoys import DECOYS_AHEAD, estimated_recall
from ucvgl.pseudo_labels.whitening import unit
from ucvgl.settings.experiment import Experiment
from ucvgl.stages.catalog import as_listed
from ucvgl.truth.door import read_truth
from ucvgl.truth.score import protocol_of, score_in_memory

FILE = "mirror_axes.jsonl"


def about(tiles: np.ndarray, axis: str) -> np.ndarray:
    """All tiles mirrored about one axis."""
    if axis == "by content":
        return mirror_images(tiles)
    if axis == "east":
        return tiles[:, ::-1]
    return np.stack([mirrored_about(axis, tile) for tile in tiles])


def lines(run: Path, rounds: Sequence[int]) -> Iterator[dict[str, Any]]:
    """What is judged of some rounds of a run of `recipes.py`."""
    row, world, seed = run.name.rsplit("-", 2)
    store = run / "2_project/validation"
    images = {name: ImageStore(store / name) for name in ("queries", "bev", "references")}
    settings = run / "settings.json"
    dataset = as_listed(run / "1_catalog", json_as(Experiment, settings.read_bytes(), settings).dataset)
    protocol = protocol_of(read_truth(dataset, "validation"), images["queries"].ids, images["references"].ids)
    pixels = {name: some.read(np.arange(len(some))) for name, some in images.items()}
    axes = [*AXES, "east", "by content"]
    shown = {axis: np.ascontiguousarray(about(pixels["references"], axis)) for axis in axes}
    for index in rounds:
        model = run / f"5_curriculum/round_{index:02d}/model.pt"
        if not model.exists():
            continue
        encoders = load_encoders(model, "cpu")
        bev, tile = (embed(encoders, pixels[name], "reference") for name in ("bev", "references"))
        decoys = {axis: embed(encoders, some, "reference") for axis, some in shown.items()}
        both = unit(embed(encoders, pixels["queries"], "query") + bev)
        for asked, query in (("bev", bev), ("both", both)):
            best = (query @ tile.T).max(1, keepdims=True)
            ahead = {axis: (query @ some.T > best).sum(1).clip(max=DECOYS_AHEAD) for axis, some in decoys.items()}
            count = {"references": len(tile), "decoys": len(tile)}
            judged = {axis: estimated_recall(some, **count).value for axis, some in ahead.items()}
            judged["mean of three"] = float(np.mean([judged[axis] for axis in AXES]))
            what = {"row": row, "world": world, "seed": int(seed), "round": index, "asked": asked}
            judged = {axis: round(value, 4) for axis, value in judged.items()}
            yield what | {"r1": round(score_in_memory(query, tile, protocol).r1, 4), "judged": judged}


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", nargs="+", type=Path, required=True, help="folders of recipes.py: ROW-WORLD-SEED")
    parser.add_argument("--rounds", default="0,2,5,8", help="from 0")
    wish = parser.parse_args(argv)
    torch.set_num_threads(1)
    with (RESULTS / FILE).open("a", encoding="utf-8") as file:
        for run in wish.runs:
            for line in lines(run, [int(index) for index in wish.rounds.split(",")]):
                told = line | measured_here()
                print(json.dumps(told), flush=True)
                file.write(json.dumps(told) + "\n")
                file.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
