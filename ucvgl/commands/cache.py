"""`ucvgl cache`: what this machine keeps of runs in buckets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tyro


def main(argv: Sequence[str]) -> None:
    """Read the command line and print, or clear, the cache."""
    print(tyro.cli(cache, args=list(argv), prog="ucvgl cache"))


def cache(
    runs: tyro.conf.Positional[tuple[str, ...]] = (), /, clear: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
) -> str:
    """Show what the cache of this machine holds, or drop it: what lies in the bucket comes again when it is opened.

    Args:
        runs: those that are meant, as s3://bucket/runs/mine; all where none is named.
        clear: drop what they have here, while no job is at work; what is not in the bucket stays.
    """
    from ucvgl.files import room
    from ucvgl.files.arrivals import Arrivals
    from ucvgl.files.cached import folder_of

    root, lines = room.cache_root(), []
    named = [folder_of(run) for run in runs]
    for folder in room.trees():
        if named and folder not in named:
            continue
        arrivals = Arrivals(folder)
        files = sum(arrival.fits(folder / place) for place, arrival in arrivals.all().items())
        held, came = room.size_of(folder) / 1e9, arrivals.fetched_bytes / 1e9
        lines.append(f"{folder.relative_to(root)}: {files} files, {held:.3f} GB; {came:.3f} GB fetched in all")
        if clear:
            room.clear(folder)
            lines[-1] += f"; {held - room.size_of(folder) / 1e9:.3f} GB dropped"
    lines.append(f"{root}: {room.size_of(root) / 1e9:.3f} GB of at most {room.limit() / 1e9:.1f} GB")
    return "\n".join(lines)
