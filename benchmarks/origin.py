"""Where a measurement comes from: machine, date and commit, written with it and told below its table."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ucvgl.run.environment import commit

ROOT = Path(__file__).resolve().parents[1]
UNTOLD = {"machine": "on which machine", "date": "when", "commit": "at which commit"}


def measured_here() -> dict[str, str]:
    """What a line of results says of its origin. A graphics card is named where torch has been loaded and finds one."""
    machine = f"{os.cpu_count()} cores, {processor()}"
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        machine += f", {torch.cuda.get_device_name()}"
    return {"machine": machine, "date": datetime.date.today().isoformat(), "commit": commit(ROOT)}


def processor() -> str:
    """Its name, where Linux tells it; else its architecture."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def origin(file: str, lines: Iterable[Mapping[str, Any]]) -> str:
    """The line below a table: its file, and what the lines that it was made of say of machine, date and commit."""
    found: dict[str, list[str]] = {name: [] for name in UNTOLD}
    silent: list[str] = []
    for line in lines:
        for name, told in found.items():
            value = str(line.get(name) or (name == "machine" and line.get("processor")) or "")
            value = value[:7] + "+" * value.endswith("+") if name == "commit" else value
            if value and value not in told:
                told.append(value)
            if not value and UNTOLD[name] not in silent:
                silent.append(UNTOLD[name])
    told = [", ".join(sorted(values) if name == "date" else values) for name, values in found.items() if values]
    for who, known in (("the file does not say", False), ("some lines do not say", True)):
        missing = [words for name, words in UNTOLD.items() if words in silent and bool(found[name]) is known]
        told += [f"{who} {_listed(missing)}"] if missing else []
    return f"`benchmarks/results/{file}`: {'; '.join(told)}."


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
