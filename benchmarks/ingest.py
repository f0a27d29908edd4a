"""Listing and projecting a pile of panoramas through Ray Data: what it costs beside one process, and what it loses.

python benchmarks/ingest.py --count 2000                    from a folder
python benchmarks/ingest.py --count 2000 --store s3         from an S3 server on this machine
python benchmarks/ingest.py --count 20000 --only pipeline   peak memory at ten times the images
python benchmarks/ingest.py --count 100000 --store s3 --only pipeline --height 64      very many objects

One image in a thousand is broken, in eight ways; the run fails unless every good image arrives exactly once and every
broken one is listed.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import psutil
import pyarrow as pa
from ingest_images import HEIGHT, good_images, names
from object_store import rclone_server
from origin import measured_here

from ucvgl.images.folder import read_catalog
from ucvgl.images.image_store import ImageStore
from ucvgl.settings.experiment import Dataset, Experiment, Projection, Resources
from ucvgl.types import Catalog


@contextmanager
def filled_folder(count: int, height: int) -> Iterator[str]:
    """A folder of so many images; equal ones share their bytes on disk."""
    with tempfile.TemporaryDirectory(prefix="ingest") as above:
        root = os.path.join(above, "bucket")
        kept: dict[int, Path] = {}
        for name, content, _ in names(count, height):
            path = Path(root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if id(content) not in kept:
                kept[id(content)] = path
                path.write_bytes(content)
            else:
                os.link(kept[id(content)], path)
        (Path(root) / "satellite").mkdir()
        (Path(root) / "satellite" / "tile.jpg").write_bytes(good_images()[0])
        yield root


@contextmanager
def filled_bucket(count: int, height: int) -> Iterator[str]:
    """A bucket of so many images on a server of its own."""
    with filled_folder(count, height) as bucket, rclone_server(Path(bucket).parent) as store:
        os.environ.update(store.environment)
        yield f"s3://{Path(bucket).name}"


class Peak:
    """Highest sum of the memory of this process and all that it started; shared pages are counted in each."""

    def __init__(self, every_s: float = 0.5) -> None:
        self.bytes = 0
        self._every_s, self._over = every_s, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self._every_s):
            self.bytes = max(self.bytes, sum(map(unshared, family())))


def family() -> list[psutil.Process]:
    """This process and what it started, the S3 server apart."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return [process for process in processes if process.is_running() and program(process) != "rclone"]


def program(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""


def unshared(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss - process.memory_info().shared
    except psutil.Error:
        return 0


USED: dict[psutil.Process, float] = {}
"""Seconds of processor time by process, of those that have ended as well."""


def processor_s() -> float:
    """Seconds of processor time that this process and all that it started have used, the S3 server apart."""
    for process in family():
        with suppress(psutil.Error):
            USED[process] = process.cpu_times().user + process.cpu_times().system
    return sum(USED.values())


def in_process(catalog: Catalog, experiment: Experiment, folder: Path) -> tuple[float, float]:
    """Images per second, and per second of processor time, of one process that does the same work without Ray."""
    from ucvgl.distributed.projecting import Project
    from ucvgl.distributed.stream import listed_row

    folder.mkdir(parents=True, exist_ok=True)
    project, size = Project(str(folder), experiment), experiment.resources.images_per_shard
    done, start, used = 0, 0.0, 0.0
    for shard, row in enumerate(range(0, catalog.queries.num_rows, size)):
        part = listed_row(catalog.queries.slice(row, size))
        project({"split": "train", "view": "queries", "shard": shard} | part)
        if shard:  # the first warms up
            done += len(part["id"])
        else:
            start, used = time.perf_counter(), time.process_time()
    return done / (time.perf_counter() - start), done / (time.process_time() - used)


def pipeline(catalog: Catalog, experiment: Experiment, folder: Path) -> tuple[dict[str, float], pa.Table]:
    """Images per second once it flows, the same of processor time and from the start on; the rejected images.

    It flows when two fifths are done: before that, shards pile up while the processes that write them start.
    """
    from ucvgl.distributed import projecting as images

    arrivals: list[tuple[float, float, int]] = []

    class Arrivals(images.Progress):
        def advance(self, amount: int) -> None:
            arrivals.append((time.perf_counter(), processor_s(), amount))
            super().advance(amount)

    images.Progress = Arrivals  # type: ignore[misc]
    start = time.perf_counter()
    rejected = images.project_images({"train": catalog}, folder, experiment=experiment)
    since, end = arrivals[2 * len(arrivals) // 5], arrivals[-1]
    flowing = sum(amount for _, _, amount in arrivals[2 * len(arrivals) // 5 + 1 :])
    speed = {
        "pipeline_images_per_s": flowing / (end[0] - since[0]),
        "pipeline_images_per_cpu_s": flowing / (end[1] - since[1]),
        "with_start_images_per_s": sum(amount for _, _, amount in arrivals) / (end[0] - start),
    }
    return speed, rejected


def check(catalog: Catalog, rejected: pa.Table, folder: Path, count: int, height: int) -> dict[str, int]:
    """Refuse a result in which an image is missing, repeated, or wrongly rejected."""
    bad_names = {name for name, _, is_good in names(count, height) if not is_good}
    listed = catalog.queries.to_pydict()
    named = zip(listed["id"], listed["uri"], strict=True)
    bad = {key for key, uri in named if uri[uri.rindex("panorama/") :] in bad_names}
    stored = ImageStore(folder / "train" / "queries").ids.tolist()
    assert len(stored) == len(set(stored)), "an image was stored twice"
    assert set(stored) == set(catalog.queries["id"].to_pylist()) - bad, "an image is missing, or should not be there"
    assert sorted(rejected["id"].to_pylist()) == sorted(bad), "the rejected images are not the broken ones"
    return {"stored": len(stored), "rejected": len(bad)}


def timed(call: Callable[[], Catalog]) -> tuple[Catalog, float]:
    start = time.perf_counter()
    return call(), time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--height", type=int, default=HEIGHT, help="rows of a panorama")
    parser.add_argument("--store", choices=("folder", "s3"), default="folder")
    parser.add_argument("--only", choices=("in_process", "pipeline"))
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="actors, one core each")
    parser.add_argument("--images-per-shard", type=int, default=128)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/ingest.jsonl"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    side = min(224, options.height // 2)
    resources = Resources(image_cpus=options.workers, images_per_shard=options.images_per_shard)
    experiment = Experiment(
        dataset=Dataset(name="folder", panorama_height=side, panorama_width=2 * side, tile_size=side),
        projection=Projection(fov_deg=170.0),
        resources=resources,
    )
    line: dict = {"store": options.store, "images": options.count, "height": options.height, "workers": options.workers}
    fill = filled_bucket if options.store == "s3" else filled_folder
    with fill(options.count, options.height) as root, tempfile.TemporaryDirectory(prefix="ingest") as out:
        catalog, line["listing_s"] = timed(lambda: read_catalog(root, "train"))
        if options.only != "pipeline":
            speed = in_process(catalog, experiment, Path(out) / "alone")
            line["in_process_images_per_s"], line["in_process_images_per_cpu_s"] = speed
        if options.only != "in_process":
            from ucvgl.distributed.cluster import connect

            connect(resources)
            with Peak() as peak:
                flow, rejected = pipeline(catalog, experiment, Path(out) / "ray")
            line |= flow | {"peak_mb": peak.bytes / 1e6}
            line |= check(catalog, rejected, Path(out) / "ray", options.count, options.height)
        if not options.only:
            line["efficiency"] = line["pipeline_images_per_s"] / (options.workers * line["in_process_images_per_s"])
            line["cpu_efficiency"] = line["pipeline_images_per_cpu_s"] / line["in_process_images_per_cpu_s"]
    line = {name: round(value, 3) if isinstance(value, float) else value for name, value in line.items()}
    print(json.dumps(line))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("a") as file:
        file.write(json.dumps(line | measured_here()) + "\n")


if __name__ == "__main__":
    main()
