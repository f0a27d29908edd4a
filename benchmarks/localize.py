"""What answering a photo costs, and what an approximate index loses; one JSON line per index, kept in `results/`.

python benchmarks/localize.py                                  10 k and 100 k tiles, every kind: minutes on one core
python benchmarks/localize.py --tiles 1000000 --kinds flat,ivfpq
python benchmarks/localize.py --confidence runs/synthetic      is the confidence right? By `ucvgl index` and `evaluate`
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import torch
from origin import measured_here
from results import RESULTS

from ucvgl.index import nearest
from ucvgl.index.area import write_index
from ucvgl.index.confidence import Calibration
from ucvgl.index.localizer import Localizer, load
from ucvgl.networks.towers import TwoTowers, save_towers
from ucvgl.settings.experiment import Model, Projection

DIMENSION, BATCH, K = 512, 20_000, 5
CALIBRATION = Calibration(0.0, 30.0, 1.0, 500, 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", default="10000,100000")
    parser.add_argument("--kinds", default=",".join(nearest.KINDS))
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--confidence", metavar="RUN", help="measure the confidence of this run's models instead")
    asked = parser.parse_args()
    if asked.confidence:
        told = confidence(Path(asked.confidence))
        print(told["output"], flush=True)
        (RESULTS / "confidence.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        return
    keep(cold_start())
    for count in map(int, asked.tiles.split(",")):
        exact: np.ndarray | None = None
        for kind in asked.kinds.split(","):
            line, best = measure(kind, count, asked.queries, exact)
            exact = best if kind == "flat" else exact
            keep(line)


def keep(line: Mapping[str, Any]) -> None:
    """Print a line of results, and add it to them."""
    print(json.dumps(line), flush=True)
    with (RESULTS / "localize.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line | measured_here()) + "\n")


def measure(
    kind: nearest.Kind, count: int, queries: int, exact: np.ndarray | None
) -> tuple[dict[str, Any], np.ndarray]:
    """One index: build, size, opening, search bare and as the command does it, recall against the exact one."""
    begun = time.perf_counter()
    searcher = nearest.build(kind, lambda: descriptors(count), count=count, dimension=DIMENSION)
    build_s = time.perf_counter() - begun
    asked = photos(queries, count)
    with tempfile.TemporaryDirectory() as folder:
        localizer, stored, open_s = opened(searcher, kind, count, Path(folder))
    panorama = np.random.default_rng(0).integers(0, 256, (128, 512, 3), np.uint8)
    index = localizer.index
    assert index is not None
    rows = np.concatenate([index.search(asked[i : i + 1], 10)[1] for i in range(queries)])
    times = alternately(
        {
            "faiss": lambda i: searcher.search(asked[i : i + 1], K),
            "answer": lambda i: localizer.answers(["photo"], asked[i : i + 1, None], k=K),
            "photo": lambda i: localizer.localize(panorama, k=K),
        },
        queries,
    )
    milliseconds = {name: {f"p{p}": percentile(seconds, p) for p in (50, 99)} for name, seconds in times.items()}
    overhead = np.median(times["answer"]) - np.median(times["faiss"])
    line: dict[str, Any] = {
        "kind": kind,
        "tiles": count,
        "dimension": DIMENSION,
        "build_s": round(build_s, 1),
        "build_tiles_per_s": round(count / build_s),
        "index_mb": round(stored / 1e6, 1),
        "open_s": round(open_s, 2),
        "ms": milliseconds,
        "searches_per_s": round(1 / float(np.mean(times["answer"])), 1),
        "photos_per_s": round(1 / float(np.mean(times["photo"])), 1),
        "overhead_of_search_percent": round(100 * overhead / float(np.median(times["faiss"])), 1),
        "overhead_of_photo_percent": round(100 * overhead / float(np.median(times["photo"])), 2),
        "queries": queries,
        "threads": faiss.omp_get_max_threads(),
    }
    if exact is not None:
        line["recall_1"] = round(float((rows[:, 0] == exact[:, 0]).mean()), 3)
        shared = [len(set(a) & set(b)) / 10 for a, b in zip(rows.tolist(), exact.tolist(), strict=True)]
        line["recall_10"] = round(float(np.mean(shared)), 3)
    return line, rows


def descriptors(count: int, *, seed: int = 0) -> Iterator[np.ndarray]:
    """Unit vectors whose spread falls from direction to direction, as that of trained descriptors does."""
    turn = np.linalg.qr(np.random.default_rng(99).standard_normal((DIMENSION, DIMENSION)))[0].astype(np.float32)
    spread = (np.arange(1, DIMENSION + 1) ** -0.5).astype(np.float32)
    for start in range(0, count, BATCH):
        random = np.random.default_rng([seed, start])
        vectors = random.standard_normal((min(BATCH, count - start), DIMENSION), np.float32) * spread @ turn
        yield vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def photos(count: int, tiles: int) -> np.ndarray:
    """Queries, each near one of the first tiles: cosine about 0.6, as with trained encoders."""
    near = next(descriptors(min(tiles, BATCH)))[:count]
    away = next(descriptors(BATCH, seed=1))[:count]
    vectors = 0.6 * near + 0.8 * away
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def opened(searcher: Any, kind: nearest.Kind, count: int, folder: Path) -> tuple[Localizer, int, float]:
    """The index written to disk and opened as the command opens it; bytes on disk, and seconds to open."""
    torch.manual_seed(0)
    towers = TwoTowers(Model(), (48, 192), (64, 64))
    save_towers(towers, folder / "model.pt")
    number = [f"{row:08x}" for row in range(count)]
    places = np.random.default_rng(0).uniform((41.0, 2.0), (41.1, 2.1), (count, 2))
    uris = [f"/tiles/{name}.jpg" for name in number]
    tiles = pa.table({"id": number, "uri": uris, "lat": places[:, 0], "lon": places[:, 1]})
    about = {"kind": kind, "query_size": [48, 192], "reference_size": [64, 64], "projection": Projection()}
    about |= {"calibration": CALIBRATION, "uncalibrated": ""}
    model = (folder / "model.pt").read_bytes()
    manifest = write_index(str(folder / "area"), model=model, tiles=tiles, searcher=searcher, about=about)
    begun = time.perf_counter()
    localizer = load(folder / "area")
    return localizer, sum(file.bytes for file in manifest.files.values()), time.perf_counter() - begun


def alternately(work: dict[str, Callable[[int], Any]], rounds: int) -> dict[str, np.ndarray]:
    """Seconds of every call; the kinds take turns, so that a busy machine is busy for all."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds):
        for name, call in work.items():
            begun = time.perf_counter()
            call(number)
            times[name].append(time.perf_counter() - begun)
    return {name: np.array(seconds[min(5, rounds // 10) :]) for name, seconds in times.items()}


def percentile(seconds: np.ndarray, share: int) -> float:
    return round(1000 * float(np.percentile(seconds, share)), 3)


def cold_start() -> dict[str, Any]:
    """CPU seconds of `ucvgl --help` in a process of its own, the best of five."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "ucvgl.cli", "--help"], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    seconds = [once() for _ in range(5)]
    return {"ucvgl --help, CPU s": round(min(seconds), 3), "worst": round(max(seconds), 3)}


def confidence(run: Path) -> dict[str, Any]:
    """What `ucvgl evaluate` says of an index of the run's own validation tiles, made for it beside the run."""
    area = run.with_name(f"{run.name}-area")
    tiles = run / "1_catalog/validation_references.parquet"
    command = [sys.executable, "-m", "ucvgl.cli"]
    subprocess.run([*command, "index", str(run), str(tiles), "--out", str(area)], check=True)
    asked = [*command, "evaluate", str(area), "--config", str(run)]
    told = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout
    made = json.loads((run / "environment.json").read_text())["commit"]
    return {**measured_here(), "encoders": made, "output": told.partition("\n")[2]}


if __name__ == "__main__":
    main()
