"""Which tile, and whether there is one: photos with a known heading, and the same that begin anywhere.

    python benchmarks/beyond_search.py --runs cropped_haze=runs/recipes/runs/default-cropped_haze-0

By the encoders that `recipes.py` or a job left in a run. A line per run, heading and way: by descriptors alone, and
with the first tiles verified over poses. R@1 and R@5 of photos whose tile is there; median error of the heading where
the first tile is the true one; then every photo with its tile and without: the area under the curve of their leads
(AUROC), and the calibration error of the stated probability, which half of the photos taught, without a label, and the
other half is asked.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import absent_ray  # noqa: F401
import numpy as np
import torch
from origin import measured_here
from results import RESULTS
from scipy.stats import rankdata
from suite import SUITE

from ucvgl.files.parts import in_order
from ucvgl.images.decode import load
from ucvgl.images.image_store import ImageStore
from ucvgl.images.mirror_images import mirror_images
from ucvgl.index.confidence import reliability
from ucvgl.index.encoders import Encoders
from ucvgl.index.ground import Found, in_verified_order, shown_by
from ucvgl.index.headings import each_turned
from ucvgl.index.presence import RIVALS, calibrate_presence, leads
from ucvgl.networks.searched import references
from ucvgl.poses.ground_views import ground_of_tile
from ucvgl.poses.turns import TURNS, Heading, turned
from ucvgl.settings.limits import changed
from ucvgl.settings.presets import PRESETS
from ucvgl.stages.catalog import as_listed, read_catalogs
from ucvgl.truth.door import read_truth, true_rows

HEADINGS: tuple[Heading, ...] = ("known", "unknown")


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", required=True, help="world=folder, with commas between; worlds as in suite.py")
    parser.add_argument("--root", default="", help="of the images, where they are not where the world says")
    parser.add_argument("--photos", type=int, default=200, help="of each world")
    parser.add_argument("--seed", type=int, default=0)
    wish = parser.parse_args(argv)
    torch.set_num_threads(1)
    for named in wish.runs.split(","):
        world, run = named.split("=", 1)
        for line in lines(world, Path(run), wish):
            told = {"world": world, **measured_here()} | line
            print(json.dumps(told), flush=True)
            with (RESULTS / "beyond_search.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(told) + "\n")
    return 0


def lines(world: str, run: Path, wish: argparse.Namespace) -> list[dict[str, Any]]:
    """What is found with a known heading, and without."""
    experiment = changed(PRESETS["synthetic"](), dict(SUITE[world]))
    if wish.root:
        experiment = changed(experiment, {"dataset.root": wish.root})
    model = in_order((run / "5_curriculum").glob("round_*/model.pt"))[-1]
    encoders = Encoders(model.read_bytes(), experiment.projection, device="cpu")
    images = {name: ImageStore(run / "2_project/validation" / name) for name in ("queries", "references")}
    truth = read_truth(as_listed(run / "1_catalog", experiment.dataset), "validation")
    assert truth is not None
    true = true_rows(truth, images["queries"].ids, images["references"].ids)
    random = np.random.default_rng(wish.seed)
    asked = random.permutation(np.flatnonzero(true >= 0))[: wish.photos]
    listed = read_catalogs(run / "1_catalog")["validation"].queries.to_pydict()
    uris = dict(zip(listed["id"], listed["uri"], strict=True))
    photos = [load(uris[name]) for name in images["queries"].ids[asked]]
    pixels = images["references"].read(np.arange(len(images["references"])))
    tiles, mirrors = (references(encoders.towers, pixels, mirrored=which) for which in (False, True))
    begins, verified = random.uniform(0, 360, len(photos)), experiment.evaluation.verified
    ground = shown_by("query", experiment.projection)
    assert ground is not None
    sides = [[*map(ground_of_tile, shown)] for shown in (pixels, mirror_images(pixels))]
    about = {"photos": len(photos), "tiles": len(tiles), "model": model.parent.name}
    found = []
    for heading in HEADINGS:
        begun = time.process_time()
        seen = [turned(one, by) for one, by in zip(photos, begins, strict=True)] if heading == "unknown" else photos
        vectors = np.stack([encoders.embed_queries(list(each_turned(photo, heading))) for photo in seen])
        described = time.process_time()
        grounds = [ground(photo) for photo in seen]
        for count in (0, verified):
            how = {"grounds": grounds, "count": count, "heading": heading}
            orders = [partial(in_verified_order, tile=own.__getitem__, **how) for own in sides]
            line = measured(vectors, tiles, mirrors, true[asked], begins, *orders)
            found.append({"heading": heading, "verified": count} | about | line)
        again, best = time.process_time(), _best(vectors, tiles)
        orders[0](best)
        spent = {"describe_ms": described - begun, "verify_ms": time.process_time() - again}
        found[-1] |= {name: round(1000 * seconds / len(photos)) for name, seconds in spent.items()}
    return found


def measured(
    vectors: np.ndarray,
    tiles: np.ndarray,
    mirrors: np.ndarray,
    true: np.ndarray,
    begins: np.ndarray,
    verify: Callable[[Found], Found],
    verify_mirrors: Callable[[Found], Found],
) -> dict[str, Any]:
    """The numbers of a line, from descriptors.

    Args:
        verify: brings tiles into another order; the other does the same to mirrored tiles.
    """
    best, rows = _best(vectors, tiles), np.arange(len(true))
    score, row, turn = verify(best)
    right = row[:, 0] == true
    off = np.abs((turn[:, 0] * 360 / TURNS + begins + 180) % 360 - 180)[right]
    without, mirrored = verify(_best(vectors, tiles, true))[0], verify_mirrors(_best(vectors, mirrors))[0]
    taught, judged = np.split(rows, [len(rows) // 2])
    presence = calibrate_presence(score[taught], mirrored[taught], pool=len(tiles))
    both = np.concatenate((leads(score[judged]), leads(without[judged])))
    order = np.random.default_rng(0).permutation(len(both))
    _, error = reliability(presence.here(both)[order], order < len(judged))
    return {
        "r1": round(float(right.mean()), 3),
        "r5": round(float((row[:, :5] == true[:, None]).any(1).mean()), 3),
        "heading_error_deg": round(float(np.median(off)), 1) if vectors.shape[1] > 1 else None,
        "auroc": round(auroc(leads(score), leads(without)), 3),
        "auroc_second": round(auroc(score[:, 0] - score[:, 1], without[:, 0] - without[:, 1]), 3),
        "auroc_mirrors": round(auroc(leads(score), leads(mirrored)), 3),
        "here_error": round(error, 3),
    }


def _best(vectors: np.ndarray, tiles: np.ndarray, left_out: np.ndarray | None = None) -> Found:
    """The best tiles of every photo at the best of its turns, and at which.

    Args:
        left_out: a tile of each photo that is not there.
    """
    everything = vectors @ tiles.T
    if left_out is not None:
        everything[np.arange(len(left_out)), :, left_out] = -np.inf
    best, turn = everything.max(1), everything.argmax(1)
    row = np.argsort(-best, 1, kind="stable")[:, : RIVALS + 1]
    score, turn = (np.take_along_axis(some, row, 1) for some in (best, turn))
    return score, row, turn


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Probability that one of the first is above one of the second."""
    ranks = rankdata(np.concatenate((positive, negative)))[: len(positive)].sum()
    return float((ranks - len(positive) * (len(positive) + 1) / 2) / len(positive) / len(negative))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
