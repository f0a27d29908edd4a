"""What a stage writes down about itself: `BEGUN.json` while it works, `DONE.json` when it is whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import ucvgl
from ucvgl.atomic import write_whole
from ucvgl.files.parts import BEGUN, DONE
from ucvgl.files.plain import MOST_IN_RECORD, NotPlain, json_as, json_object, read_plain
from ucvgl.files.seal import sealed, unsealed

__all__ = ["BEGUN", "DONE", "FAILURE", "Record", "as_json_holds", "digest", "read_record", "write_record"]

FAILURE = "failure.txt"
"""In the folder of a run: the traceback of the failure that ended its last attempt."""


@dataclass(frozen=True)
class Record:
    """How a stage was made.

    Args:
        settings: dotted name -> value, as JSON holds them.
        inputs: earlier stage -> digest of its `DONE.json`.
        summary: what the stage has to say about its result.
        seconds: time of the attempt that finished it.
        ucvgl: version that wrote this.
        parts: path of every file of the stage -> its size and digest, see `ucvgl.files.parts`.
    """

    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    summary: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    ucvgl: str = ucvgl.__version__
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_record(path: Path) -> Record | None:
    """The record in a file; None when there is no such file.

    Raises:
        ValueError: it is broken, or written by a version that knows other fields.
    """
    try:
        content, whole = unsealed(json_object(read_plain(path, MOST_IN_RECORD), path.name))
        known = {entry.name for entry in fields(Record)}
        unknown = sorted(set(content) - known)
        if unknown:
            raise ValueError(
                f"{path} was written by ucvgl {content.get('ucvgl', '?')} with fields that ucvgl "
                f"{ucvgl.__version__} does not know ({', '.join(unknown)}); go on with that version, "
                f"or start a new run with --run NAME"
            )
        if not whole:
            raise TypeError("it does not fit its seal: it was damaged or changed")
        return json_as(Record, json.dumps(content), path.name)
    except FileNotFoundError:
        return None
    except (NotPlain, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} is not a record of a stage ({error}); delete {path.parent} to have it made again"
        ) from error


def write_record(path: Path, record: Record) -> None:
    """Write a record whole or not at all."""
    write_whole(path, json.dumps(sealed(as_json_holds(asdict(record))), indent=1) + "\n")


def digest(path: Path) -> str:
    """Short name of a file's exact content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def as_json_holds(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The same mapping after a round trip through JSON, so that it compares equal to what was stored."""
    return json.loads(json.dumps(tree, default=_plain))


def _plain(value: Any) -> Any:
    """NumPy and torch scalars and paths, which `json` does not know."""
    return value.item() if hasattr(value, "item") else str(value)
