"""One image under two names: through a link, a hard link, or as a copy."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, UInt64

from ucvgl.images.bounds import MAX_BYTES
from ucvgl.images.storage import locate, read
from ucvgl.images.uris import is_local
from ucvgl.types import Catalog

MOST_READ = 500
"""Files whose content is compared, at most; those that are one file are found without reading."""


def content_of(data: bytes) -> str:
    """A digest of a file's bytes, by which copies are told."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def content_at(uri: str) -> str | None:
    """The same of the file at a URI; nothing where it cannot be read, or is larger than any image."""
    with suppress(OSError):
        return content_of(read(uri, most=MAX_BYTES))
    return None


def same_contents(some: UInt64[np.ndarray, " n"], others: UInt64[np.ndarray, " m"]) -> Bool[np.ndarray, " n"]:
    """Which digests are among others; 0 stands for none."""
    return (some != 0) & np.isin(some, others)


def same_files(some: Iterable[str], others: Iterable[str]) -> dict[str, str]:
    """URIs of `some` that are a local file of `others` as well, whatever its name there: that name. One `stat` each."""
    return _same(_identity, some, others)


def same_content(some: Iterable[str], others: Iterable[str], *, most: int = MOST_READ) -> dict[str, str]:
    """The same of copies, which are local files of equal size; so many of `some`, drawn at random, are read."""
    pools = [_of_size(uris) for uris in (some, others)]
    shared = sorted(pools[0].keys() & pools[1].keys())
    sizes = [shared[row] for row in np.random.default_rng(0).permutation(len(shared))]
    first = [(size, uri) for size in sizes for uri in pools[0][size]][:most]
    wanted = {size for size, _ in first}
    second = [uri for size in sizes if size in wanted for uri in pools[1][size]][: 2 * most]
    return _same(content_at, [uri for _, uri in first], second)


def shared_images(catalogs: Mapping[str, Catalog]) -> list[str]:
    """What is to be said of queries that are tiles as well, or of validation that are trained on, under other names.

    Files are compared, so only local images are; those of a bucket are when they are evaluated, by their digests.
    """
    uris = {split: (_uris(listed.queries), _uris(listed.references)) for split, listed in catalogs.items()}
    said = [(split, _told(*both, "are TILES AS WELL and would find themselves")) for split, both in uris.items()]
    train, held = (uris[split][0] if split in uris else [] for split in ("train", "validation"))
    if held != train:
        said.append(("validation", _told(held, train, "are TRAINED ON")))
    return [f"{split}: {words}" for split, words in said if words]


def _uris(listed: pa.Table) -> list[str]:
    return listed["uri"].to_pylist()


def _told(queries: Sequence[str], others: Sequence[str], what: str, *, most: int = MOST_READ) -> str:
    """What is to be said of queries that are images of another pile as well, under whatever name; empty if none is.

    Args:
        what: they are then, in words.
        most: of them are compared by content.
    """
    found = same_files(queries, others) or same_content(queries, others, most=most)
    if not found:
        return ""
    first, other = min(found.items())
    return f"at least {len(found)} of the {len(queries)} queries {what}, as {first}, which is {other}"


def _same(key: Callable[[str], Hashable | None], some: Iterable[str], others: Iterable[str]) -> dict[str, str]:
    there = {key(uri): uri for uri in others}
    there.pop(None, None)
    found = {uri: there.get(key(uri)) for uri in some} if there else {}
    return {uri: other for uri, other in found.items() if other is not None}


def _identity(uri: str) -> tuple[int, int] | None:
    seen = _stat(uri)
    return None if seen is None else (seen.st_dev, seen.st_ino)


def _stat(uri: str) -> os.stat_result | None:
    if not is_local(uri):
        return None
    with suppress(OSError, ValueError):
        return os.stat(locate(uri)[1])
    return None


def _of_size(uris: Iterable[str]) -> dict[int, list[str]]:
    found = defaultdict(list)
    for uri in uris:
        seen = _stat(uri)
        if seen is not None and seen.st_size:  # an empty file is no image, and no copy of one
            found[seen.st_size].append(uri)
    return found
