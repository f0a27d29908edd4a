"""Your own images: a folder of ground images beside a folder of tiles, and nothing that links them.

    <root>/[train|validation/]panorama/**.jpg      (or ground, query)
    <root>/[train|validation/]satellite/**.png     (or tile, reference)
    <root>/[train|validation/]references.csv       optional: file,lat,lon  (file: below the tiles' folder)
    <root>/[train|validation/]headings.csv         optional: file,heading_deg  (file: below the ground images' folder;
                                                   where its middle looks, clockwise from north)

`training` means `train`; `val`, `valid`, `test`, `dev` and `eval` mean `validation`, where there is one of them.
Without `train` and `validation` every image trains, and the same pool is searched. The two piles may also be any two
folders or globs below the root; there are no splits then, and the CSV files lie in the root and name files below it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from ucvgl.images.csv_table import csv_columns
from ucvgl.images.decimals import decimal
from ucvgl.images.listing import (
    IMAGES,
    Found,
    Split,
    address,
    as_spelled,
    images_and_left_out,
    images_matching,
    is_file,
    pile,
    subfolders,
)
from ucvgl.images.misplaced import refuse_misplaced
from ucvgl.images.same_files import same_files
from ucvgl.images.storage import locate
from ucvgl.images.uris import is_local
from ucvgl.images.walk import name_shown, unwritable_folders_in
from ucvgl.types import Catalog

log = logging.getLogger(__name__)

QUERIES = ("panorama", "ground", "query")
REFERENCES = ("satellite", "tile", "reference")
SPLITS = {"train": ("train", "training"), "validation": ("validation", "val", "valid", "test", "dev", "eval")}
"""What the folders of a split may be called."""


def read_catalog(root: str, split: Split, queries: str = "", references: str = "") -> Catalog:
    """The two piles of a split, each sorted by an id that says nothing about the other.

    Args:
        queries: folder or glob below the root; empty: the folder that has one of the usual names.
        references: the same; both or neither.

    Raises:
        ValueError: a pile is not there or empty, an image is in both, or a list names what is not there.
    """
    if queries and references:
        folder, below, asked_below = "", "", ""
        asked, searched = (Found(_matching(root, pattern)) for pattern in (queries, references))
    else:
        folder = split_folder(root, split)
        views = [view_folder(root, folder, names) for names in (QUERIES, REFERENCES)]
        asked_below, below = (f"{view}/" for view in views)
        asked, searched = (_found(root, view) for view in views)
    _refuse_both(root, asked.images, searched.images)
    places = _places(root, folder, below, searched.images)
    looks = headings(root, folder, asked_below, asked.images)
    missing = asked.left_out + searched.left_out
    piles = pile(root, asked.images, headings=looks), pile(root, searched.images, places)
    return Catalog(*piles, missing=missing)


def refuse_other_layout(root: str) -> None:
    """Refuse a root that lacks the folders of images, without looking into these.

    Raises:
        ValueError: it does.
    """
    for split in {split_folder(root, "train"), split_folder(root, "validation")}:
        for names in (QUERIES, REFERENCES):
            view_folder(root, split, names)


def _refuse_both(root: str, asked: Sequence[str], searched: Sequence[str]) -> None:
    """An image that is in both piles, also through a link or as a hard link, would find itself."""
    named = {address(root, path): path for path in {*asked, *searched}}
    both = same_files(*([address(root, path) for path in paths] for paths in (asked, searched)))
    both |= {address(root, path): address(root, path) for path in set(asked) & set(searched)}
    if not both:
        return
    first, other = (named[uri] for uri in min(both.items()))
    through = "" if first == other else f", which is {other}"
    raise ValueError(
        f"{root}: {len(both)} images are queries and tiles at once, as {first}{through}: each would find itself; name "
        "two folders that share none"
    )


def read_references(root: str) -> pa.Table:
    """The tiles of one area: those in the root's `satellite` (or `tile`, `reference`) folder, else all below the root.

    Columns `id, uri` and, where `references.csv` has them, `lat, lon`; sorted by id.
    """
    view = view_folder(root, "", REFERENCES) if subfolders(root, "") & set(REFERENCES) else ""
    images = _images(root, view)
    return pile(root, images, _places(root, "", f"{view}/" if view else "", images))


def read_images(root: str) -> pa.Table:
    """Every image below a folder, hidden ones left out: columns `id, uri`, sorted by id."""
    return pile(root, _images(root, ""))


def absolute(uri: str) -> str:
    """A local path from the root on, so that it means the same everywhere; none ends in a slash."""
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}://{rest.rstrip('/')}" if separator else os.path.abspath(uri)


def split_folder(root: str, split: Split) -> str:
    """The split's folder below the root: `train`, `validation`, or nothing when there are no splits.

    Raises:
        ValueError: there is a validation split and no training split.
    """
    names = subfolders(root, "")
    found = {kind: sorted(name for name in names if name.lower() in known) for kind, known in SPLITS.items()}
    for kind, several in found.items():
        if len(several) > 1:
            raise ValueError(
                f"{root} has the folders {' and '.join(several)}, which could all be its {kind} split; keep one of them"
            )
    (train, validation) = (several[0] if several else "" for several in found.values())
    if validation and not train:
        raise ValueError(
            f"{root} has a folder `{validation}` but no `train`; name the images to train on `train`"
        )
    if train:
        _refuse_images_beside(root, names - {train, validation}, train)
    return validation or train if split == "validation" else train


def _refuse_images_beside(root: str, names: set[str], train: str) -> None:
    """Images that belong to no split would be left out without a word."""
    views = {*QUERIES, *REFERENCES}
    for name in unwritable_folders_in(locate(root)[1]) if is_local(root) else ():
        if subfolders(root, name, may_be_empty=True) & views:
            raise ValueError(
                f"{root} has the folder `{name_shown(name)}` with images beside `{train}`, whose name is not UTF-8 or "
                "holds a control character, so that it would not be read; rename it, or move it away"
            )
    for name in sorted(names):
        if name in views or subfolders(root, name, may_be_empty=True) & views:
            raise ValueError(
                f"{root} has the folder `{name}` with images beside `{train}`, and nobody knows what for; name "
                "it `validation` if they are to be evaluated, else move it away"
            )


def view_folder(root: str, folder: str, names: tuple[str, ...]) -> str:
    """The one subfolder that carries one of these names, as a path below the root.

    Raises:
        ValueError: none of the names is there, or more than one.
    """
    present = sorted(subfolders(root, folder) & set(names))
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


def _images(root: str, below: str) -> list[str]:
    """The images below a folder, while what is left out is logged."""
    found = _found(root, below)
    if others := found.left_out:
        log.warning("%s: %d left out (%s)", root, len(others), "; ".join(others[:3]))
    return found.images


def _found(root: str, below: str) -> Found:
    found = images_and_left_out(root, below)
    if not found.images:
        where, others = f"{root}/{below}".rstrip("/"), found.left_out
        broken = f"; {len(others)} are left out ({'; '.join(others[:3])})" if others else ""
        raise ValueError(f"{where} holds no image ({' '.join(IMAGES)}) among its {found.files} files{broken}")
    return found


def _matching(root: str, pattern: str) -> list[str]:
    images = images_matching(root, pattern)
    if not images:
        raise ValueError(f"{root}: no image ({' '.join(IMAGES)}) lies in, or matches, {pattern!r}")
    return images


def _places(root: str, folder: str, below: str, references: list[str]) -> dict[str, tuple[float, float]]:
    """Latitude and longitude by path, as far as `references.csv` tells."""
    name, places = f"{folder}/references.csv" if folder else "references.csv", {}
    for path, file, (lat, lon) in _listed(root, name, below, references, "lat", "lon"):
        if not (_is_within(lat, 90.0) and _is_within(lon, 180.0)):
            raise ValueError(
                f"{root}/{name}: {file} lies at lat {lat or 'nothing'}, lon {lon or 'nothing'}; "
                "write degrees as decimal numbers, lat in [-90, 90] and lon in [-180, 180]"
            )
        places[path] = (decimal(lat), decimal(lon))
    refuse_one_place(places.values(), f"{root}/{name}")
    return places


def refuse_one_place(places: Iterable[tuple[float | None, float | None]], origin: str) -> None:
    """Refuse tiles that all lie at one place, as where whoever wrote them had no coordinates and filled in zeros.

    Raises:
        ValueError: they do, and are more than one.
    """
    known = [place for place in places if None not in place]
    if len(known) > 1 and len(set(known)) == 1:
        lat, lon = known[0]
        raise ValueError(
            f"{origin}: all {len(known)} tiles lie at lat {lat:g}, lon {lon:g}; give each its own place, or leave the "
            "coordinates out"
        )
    if count := known.count((0.0, 0.0)):
        log.warning("%s: %d tiles lie at lat 0, lon 0, as if nobody knew their places; leave those out", origin, count)


def headings(root: str, folder: str, below: str, queries: list[str]) -> dict[str, float]:
    """Where the middles of ground images look, degrees clockwise from north, by path, as far as `headings.csv` tells.

    Args:
        folder: of the split, below the root.
        below: begins the path of every ground image, and of no file that the list names.

    Raises:
        ValueError: the list is none, or names what is not there, or something twice.
    """
    name, found = f"{folder}/headings.csv" if folder else "headings.csv", {}
    for path, file, (degrees,) in _listed(root, name, below, queries, "heading_deg"):
        if not _is_within(degrees, 360.0):
            raise ValueError(
                f"{root}/{name}: {file} looks to {degrees or 'nothing'}; write degrees clockwise from north as decimal "
                "numbers, from -360 to 360"
            )
        found[path] = decimal(degrees) % 360
    if found and len(found) < len(queries):
        told = f"{root}/{name} tells of {len(found)} of {len(queries)} images"
        log.warning("%s: the others, if they are panoramas, are taken to look north; of photos EXIF is asked", told)
    return found


def _listed(
    root: str, name: str, below: str, images: list[str], *columns: str
) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Path, name in the list, and columns of every image that a CSV file tells about; nothing where there is none."""
    if not is_file(root, name):
        refuse_misplaced(root, name, below.rstrip("/"))
        return
    rows, told = csv_columns(root, name, "file", *columns), set()
    if not rows:
        raise ValueError(f"{root}/{name} tells of no image; write a row for each, or remove it")
    files = as_spelled((row[0] for row in rows), {path[len(below) :] for path in images})
    there, where = set(images), f"{root}/{below}".rstrip("/")
    absent = sorted(str(file) for file in set(files) if f"{below}{file}" not in there)
    for file, (_, *values) in zip(files, rows, strict=True):
        path = f"{below}{file}"
        if path in told:
            raise ValueError(f"{root}/{name} names {file} more than once; write one row for each image")
        told.add(path)
        yield path, str(file), tuple(values)
    if absent:
        raise ValueError(f"{root}/{name} names {len(absent)} files that are not in {where}: {absent[:3]}")


def _is_within(text: str, limit: float) -> bool:
    try:
        return abs(decimal(text)) <= limit
    except ValueError:
        return False


def _either(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
