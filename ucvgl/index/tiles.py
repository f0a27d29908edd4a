"""The tiles of an area to be searched: a folder or bucket of images, or a table that lists them.

    <root>/**.png                  or the layout of a data set: <root>/satellite/**.png (or tile, reference)
    <root>/references.csv          optional: file,lat,lon  (file: below the tiles' folder)
    <list>.parquet                 instead: id, uri and, where known, lat, lon
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from ucvgl.files.tables import read_table, required
from ucvgl.images.folder import absolute, read_references, refuse_one_place
from ucvgl.images.storage import read
from ucvgl.images.uris import NO_CREDENTIALS, holds_secrets, without_secrets

TILES = pa.schema([*required(id=pa.string(), uri=pa.string()), ("lat", pa.float64()), ("lon", pa.float64())])


def list_tiles(where: str) -> pa.Table:
    """Columns `id, uri` and, where known, `lat, lon`, sorted by id; local paths are absolute.

    Raises:
        ValueError: nothing is listed there, or the list cannot be used.
    """
    where = absolute(where)
    if not where.partition("?")[0].endswith(".parquet"):
        return read_references(where)
    tiles = _read_list(where)
    check_tiles(tiles, where)
    if not tiles.num_rows:
        raise ValueError(f"{where} lists no tile")
    if open_secret := next(filter(holds_secrets, tiles["uri"].to_pylist()), ""):
        raise ValueError(f"{where}: {without_secrets(open_secret)}: {NO_CREDENTIALS}")
    kept = [name for name in ("id", "uri", "lat", "lon") if name in tiles.column_names]
    uris = pa.array([absolute(uri) for uri in tiles["uri"].to_pylist()], pa.string())
    if "lat" in kept:
        refuse_one_place(zip(tiles["lat"].to_pylist(), tiles["lon"].to_pylist(), strict=True), where)
    return tiles.set_column(tiles.column_names.index("uri"), "uri", uris).select(kept).sort_by("id")


def _read_list(where: str) -> pa.Table:
    try:
        source = Path(where) if "://" not in where else read(where)
    except OSError as error:
        raise ValueError(f"{where} cannot be read as a list of tiles ({error})") from error
    way_out = "give a folder of images, or a list with the columns id, uri and, where known, lat, lon"
    return read_table(source, TILES, optional=("lat", "lon"), beside=True, origin=where, way_out=way_out)


def check_tiles(tiles: pa.Table, origin: str) -> None:
    """Refuse a list of tiles that cannot be searched or shown.

    Raises:
        ValueError: columns are missing, ids repeat, or coordinates lie outside the globe or are half known.
    """
    columns = set(tiles.column_names)
    missing = sorted(({"id", "uri"} | ({"lat", "lon"} if columns & {"lat", "lon"} else set())) - columns)
    if missing:
        raise ValueError(f"{origin} lacks the columns {', '.join(missing)}; it needs id, uri and may have lat, lon")
    if len(tiles["id"].unique()) != tiles.num_rows:
        raise ValueError(f"{origin} repeats ids; every tile needs one of its own")
    for name, limit in (("lat", 90.0), ("lon", 180.0)) if "lat" in columns else ():
        degrees = tiles[name].drop_null().to_numpy()
        outside = len(degrees) - int((np.abs(degrees) <= limit).sum())  # NaN is not inside either
        if outside:
            raise ValueError(f"{origin}: {outside} tiles have a {name} outside [-{limit:g}, {limit:g}] degrees")
    absent = [tiles[name].is_null().to_numpy() for name in ("lat", "lon") if "lat" in columns]
    if absent and (half := int((absent[0] != absent[1]).sum())):
        raise ValueError(f"{origin}: {half} tiles have a lat or a lon alone; give both, or leave both empty")
