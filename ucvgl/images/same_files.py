"""One image under two names: through a link, a hard link, or as a copy."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress

from ucvgl.images.storage import locate, read
from ucvgl.images.uris import is_local

MOST_READ = 1000
"""Files whose content is compared, at most; those that are one file are found without reading."""


def content_of(data: bytes) -> str:
    """A digest of a file's bytes, by which copies are told."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def same_files(some: Iterable[str], others: Iterable[str]) -> dict[str, str]:
    """URIs of `some` that are a local file of `others` as well, whatever its name there: that name. One `stat` each."""
    return _same(_identity, some, others)


def same_content(some: Iterable[str], others: Iterable[str], *, most: int = MOST_READ) -> dict[str, str]:
    """The same of copies, which are local files of equal size; so many of `some`, and of `others`, are read."""
    pools = [_of_size(uris) for uris in (some, others)]
    sizes = sorted(pools[0].keys() & pools[1].keys())
    first = [uri for size in sizes for uri in pools[0][size]][:most]
    wanted = {size for size, uris in pools[0].items() if set(uris) & set(first)}
    second = [uri for size in sizes if size in wanted for uri in pools[1][size]][:most]
    return _same(_content, first, second)


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


def _content(uri: str) -> str | None:
    with suppress(OSError):
        return content_of(read(uri))
    return None
