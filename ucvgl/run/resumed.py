"""What a stage that was broken off has made so far is compared with its checksums before it is gone on with."""

from __future__ import annotations

import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ucvgl.atomic import array_fits
from ucvgl.files.tables import table_fits
from ucvgl.images.image_store import shard_fits


def _zip_fits(path: Path) -> bool:
    """Whether a file of weights or arrays is what PyTorch or NumPy wrote."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.testzip() is None
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        return False


FITS = {".npy": array_fits, ".npz": _zip_fits, ".arrow": shard_fits, ".pt": _zip_fits, ".parquet": table_fits}
"""By ending. Once the stage is done it has a list of what these files are then, so they are compared before."""
AT_ONCE = 8


def refuse_damaged(partial: Path) -> None:
    """Refuse the folder of a stage at work in which a file changed since it was written.

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
