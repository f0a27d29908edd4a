"""Where log lines go: one handler, one format."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

from ucvgl.files.printable import printable_lines, shortened
from ucvgl.images.uris import scrubbed


class WithoutSecrets(logging.Formatter):
    """Lines in which no URI tells a password."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return printable_lines(shortened(scrubbed(super().format(record))))


def start_logging(*, rank: int | None = None) -> None:
    """Send this process's log to stderr; of several workers only rank 0 speaks below WARNING.

    Call it again after `ray.init`, which sets its own loggers.
    """
    who = "" if rank is None else f"[rank {rank}] "
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(WithoutSecrets(f"%(asctime)s {who}%(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.WARNING if rank else logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in ("ray", "ray.data", "ray.train", "ray.tune", "matplotlib", "botocore", "PIL"):
        library = logging.getLogger(name)
        library.setLevel(max(logging.WARNING, library.level))


def training_line(row: Mapping[str, Any]) -> str:
    """What the training loop reports, as a person reads it: step, losses, speed and the time left."""
    means = ", ".join(
        f"{name.replace('_', ' ')} {value:.3g}"
        for name, value in row.items()
        if name not in ("stage", "step", "steps", "images_per_s", "data_wait", "eta_s") and not name.endswith("spread")
    )
    waits = f", {row['data_wait']:.0%} waiting for images" if row.get("data_wait", 0) >= 0.01 else ""
    pace = f"{row['images_per_s']:.0f} images/s{waits}, ETA {row['eta_s']} s"
    return f"{row['stage'].replace('_', ' ')}: step {row['step']}/{row['steps']}, {means}, {pace}"
