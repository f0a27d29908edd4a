"""Your own images: a folder of ground images beside a folder of tiles, and nothing that links them.

    <root>/[train|validation/]panorama/**.jpg      (or ground, query)
    <root>/[train|validation/]satellite/**.png     (or tile, reference)
    <root>/[train|validation/]references.csv       optional: file,lat,lon  (file: below the tiles' folder)

Without `train` and `validation` every image trains, and the same pool is searched.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import Literal

import pyarrow as pa
import pyarrow.csv
from pyarrow import fs

from ucvgl.data.storage import child, locate
from ucvgl.types import Catalog

Split = Literal["train", "validation"]
QUERIES = ("panorama", "ground", "query")
REFERENCES = ("satellite", "tile", "reference")
IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def read_catalog(root: str, split: Split) -> Catalog:
    """The two piles of a split, each sorted by an id that says nothing about the other."""
    folder = split_folder(root, split)
    queries = _list(root, folder, QUERIES)
    references = _list(root, folder, REFERENCES)
    below = view_folder(root, folder, REFERENCES)
    return Catalog(queries=queries, references=_with_places(root, folder, below, references))


def read_references(root: str) -> pa.Table:
    """The tiles of one area: those in the root's `satellite` (or `tile`, `reference`) folder, else all below the root.

    Columns `id, uri` and, where `references.csv` has them, `lat, lon`; sorted by id.
    """
    below = view_folder(root, "", REFERENCES) if _subfolders(root, "") & set(REFERENCES) else ""
    return _with_places(root, "", below, images_below(root, below))


def absolute(uri: str) -> str:
    """A local path from the root on, so that it means the same everywhere; other URIs as they are."""
    return uri if "://" in uri else os.path.abspath(uri)


def opaque_id(path: str) -> str:
    """The id of an image, from its path below the root: equal names in both views give unrelated ids."""
    return blake2b(path.encode(), digest_size=8).hexdigest()


def split_folder(root: str, split: Split) -> str:
    """The split's folder below the root: `train`, `validation`, or nothing when there are no splits."""
    names = _subfolders(root, "")
    if split in names:
        return split
    if split == "validation" and "train" in names:
        return "train"
    if "validation" in names:
        raise ValueError(
            f"{root} has a folder `validation` but no `train`; name the images to train on `train`"
        )
    return ""


def view_folder(root: str, folder: str, names: tuple[str, ...]) -> str:
    """The one subfolder that carries one of these names, as a path below the root."""
    present = sorted(_subfolders(root, folder) & set(names))
    where = f"{root}/{folder}" if folder else root
    if not present:
        raise ValueError(
            f"{where} has no folder {_either(names)}; put the ground images in {where}/{QUERIES[0]} "
            f"and the tiles in {where}/{REFERENCES[0]}"
        )
    if len(present) > 1:
        raise ValueError(
            f"{where} has the folders {' and '.join(present)}, which mean the same; keep one of them"
        )
    return f"{folder}/{present[0]}" if folder else present[0]


def _list(root: str, folder: str, names: tuple[str, ...]) -> pa.Table:
    return images_below(root, view_folder(root, folder, names))


def images_below(root: str, below: str = "") -> pa.Table:
    """Every image in a folder below the root, hidden ones left out: columns `id, uri`, sorted by id."""
    filesystem, base = locate(root)
    found = filesystem.get_file_info(fs.FileSelector(f"{base}/{below}".rstrip("/"), recursive=True))
    paths = [info.path[len(base) + 1 :] for info in found if info.type == fs.FileType.File]
    images = [path for path in paths if path.lower().endswith(IMAGES) and "/." not in f"/{path}"]
    if not images:
        where = f"{root}/{below}".rstrip("/")
        raise ValueError(f"{where} holds no image ({' '.join(IMAGES)}) among its {len(paths)} files")
    rows = sorted((opaque_id(path), child(root, path)) for path in images)
    return pa.table({"id": [row[0] for row in rows], "uri": [row[1] for row in rows]})


def _with_places(root: str, folder: str, below: str, references: pa.Table) -> pa.Table:
    name = f"{folder}/references.csv" if folder else "references.csv"
    filesystem, base = locate(root)
    if filesystem.get_file_info(f"{base}/{name}").type != fs.FileType.File:
        return references
    with filesystem.open_input_stream(f"{base}/{name}") as file:
        places = pyarrow.csv.read_csv(file)
    missing = [column for column in ("file", "lat", "lon") if column not in places.column_names]
    if missing:
        raise ValueError(f"{root}/{name} lacks the columns {missing}; its first line should be: file,lat,lon")
    place_of = {}
    for file, lat, lon in zip(
        *(places[column].to_pylist() for column in ("file", "lat", "lon")), strict=True
    ):
        if not (_is_within(lat, 90.0) and _is_within(lon, 180.0)):
            raise ValueError(
                f"{root}/{name}: {file} lies at lat {lat}, lon {lon}; "
                "write degrees, lat in [-90, 90] and lon in [-180, 180]"
            )
        place_of[opaque_id(f"{below}/{file}" if below else str(file))] = (float(lat), float(lon), file)
    ids = references["id"].to_pylist()
    absent = [place_of[identity][2] for identity in sorted(place_of.keys() - set(ids))]
    if absent:
        raise ValueError(
            f"{root}/{name} names {len(absent)} files that are not in {root}/{below}: {absent[:3]}"
        )
    for column, value in (("lat", 0), ("lon", 1)):
        known = [place_of[identity][value] if identity in place_of else None for identity in ids]
        references = references.append_column(column, pa.array(known, pa.float64()))
    return references


def _is_within(value: object, limit: float) -> bool:
    return isinstance(value, int | float) and -limit <= value <= limit


def _subfolders(root: str, folder: str) -> set[str]:
    filesystem, base = locate(root)
    selector = fs.FileSelector(f"{base}/{folder}" if folder else base, allow_not_found=True)
    found = filesystem.get_file_info(selector)
    if not found:
        raise ValueError(f"{root}/{folder}".rstrip("/") + " does not exist or is empty")
    return {info.base_name for info in found if info.type == fs.FileType.Directory}


def _either(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
