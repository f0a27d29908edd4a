"""Which tile, and whether there is one: photos with a known heading, and the same that begin anywhere.

    python benchmarks/beyond_search.py --runs cropped_haze=runs/recipes/runs/default-cropped_haze-0

By the encoders that `recipes.py` or a job left in a run. A line per run and heading: R@1 and R@5 of photos whose tile
is there; median error of the heading where the first tile is the true one; then every photo with its tile and
without: the area under the curve of their leads (AUROC), and the calibration error of the stated probability, which
half of the photos taught, without a label, and the other half is asked.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import absent_ray  # noqa: F401
import numpy as np
import torch
from scipy.stats import rankdata
from suite import SUITE

from ucvgl.files.parts import in_order
from ucvgl.images.decode import load
from ucvgl.images.image_store import ImageStore
from ucvgl.index.confidence import reliability
from ucvgl.index.encoders import Encoders
from ucvgl.index.headings import TURNS, each_turned, turned
from ucvgl.index.presence import calibrate_presence, leads
from ucvgl.networks.searched import references
from ucvgl.settings.limits import changed
from ucvgl.settings.presets import PRESETS
from ucvgl.stages.catalog import as_listed, read_catalogs
from ucvgl.truth.door import read_truth, true_rows


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
            print(json.dumps({"world": world} | line), flush=True)
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
    begins = random.uniform(0, 360, len(photos))
    found = []
    for heading in ("known", "unknown"):
        begun = time.process_time()
        seen = [turned(one, by) for one, by in zip(photos, begins, strict=True)] if heading == "unknown" else photos
        vectors = np.stack([encoders.embed_queries(list(each_turned(photo, heading))) for photo in seen])
        milliseconds = 1000 * (time.process_time() - begun) / len(photos)
        line = {"heading": heading, "photos": len(photos), "tiles": len(tiles), "model": model.parent.name}
        found.append(line | measured(vectors, tiles, mirrors, true[asked], begins) | {"ms": round(milliseconds)})
    return found


def measured(
    vectors: np.ndarray, tiles: np.ndarray, mirrors: np.ndarray, true: np.ndarray, begins: np.ndarray
) -> dict[str, Any]:
    """The numbers of a line, from descriptors."""
    everything = vectors @ tiles.T
    best, rows = everything.max(1), np.arange(len(true))
    right = best.argmax(1) == true
    turn = everything[rows, :, true].argmax(1) * 360 / TURNS
    off = np.abs((turn + begins + 180) % 360 - 180)[right]
    without = best.copy()
    without[rows, true] = -np.inf
    here, elsewhere, mirrored = (_descending(some) for some in (best, without, (vectors @ mirrors.T).max(1)))
    taught, judged = np.split(rows, [len(rows) // 2])
    presence = calibrate_presence(here[taught], mirrored[taught], pool=len(tiles))
    both = np.concatenate((leads(here[judged]), leads(elsewhere[judged])))
    order = np.random.default_rng(0).permutation(len(both))
    _, error = reliability(presence.here(both)[order], order < len(judged))
    return {
        "r1": round(float(right.mean()), 3),
        "r5": round(float((np.argsort(-best, 1)[:, :5] == true[:, None]).any(1).mean()), 3),
        "heading_error_deg": round(float(np.median(off)), 1) if vectors.shape[1] > 1 else None,
        "auroc": round(auroc(leads(here), leads(elsewhere)), 3),
        "auroc_second": round(auroc(here[:, 0] - here[:, 1], elsewhere[:, 0] - elsewhere[:, 1]), 3),
        "auroc_mirrors": round(auroc(leads(here), leads(mirrored)), 3),
        "here_error": round(error, 3),
    }


def _descending(scores: np.ndarray) -> np.ndarray:
    return -np.sort(-scores, axis=1)


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Probability that one of the first is above one of the second."""
    ranks = rankdata(np.concatenate((positive, negative)))[: len(positive)].sum()
    return float((ranks - len(positive) * (len(positive) + 1) / 2) / len(positive) / len(negative))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
