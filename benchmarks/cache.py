"""What a machine fetches from a bucket in an epoch, and how long its steps wait, by how much its cache may hold.

    python benchmarks/cache.py --images 20000

A store of images (3 GB by default) lies in a run in rclone's S3 server on this machine; a process of its own, with an
empty cache, reads all of it in another order in each epoch, as training does, for steps of a fixed time. The bytes are
those that pass the loopback device, so nothing else may talk over it meanwhile. A line per size of the cache goes to
`results/cache.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from object_store import rclone_server
from origin import measured_here

from ucvgl.files import cached
from ucvgl.files.tree import Tree
from ucvgl.images.image_store import ImageStore, write_shard
from ucvgl.run.run_dir import RunDir
from ucvgl.settings.experiment import Experiment
from ucvgl.training.ahead import Ahead

ROOT = Path(__file__).resolve().parents[1]
STAGE, BATCH = "1_images", 64


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=224, help="pixels of an image")
    parser.add_argument("--caches", default="200,100,20", help="percent of the store")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--step-s", type=float, default=0.2, help=f"of {BATCH} images")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/cache.jsonl")
    parser.add_argument("--read", nargs=2, metavar=("URI", "FOLDER"), help=argparse.SUPPRESS)
    wish = parser.parse_args(argv)
    if wish.read:
        print(json.dumps(read(wish.read[0], wish.read[1], wish)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        with RunDir(Path(folder) / "bucket/run", Experiment()) as run:
            run.make(STAGE, partial(fill, wish=wish), settings={})
        size = sum(path.stat().st_size for path in run.path.glob(f"{STAGE}/*.arrow"))
        with rclone_server(Path(folder)) as store:
            for share in wish.caches.split(","):
                limit = size * float(share) / 100 + 1e6  # beside the images, the notes of what came
                own = {"UCVGL_CACHE": f"{folder}/cache", "UCVGL_CACHE_GB": str(limit / 1e9)}
                command = [sys.executable, __file__, *argv, "--read", "s3://bucket/run", f"{folder}/cache/run"]
                told = subprocess.check_output(command, env=os.environ | store.environment | own)
                line = {"cache_percent": float(share), "store_bytes": size, **json.loads(told)}
                print(json.dumps(line), flush=True)
                with wish.out.open("a") as file:
                    file.write(json.dumps(line | measured_here()) + "\n")
                shutil.rmtree(f"{folder}/cache", ignore_errors=True)
    return 0


def fill(into: Path, wish: argparse.Namespace) -> None:
    """The store: noise, of which no two images are alike."""
    random = np.random.default_rng(0)
    for shard, first in enumerate(range(0, wish.images, 512)):
        count = min(512, wish.images - first)
        images = random.integers(0, 256, (count, wish.side, wish.side, 3), np.uint8)
        write_shard(into, shard, [f"{first + number}" for number in range(count)], images)


def read(uri: str, folder: str, wish: argparse.Namespace) -> dict[str, object]:
    """Bytes and seconds of every epoch on a machine that has nothing yet."""
    tree = cached.attach(Tree(Path(folder), uri, own=False, eager=True))
    started, before = time.monotonic(), received()
    store = ImageStore(tree.folder / STAGE)
    opened, epochs = time.monotonic() - started, []
    for epoch in range(wish.epochs):
        rows = np.random.default_rng(epoch).permutation(len(store))
        batches = np.array_split(rows, -(-len(rows) // BATCH))
        started = time.monotonic()
        with Ahead(lambda step, batches=batches: store.read(batches[step]), len(batches)) as coming:
            for step in range(len(batches)):
                _ = coming[step]
                time.sleep(wish.step_s)
            waited = coming.waited_s
        epochs.append(
            {
                "fetched_bytes": received() - before,
                "seconds": round(time.monotonic() - started, 1),
                "waited_s": round(waited, 2),
                "steps": len(batches),
            }
        )
        before = received()
    held = sum(path.stat().st_size for path in tree.folder.rglob("*.arrow"))
    return {"opened_s": round(opened, 1), "epochs": epochs, "held_bytes": held}


def received() -> int:
    """Bytes that the loopback device has received."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.strip().startswith("lo:"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
