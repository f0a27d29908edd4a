"""What it costs to list the parts of a stage with their digests, and to compare them again.

    python benchmarks/parts.py --images 5120
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ucvgl.files.parts import DONE, check_all, forget_digests, list_parts
from ucvgl.images.image_store import write_shard

PER_SHARD, SIDE = 512, 128


def seconds(work: Callable[[], object]) -> float:
    """Of the processor, so that what else runs does not count."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5120)
    count = parser.parse_args().images
    images = np.random.default_rng(0).integers(0, 256, (PER_SHARD, SIDE, SIDE, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)
        for shard in range(-(-count // PER_SHARD)):
            write_shard(stage / "queries", shard, [f"{shard}-{row}" for row in range(PER_SHARD)], images)
        size = sum(path.stat().st_size for path in stage.rglob("*.arrow"))
        listing = seconds(lambda: (stage / DONE).write_text(json.dumps({"parts": list_parts(stage)})))
        again = seconds(lambda: check_all(stage))
        forget_digests()
        first = seconds(lambda: check_all(stage))
    print(
        f"{size / 1e6:.0f} MB: listed in {listing:.2f} s of one core, compared by another process in {first:.2f} s "
        f"({size / first / 1e9:.2f} GB/s), again by the same in {1e3 * again:.1f} ms"
    )


if __name__ == "__main__":
    main()
