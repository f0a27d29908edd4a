"""The command `ucvgl`: use what was trained. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from itertools import pairwise

import ucvgl
from ucvgl.files.printable import odd_name, shortened
from ucvgl.images.uris import refuse_secrets, scrubbed
from ucvgl.run.ending import DONE, MISTAKEN, ended, folder_is_gone

COMMANDS = {
    "index": ("ucvgl.commands.index", "embed the tiles of an area and write an index that answers photos"),
    "localize": ("ucvgl.commands.localize", "photos in; tiles, coordinates and a confidence out"),
    "evaluate": ("ucvgl.commands.evaluate", "recall of a run or an index on images whose truth is known"),
    "report": ("ucvgl.commands.report", "draw a run's page and model card again, or compare runs on one page"),
    "show": ("ucvgl.commands.show", "presets, datasets, models, or every setting of a preset or a run"),
    "serve": ("ucvgl.commands.serve", "a web page: drop a photo, see the tiles and a map"),
    "doctor": ("ucvgl.commands.doctor", "look for what is wrong with this machine, a cluster or a data set"),
    "cache": ("ucvgl.commands.cache", "what this machine keeps of runs in buckets; clear it"),
    "export": ("ucvgl.commands.export", "both encoders as torch.export or ONNX files, checked equal"),
}
MAY_BE_EMPTY = ("--address", "--config", "--heading", "--parquet", "--picture", "--protocol", "--root")
"""Options of which nothing is the default, and means what their help says."""

WRITTEN = ("--out", "--parquet", "--picture")
"""Options that name what is written."""
LONGEST_WORD = 4096
"""Letters; Linux takes no longer path."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    name, rest = (argv[0], list(argv[1:])) if argv else ("--help", [])
    if name in ("-h", "--help", "help"):
        print(usage())
        return DONE
    if name == "--version":
        print(f"ucvgl {ucvgl.__version__}")
        return DONE
    if name not in COMMANDS:
        print(shortened(scrubbed(_unknown(name))), file=sys.stderr)
        return MISTAKEN

    def command() -> int | None:
        refuse_secrets(rest)  # before anything makes a key of what stands behind `?`
        _refuse_odd(rest)
        if told := folder_is_gone():
            raise ValueError(told)
        return importlib.import_module(COMMANDS[name][0]).main(rest)

    return ended(command, lambda told: print(f"ucvgl {name}: {told}", file=sys.stderr))


def usage() -> str:
    """All commands, one line each."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: ucvgl COMMAND ...      ucvgl COMMAND --help      ucvgl --version",
            "",
            "Use what was trained: localize photos, serve an index, read the report.",
            "",
            *lines,
            "",
            "Training is a job of its own: python jobs/unsupervised.py --help",
        ]
    )


def _refuse_odd(argv: Sequence[str]) -> None:
    """Refuse a word that is empty, as of a shell's variable that is not set: as a place it is the folder one stands in;
    places to write to that nobody means; and one that is too long to be a path.

    Raises:
        ValueError: one is; where.
    """
    words = [word for token in argv for word in (token.split("=", 1) if token.startswith("--") else [token])]
    for before, word in pairwise(["", *words]):
        if not word and before not in MAY_BE_EMPTY:
            where = f"what follows {before}" if before else "the first argument"
            raise ValueError(f"{where} is empty, as a shell's variable that is not set; name it, or leave it out")
        if len(word) > LONGEST_WORD:  # before a library repeats it
            raise ValueError(f"{word[:50]}… has {len(word):,} letters; no path has more than {LONGEST_WORD:,}")
        if before in WRITTEN and (odd := odd_name(word)):
            raise ValueError(f"{before} {odd}")


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    guess = f"; did you mean {near[0]}?" if near else ""
    return f"ucvgl: {name!r} is not a command; there are {', '.join(COMMANDS)}{guess}"


if __name__ == "__main__":
    sys.exit(main())
