"""What a stage that was broken off has made so far is compared with its checksums before it is gone on with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ucvgl.atomic import array_fits
from ucvgl.images.image_store import shard_fits

FITS = {".npy": array_fits, ".arrow": shard_fits}
"""By ending; files of other kinds are compared with checksums of their own whenever they are read."""
AT_ONCE = 8


def refuse_damaged(partial: Path) -> None:
    """Refuse the folder of a stage at work in which arrays or image shards changed since they were written.

    Raises:
        ValueError: one did; with the way out.
    """
    written = sorted(path for path in partial.rglob("*") if path.suffix in FITS and not path.name.startswith("."))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for path, fits in zip(written, pool.map(lambda path: FITS[path.suffix](path), written), strict=True):
            if not fits:
                raise ValueError(
                    f"{path} is damaged: it is not what was written (its checksum differs); make this stage anew with "
                    f"--redo {partial.name.removesuffix('.partial')}"
                )
