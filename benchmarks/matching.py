"""Exact mutual matching against what a user would reach for, and against the product it cannot do without.

    python benchmarks/matching.py                      the 12 k comparison, exactness: some minutes
    python benchmarks/matching.py --parts large vigor wide   50 k, VIGOR size, and 4096 and 8192 numbers per vector
    python benchmarks/matching.py --parts evaluated    all that CVACT's test set is ranked by: a quarter of an hour
    python benchmarks/matching.py --parts prepared     describing and verifying, for `cost_model.py`
    python benchmarks/matching.py --parts halved       what descriptors stored in float16 would change

All of a part runs interleaved in one process; figures are CPU seconds of the whole process, medians of `--runs`, with
two threads. What is too long to run whole is run on a share of the queries, and says so.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matching_peers import PEERS, THREADS, faiss_both_ways
from origin import measured_here, processor
from regimes import REGIMES, trained

from ucvgl.distributed.selection import KEPT_PARTNERS
from ucvgl.poses.structure import describe
from ucvgl.poses.verifying import evidence, ground_spectra, tile_spectrum
from ucvgl.programs import ranked
from ucvgl.pseudo_labels.mutual_matching import matches, pseudo_labels
from ucvgl.retrieval.precision import bfloat16_is_fast
from ucvgl.retrieval.ranking import Question
from ucvgl.retrieval.topk import two_sided_topk
from ucvgl.retrieval.vectors import Stored
from ucvgl.settings.experiment import Resources
from ucvgl.settings.presets import folder

VIGOR = (105_214, 90_618)
CVACT_TEST, MOST_POSITIVES = 92_802, 8
VERIFIED = 10
"""Candidates of a query, in `prepared`."""
TURNS, EIGHTH = 4, "product in float32, an eighth of the queries"
"""That our way and the product take in `evaluated`, and what the latter is called."""
THRESHOLDS = (0, 0.002, 0.01, 0.035, 0.1)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["exact", "peers"])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/matching.jsonl"))
    wish = parser.parse_args(argv)
    torch.set_num_threads(1)  # the two threads are ours
    print(f"two threads; fast bfloat16: {'yes' if bfloat16_is_fast() else 'no'}; {processor()}")
    for part in wish.parts:
        line = {"part": part, "torch": torch.__version__, **measured_here()} | PARTS[part](wish.runs)
        wish.out.parent.mkdir(parents=True, exist_ok=True)
        with wish.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
    return 0


def exact(_: int) -> dict:
    """Labels that differ from those of all float64 scores, over regimes and thresholds."""
    wrong = {}
    for name, make in REGIMES.items():
        for size in ((3000, 2600, 512), (1111, 2047, 130), (3, 5, 128)):
            queries, references = make(*size)
            expected = _labels_by_float64(queries, references)
            for dtype in (torch.bfloat16, torch.float32):
                found = matches(two_sided_topk(queries, references, dtype=dtype, threads=THREADS))
                for threshold in THRESHOLDS:
                    label = pseudo_labels(found, min_margin=threshold)
                    kept = set(zip(np.flatnonzero(label).tolist(), found.reference[label].tolist(), strict=True))
                    wrong[name] = wrong.get(name, 0) + len(kept ^ expected[threshold])
    print("labels unlike those of float64:", wrong)
    return {"differences": wrong}


def peers(runs: int) -> dict:
    """Everything at 12 k."""
    return {"12k": _compare("n 12288, m 10584, d 1024", trained(12_288, 10_584, 1024), runs, PEERS)}


def large(_: int) -> dict:
    """50 k: faiss on a share of the queries."""
    few = {name: PEERS[name] for name in ("ours", "ours in float32", "product in bfloat16", "product in float32")}
    few["faiss, a tenth of the queries"] = lambda q, r: faiss_both_ways(q, r, share=0.1)
    return {"50k": _compare("n 50000, m 50000, d 1024", trained(50_000, 50_000, 1024), 1, few)}


def vigor(runs: int) -> dict:
    """VIGOR size whole: time over the bare product, and peak memory."""
    views = trained(*VIGOR, 1024)
    held = sum(view.nbytes for view in views)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak that making the vectors left
    two_sided_topk(*views, threads=THREADS)
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    print(f"peak memory {peak / 1e9:.2f} GB, of which {held / 1e9:.2f} GB are the vectors", flush=True)
    few = {name: PEERS[name] for name in ("ours", "product in bfloat16")}
    few["faiss, a hundredth of the queries"] = lambda q, r: faiss_both_ways(q, r, share=0.01)
    seconds = _compare(f"n {VIGOR[0]}, m {VIGOR[1]}, d 1024", views, min(runs, 2), few)
    return {"seconds": seconds, "peak_bytes": peak, "vector_bytes": held}


def wide(runs: int) -> dict:
    """d = 4096 and 8192, a share of VIGOR's tiles."""
    few = {name: PEERS[name] for name in ("ours", "product in bfloat16", "product in bfloat16, 32 columns more")}
    shapes = ((8_192, 28_224, 4096), (8_192, 28_224, 8192))
    return {
        f"d{d}": _compare(
            f"n {n}, m {m}, d {d} ({n * m / VIGOR[0] / VIGOR[1]:.2%} of the tiles)", trained(n, m, d), runs, few
        )
        for n, m, d in shapes
    }


def halved(runs: int) -> dict:
    """What storing descriptors in float16 would change: best references and labels, and the time to read them so."""
    count, d = 8_192, 1024
    views = trained(count, count, d)
    short = [view.astype(np.float16) for view in views]
    rounded = [view.astype(np.float32) for view in short]
    whole, half = (matches(two_sided_topk(*some, threads=THREADS)) for some in (views, rounded))
    changed = {"best": int((whole.reference != half.reference).sum())}
    for threshold in THRESHOLDS:
        one, other = (pseudo_labels(some, min_margin=threshold) for some in (whole, half))
        both = one & other & (whole.reference == half.reference)
        changed[f"labels, margin {threshold}"] = int((one | other).sum() - both.sum())
    room = np.empty((2048, d), np.float32)

    def read(side: np.ndarray) -> None:
        for start in range(0, count, len(room)):
            room[:] = side[start : start + len(room)]

    ways = {
        "match": lambda: two_sided_topk(*views, threads=THREADS),
        "read float32": lambda: [read(view) for view in views],
        "read float16": lambda: [read(view) for view in short],
    }
    middle = {name: float(np.median([_cpu(way) for _ in range(runs)])) for name, way in ways.items()}
    print(f"of {count} queries: {changed}; CPU s: {middle}")
    return {"queries": count, "dimension": d, "changed": changed, "seconds": middle}


def prepared(runs: int) -> dict:
    """What processors do beside the encoders of a scan: CPU seconds of one core, at the image size of `folder`."""
    side, rng = folder().dataset.tile_size, np.random.default_rng(0)
    views = rng.integers(0, 256, (VERIFIED + 1, side, side, 3), np.uint8)

    def verify() -> None:
        tiles = torch.stack([tile_spectrum(view) for view in views[1:]])
        evidence(ground_spectra(views[0]), tiles)

    works: dict[str, Callable[[], object]] = {"describe": lambda: describe(views), "verify": verify}
    seconds = {name: [_cpu(work) for _ in range(runs + 1)][1:] for name, work in works.items()}
    middle = {name: float(np.median(some)) for name, some in seconds.items()}
    middle["describe"] /= len(views)
    print(f"s a view, and a query with {VERIFIED} candidates: {middle}")
    return {"seconds": middle, "side": side, "candidates": VERIFIED}


def _compare(
    what: str, views: tuple[np.ndarray, np.ndarray], runs: int, ways: Mapping[str, Callable]
) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    two_sided_topk(*(view[:3000] for view in views))  # compile, and let libraries warm up
    for _ in range(runs):
        for name, way in ways.items():
            try:
                seconds[name].append(_cpu(lambda way=way: way(*views)))
            except (MemoryError, RuntimeError, ImportError) as error:
                seconds[name].append(float("nan"))
                print(f"{name}: {type(error).__name__}: {str(error)[:80]}")
    middle = {name: float(np.median(some)) for name, some in seconds.items()}
    print(f"\n{what}, median of {runs}\n| | CPU s | of ours |\n| --- | --- | --- |")
    for name, some in middle.items():
        print(f"| {name} | {some:.2f} | {some / middle['ours']:.2f} |", flush=True)
    return middle


def _cpu(work: Callable[[], object]) -> float:
    """CPU seconds of all threads; work may say itself how many count."""
    started = time.process_time()
    said = work()
    return said if isinstance(said, float) else time.process_time() - started


def _labels_by_float64(queries: np.ndarray, references: np.ndarray) -> dict[float, set[tuple[int, int]]]:
    """Every score summed in float64 the way the rule says, then sorted: the definition."""
    from ucvgl.retrieval.best import exact_scores

    n, m = len(queries), len(references)
    scores = np.stack([exact_scores(queries, references, np.full(m, row), np.arange(m)) for row in range(n)])
    best, back = scores.argmax(1), scores.argmax(0)
    top = -np.partition(-scores, 1, axis=1)[:, :2]
    mutual = back[best] == np.arange(n)
    return {
        threshold: {(row, int(best[row])) for row in np.flatnonzero(mutual & (top[:, 0] - top[:, 1] >= threshold))}
        for threshold in THRESHOLDS
    }


def evaluated(_: int, *, count: int = CVACT_TEST) -> dict:
    """Queries against references and their decoys as `6_evaluate` ranks them, files and answers included.

    The product, of an eighth of the queries, and our way take turns.
    """
    queries, references = trained(count, 2 * count, 1024)  # the second half stands for decoys
    product, spent = PEERS["product in float32"], {"ours": [0.0, 0.0], EIGHTH: [0.0, 0.0]}
    rng = np.random.default_rng(0)
    positives = rng.integers(0, count, (count, MOST_POSITIVES))
    positives[np.arange(MOST_POSITIVES) >= rng.geometric(0.45, (count, 1))] = -1
    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory(prefix="ucvgl") as folder:
        searched = Stored.of(_parts(Path(folder) / "references", references))
        for number, rows in enumerate(np.array_split(np.arange(count), TURNS)):
            some, told = queries[rows], Path(folder) / f"turn_{number}"
            asked = Stored.of(_parts(told, some))
            none = np.full((len(rows), 0), -1)
            about = [Question(positives[rows], none), Question(positives[rows, :1], none)]
            ways = {
                EIGHTH: lambda some=some: product(some[: len(some) // 8], references),
                "ours": lambda asked=asked, about=about, told=told: _ranked(asked, searched, about, told),
            }
            for name, way in ways.items():
                started = time.perf_counter()
                spent[name][0] += _cpu(way)
                spent[name][1] += time.perf_counter() - started
            ratio = spent["ours"][0] / spent[EIGHTH][0] / 8
            print(f"turn {number + 1} of {TURNS}: ours of the product {ratio:.3f}", spent, flush=True)
    cpu, wall = ({name: times[clock] for name, times in spent.items()} for clock in (0, 1))
    return {"queries": count, "references": count, "decoys": count, "dimension": 1024, "cpu": cpu, "wall": wall}


def _ranked(asked: Stored, searched: Stored, about: Sequence[Question], folder: Path) -> None:
    """One worker ranks all shards, and the driver reads what it wrote."""
    count = searched.span[1] // 2
    cuts = ranked.cut(count, count, workers=1, rows=Resources().search_rows)
    how = {"queries": asked, "references": searched, "questions": about, "count": count, "k": KEPT_PARTNERS}
    ranked.rank_shards(cuts, folder=folder, device=torch.device("cpu"), log=lambda **_: None, **how)
    ranked.read_ranked(cuts, folder, about, queries=asked.span[1], count=count, k=KEPT_PARTNERS)


def _parts(folder: Path, vectors: np.ndarray) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"part-{number:05d}.npy" for number in range(-(-len(vectors) // 512))]
    for number, path in enumerate(paths):
        np.save(path, vectors[512 * number : 512 * (number + 1)])
    return paths


PARTS = {part.__name__: part for part in (exact, peers, large, vigor, wide, evaluated, prepared, halved)}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
