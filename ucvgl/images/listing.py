"""What lies below a data set's root: files by name, and piles of images under opaque ids."""

from __future__ import annotations

import logging
import os
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import blake2b
from io import BytesIO
from itertools import takewhile
from typing import Literal, NamedTuple

import pyarrow as pa

from ucvgl.images.storage import exists, list_files, list_folders, locate, look_through, read
from ucvgl.images.uris import is_local, join
from ucvgl.types import Catalog

log = logging.getLogger(__name__)

Split = Literal["train", "validation"]
IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")

MOST_IN_LIST = 2**28
"""Bytes."""
SPLITS = {"splits", "splits__corrected"}
"""Folders of lists, which have a folder for each city as well."""
NOT_READ = (
    *(".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".jfif", ".jpe", ".tga", ".ppm", ".pgm", ".exr", ".hdr"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".psd"),
)
"""Images all the same, which are counted and named."""


def opaque_id(path: str) -> str:
    """The id of an image, from its path below the root: equal names in both views give unrelated ids."""
    return blake2b(path.encode(), digest_size=8).hexdigest()


def address(root: str, path: str) -> str:
    """The URI of a path below a root, or of the root itself."""
    return join(root, path) if path else root


def find_home(root: str, marks: Iterable[str]) -> str:
    """The root, or the one folder in it that holds any of the marks: archives unpack one level deeper.

    Raises:
        ValueError: the root does not exist or is empty, or several of its folders hold a mark.
    """
    marks = set(marks)
    within = subfolders(root, "")
    if within & marks:
        return root
    found = sorted(name for name in within - SPLITS if marks & subfolders(root, name, may_be_empty=True))
    if len(found) > 1:
        raise ValueError(f"{root} holds several copies of the data set: {', '.join(found)}; name one of them")
    return address(root, found[0]) if found else root


def subfolders(root: str, folder: str, *, may_be_empty: bool = False) -> set[str]:
    """Names of the folders directly in a folder below the root.

    Raises:
        ValueError: there is no such folder.
    """
    try:
        return list_folders(address(root, folder))
    except FileNotFoundError:
        if may_be_empty:
            return set()
        raise ValueError(f"{root}/{folder}".rstrip("/") + " does not exist or is empty") from None


def images_below(root: str, *folders: str) -> list[str]:
    """Every image in some folders and in theirs; hidden files are passed over."""
    return [path for folder in folders for path in _files(root, folder, recursive=True) if _is_image(path)]


def images_in(root: str, *folders: str) -> list[str]:
    """Every image that lies directly in one of some folders."""
    return [path for folder in folders for path in _files(root, folder, recursive=False) if _is_image(path)]


def files_in(root: str, folder: str) -> list[str]:
    """Every file that lies directly in a folder below the root."""
    return _files(root, folder, recursive=False)


def images_matching(root: str, pattern: str) -> list[str]:
    """Every image in a folder, or whose path below the root matches a glob; `*` also stands for several folders."""
    fixed = list(takewhile(lambda part: not set(part) & set("*?["), pattern.strip("/").split("/")))
    paths = images_below(root, "/".join(fixed))
    whole = "/".join(fixed) == pattern.strip("/")
    return paths if whole else [path for path in paths if fnmatchcase(path, pattern)]


def _files(root: str, folder: str, *, recursive: bool) -> list[str]:
    return sorted(_sizes(root, folder, recursive=recursive))


def _sizes(root: str, folder: str, *, recursive: bool) -> dict[str, int]:
    """Bytes of every file, by path below the root; none where there is no such folder."""
    try:
        found = list_files(address(root, folder), recursive=recursive)
    except FileNotFoundError:
        return {}
    return {f"{folder}/{path}" if folder else path: size for path, size in found.items()}


def _is_image(path: str) -> bool:
    return path.lower().endswith(IMAGES) and "/." not in f"/{path}"


class Found(NamedTuple):
    """What lies in a folder and its folders.

    Args:
        images: paths below the root, sorted.
        left_out: what is not among them, as broken links or kinds of images that are not read: why, and the path.
        files: how many there are, images or not.
    """

    images: list[str]
    left_out: tuple[str, ...] = ()
    files: int = 0


def images_and_left_out(root: str, folder: str) -> Found:
    """The images in a folder and its folders, and what is left out, in one walk; nothing where there is no folder."""
    try:
        found = look_through(address(root, folder))
    except FileNotFoundError:
        return Found([])
    below = f"{folder}/" if folder else ""
    others = {path: "a kind of image that is not read" for path in found.files if path.lower().endswith(NOT_READ)}
    reasons = sorted((found.left_out | others).items())
    return Found(
        sorted(f"{below}{path}" for path in found.files if _is_image(path)),
        tuple(f"{reason}: {below}{path}" for path, reason in reasons if "/." not in f"/{path}"),
        len(found.files),
    )


def sizes_below(root: str, folder: str) -> dict[str, int]:
    """Bytes of every image in a folder and its folders, by path."""
    sizes = _sizes(root, folder, recursive=True)
    return {path: size for path, size in sizes.items() if _is_image(path)}


def by_name(paths: Iterable[str]) -> dict[str, str]:
    """Paths by their names; of equal names the first counts."""
    named: dict[str, str] = {}
    for path in paths:
        named.setdefault(name_of(path), path)
    return named


def name_of(path: str) -> str:
    """A file's name without folders and without the ending of an image, which differs between copies."""
    base = path.replace("\\", "/").rpartition("/")[2].strip()
    base = unicodedata.normalize("NFC", base)  # a Mac writes an accent as a letter of its own
    stem, dot, ending = base.rpartition(".")
    return stem if f"{dot}{ending}".lower() in IMAGES else base


def as_spelled(names: Iterable[str | None], there: Collection[str]) -> list[str | None]:
    """Names as the files that are there spell them: an accent is a part of its letter, or, as on a Mac, of its own."""
    spelled = {unicodedata.normalize("NFC", path): path for path in there}
    nfc = unicodedata.normalize
    return [name if not name or name in there else spelled.get(nfc("NFC", name), name) for name in names]


def is_file(root: str, path: str) -> bool:
    """Whether there is a file at this path below the root.

    Raises:
        ValueError: something else lies there, which would pass for nothing.
    """
    where = address(root, path)
    if exists(where):
        return True
    if is_local(where) and os.path.lexists(locate(where)[1]):
        raise ValueError(f"{where} is no file (a folder, a pipe or a link that leads nowhere); put the file there")
    return False


def lines_of(root: str, path: str) -> list[str]:
    """The lines of a text file that are not empty."""
    return [line for line in text_of(address(root, path)).splitlines() if line.strip()]


def open_bytes(root: str, path: str) -> BytesIO:
    """A file for readers that want to seek."""
    return BytesIO(_content(address(root, path)))


def text_of(where: str) -> str:
    """What a file holds.

    Raises:
        ValueError: it is not UTF-8, or too large for a list.
    """
    try:
        return _content(where).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{where} is not UTF-8 at byte {error.start}; save it as UTF-8") from error


def _content(where: str) -> bytes:
    try:
        return read(where, most=MOST_IN_LIST)
    except OSError as error:
        if error.errno is not None:
            raise
        raise ValueError(f"{where} is no list ({error}); fetch it again") from error


@dataclass(frozen=True)
class Views:
    """The images of one split under the names that a data set gives them.

    Args:
        queries: path below the root, by name.
        references: the same; equal names may mean a pair, which only the reader of the truth asks.
        missing: what the data set lists and what is not there, as paths below the root.
        unlisted: images that none of its lists names, likewise; none where it has no lists.
    """

    root: str
    queries: Mapping[str, str]
    references: Mapping[str, str]
    missing: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()

    def catalog(self, name: str, places: Mapping[str, tuple[float, float]] | None = None) -> Catalog:
        """Both piles under opaque ids.

        Raises:
            ValueError: nothing of a view is there.
        """
        for view, paths in (("queries", self.queries), ("references", self.references)):
            if not paths:
                lacks = f" (missing, {len(self.missing)} in all: {self.missing[0]})" if self.missing else ""
                raise ValueError(
                    f"{self.root} holds none of the {view} of {name}{lacks}; "
                    f"`ucvgl doctor {name} {self.root}` prints the tree that it should have"
                )
        if self.unlisted:
            said = "%s: %d images are in no list of %s and left out, as %s; if a list was cut off, fetch it again"
            log.warning(said, self.root, len(self.unlisted), name, self.unlisted[0])
        piles = pile(self.root, self.queries.values()), pile(self.root, self.references.values(), places)
        return Catalog(*piles, missing=self.missing)


def present(names: Iterable[str], path_of: Mapping[str, str], expected: str) -> tuple[dict[str, str], list[str]]:
    """The listed names that are there, with their paths, and where the others should be.

    Args:
        expected: the usual path, with `{}` for the name.
    """
    names = list(dict.fromkeys(names))
    found = {name: path_of[name] for name in names if name in path_of}
    return found, [expected.format(name) for name in names if name not in path_of]


def pile(
    root: str,
    paths: Iterable[str],
    places: Mapping[str, tuple[float, float]] | None = None,
    *,
    headings: Mapping[str, float] | None = None,
) -> pa.Table:
    """Images as a table of `id, uri` sorted by id; with places also `lat, lon`, with headings also `heading_deg`, null
    where unknown.

    Args:
        places: latitude and longitude in degrees, by path below the root.
        headings: degrees clockwise from north, likewise.
    """
    rows = sorted((opaque_id(path), path) for path in paths)
    table = pa.table(
        {
            "id": pa.array([row[0] for row in rows], pa.string()),
            "uri": pa.array([address(root, row[1]) for row in rows], pa.string()),
        }
    )
    for column, name in enumerate(("lat", "lon") if places else ()):
        known = [places[path][column] if places and path in places else None for _, path in rows]
        table = table.append_column(name, pa.array(known, pa.float64()))
    if headings:
        known = [headings.get(path) for _, path in rows]
        table = table.append_column("heading_deg", pa.array(known, pa.float64()))
    return table
