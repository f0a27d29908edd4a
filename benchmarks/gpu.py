"""Everything that only a graphics card can tell, in one run of a few minutes; the core alone, but for the last.

    python benchmarks/gpu.py --out gpu.json --minutes 4
    python benchmarks/gpu.py --quick --out gpu.json            the same code at toy size, also without a card

A section that fails leaves its traceback in the file, and the next one runs. The file is written after every section.
Sections that would begin after `--minutes` are left out and say so.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from gpu_clock import release
from origin import measured_here

SECTIONS = {
    "correctness": "gpu_correctness:programs",
    "loop_base_384": "gpu_training:loop_base_384",
    "training_base_384": "gpu_training:base_384",
    "norms": "gpu_training:norms",
    "loop_demo": "gpu_training:loop_demo",
    "loop_small_224": "gpu_training:loop_small_224",
    "matching_1024": "gpu_matching:vigor",
    "matching_correctness": "gpu_correctness:matching",
    "compiled_blocks": "gpu_training:compiled_blocks",
    "cyclegan": "gpu_training:cyclegan",
    "input": "gpu_input:rates",
    "precision": "gpu_correctness:precision",
    "training_small_224": "gpu_training:small_224",
    "whitening": "gpu_matching:whitenings",
    "matching_8192": "gpu_matching:vigor_wide",
    "compiled_whole": "gpu_training:compiled_whole",
    "through_ray": "gpu_ray:base_384",
}
"""Where each is, the most valuable first; imported when it is its turn, so that what is missing costs one section."""


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    wish = parser.parse_args(argv)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    began = time.monotonic()
    found: dict[str, Any] = {"machine": machine(device), "quick": wish.quick}
    for name in wish.sections:
        start = time.monotonic()
        if start - began > 60 * wish.minutes:
            found[name] = {"skipped": f"{start - began:.0f} s were spent"}
        else:
            try:
                module, _, section = SECTIONS[name].partition(":")
                found[name] = getattr(importlib.import_module(module), section)(device, wish.quick)
            except Exception:  # one failure must not cost what the others would tell
                found[name] = {"failed": traceback.format_exc()}
            found[name]["took_s"] = round(time.monotonic() - start, 1)
            release(device)
        print(name, json.dumps(found[name]), flush=True)
        wish.out.parent.mkdir(parents=True, exist_ok=True)
        wish.out.write_text(json.dumps(found, indent=1))
    return 0


def machine(device: torch.device) -> dict[str, Any]:
    """What it runs on."""
    import os
    import platform

    import numpy
    import timm

    card: dict[str, Any] = {key: value for key, value in measured_here().items() if key != "machine"}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        card |= {"card": properties.name, "memory_gb": round(properties.total_memory / 1e9, 1)}
    versions = {"torch": torch.__version__, "timm": timm.__version__, "numpy": numpy.__version__}
    return card | versions | {"python": platform.python_version(), "cpus": os.cpu_count()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
