"""Where bytes lie: a local path, or a URI that pyarrow knows (`s3://`, `gs://`, `abfs://`, `hdfs://`, `file://`)."""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

import pyarrow as pa
from pyarrow import fs

from ucvgl.atomic import whole
from ucvgl.files.printable import printable
from ucvgl.images import azure
from ucvgl.images.connections import AT_ONCE, connected
from ucvgl.images.retries import StorageError, patiently
from ucvgl.images.uris import (
    NO_CREDENTIALS,
    holds_secrets,
    is_local,
    join,
    key_of,
    no_place,
    split_options,
    without_secrets,
)
from ucvgl.images.walk import Walk, folders_in, walk

T = TypeVar("T")

PIECE = 2**23
"""Bytes that are copied at a time."""


def read(uri: str, *, most: int | None = None, patience_s: float | None = None) -> bytes:
    """All bytes of one file.

    Args:
        most: bytes that it may have; any where not given.
        patience_s: how long faults of a store are borne; minutes where not given.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger.
        StorageError: nothing can be read from there.
    """
    filesystem, path = locate(uri)
    return patiently(partial(_read, filesystem, path, most), uri, patience_s)


def read_ahead(uris: Iterable[str], *, most: int | None = None) -> Iterator[Callable[[], bytes]]:
    """For each file in turn a call that returns its bytes or raises what `read` raises; the next few are on their way.

    Local files are read when they are asked for.
    """
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for uri in uris:
            if is_local(uri):
                yield from (future.result for future in _drained(waiting))
                yield partial(read, uri, most=most)
                continue
            waiting.append(pool.submit(partial(read, uri, most=most)))
            if len(waiting) > AT_ONCE:
                yield waiting.popleft().result
        yield from (future.result for future in _drained(waiting))


def list_files(uri: str, *, recursive: bool = True) -> dict[str, int]:
    """Every file below a folder, or directly in it: bytes by path relative to it, in no particular order.

    Raises:
        FileNotFoundError: there is no such folder.
        StorageError: nothing can be listed there.
    """
    return look_through(uri, recursive=recursive).files


def look_through(uri: str, *, recursive: bool = True) -> Walk:
    """Every file below a folder, or directly in it, and what is there and is none.

    Subfolders are listed at the same time, each page by page, but in `gs://`; local ones as `ucvgl.images.walk` says.

    Raises:
        FileNotFoundError: there is no such folder.
        StorageError: nothing can be listed there.
    """
    filesystem, base = locate(uri)
    if is_local(uri):
        return walk(base, recursive=recursive)
    infos = _list(filesystem, base, uri)
    deeper = recursive and not _is_flat(filesystem)
    folders = [info.path for info in infos if deeper and info.type == fs.FileType.Directory]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for found in pool.map(partial(_list, filesystem, uri=uri, recursive=True), folders):
            infos += found
    files = {info.path[len(base) + 1 :]: info.size for info in infos if info.type == fs.FileType.File}
    files = {path: size for path, size in files.items() if recursive or "/" not in path}
    odd = {path for path in files if printable(path) != path}
    left_out = {printable(path): "its name holds a control character" for path in odd}
    return Walk({path: size for path, size in files.items() if path not in odd}, left_out)


def exists(uri: str) -> bool:
    """Whether there is such a file.

    Raises:
        StorageError: nothing can be asked there.
    """
    filesystem, path = locate(uri)
    return patiently(partial(filesystem.get_file_info, path), uri).type == fs.FileType.File


def list_folders(uri: str) -> set[str]:
    """The names of a folder's subfolders.

    Raises:
        FileNotFoundError: there is no such folder.
        StorageError: nothing can be listed there.
    """
    filesystem, base = locate(uri)
    if is_local(uri):
        return folders_in(base)
    found = [(info.path[len(base) + 1 :], info.type) for info in _list(filesystem, base, uri)]
    return {path.partition("/")[0] for path, kind in found if kind == fs.FileType.Directory or "/" in path}


def write(uri: str, data: bytes) -> None:
    """Write one file, which appears whole or not at all.

    Raises:
        StorageError: nothing can be written there.
    """
    patiently(partial(_write, uri, lambda: io.BytesIO(data)), uri)


def copy_out(file: Path, uri: str) -> bool:
    """Copy a local file; whether it was still there."""
    try:
        patiently(partial(_write, uri, partial(file.open, "rb")), uri)
    except FileNotFoundError:
        return False
    return True


def copy_in(uri: str, file: Path) -> None:
    """Copy to a local file, which appears whole or not at all."""
    filesystem, path = locate(uri)

    def fetch() -> None:
        with whole(file) as aside, filesystem.open_input_stream(path) as source, aside.open("wb") as sink:
            shutil.copyfileobj(source, sink, PIECE)

    patiently(fetch, uri)


def delete(uri: str) -> None:
    """Delete one file; nothing happens where there is none."""
    filesystem, path = locate(uri)
    away = partial(filesystem.delete_file, path)
    if filesystem.type_name == "abfs":
        away = partial(azure.remove, *_in_azure(uri))
    with suppress(FileNotFoundError):
        patiently(away, uri)


def delete_folder(uri: str) -> None:
    """Delete all that lies below a folder of a store; nothing happens where there is none."""
    filesystem, path = locate(uri)
    if filesystem.type_name in ("gcs", "abfs"):  # pyarrow stops there at what another machine deletes meanwhile
        with suppress(FileNotFoundError, NotADirectoryError), ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(delete, [join(uri, name) for name in list_files(uri)]))
        return
    patiently(partial(filesystem.delete_dir_contents, path, missing_dir_ok=True), uri)


def peek(uri: str, look: Callable[[pa.NativeFile], T]) -> T:
    """What `look` finds in a file of which it reads a few bytes.

    Raises:
        FileNotFoundError: there is no such file.
        StorageError: nothing can be read there.
    """
    filesystem, path = locate(uri)

    def opened() -> T:
        with filesystem.open_input_file(path) as file:
            return look(file)

    return patiently(opened, uri)


def open_there(uri: str) -> pa.NativeFile:
    """A file to be read at any place, by several threads.

    Raises:
        FileNotFoundError: there is no such file.
        StorageError: nothing can be read there.
    """
    filesystem, path = locate(uri)
    return patiently(partial(filesystem.open_input_file, path), uri)


def fetch(uri: str, piece: int = PIECE) -> Iterator[bytes]:
    """The bytes of a file, so many at a time. Nothing is tried again: see `ucvgl.images.retries.patiently`.

    Raises:
        OSError: it is not there, or broke off.
    """
    filesystem, path = locate(uri)
    with filesystem.open_input_stream(path) as source:
        while some := source.read(piece):
            yield some


def locate(uri: str) -> tuple[fs.FileSystem, str]:
    """The filesystem of a URI and the path within it.

    Only the bucket and the options behind `?` are parsed, so names may hold spaces, `#`, `%` and `?`.

    Raises:
        StorageError: the URI holds credentials, or pyarrow cannot read it.
    """
    scheme, separator, rest = uri.partition("://")
    if is_local(uri):
        return connected(""), (rest if separator else uri).rstrip("/") or "/"
    if holds_secrets(uri):
        raise StorageError(f"{without_secrets(uri)}: {NO_CREDENTIALS}")
    if wrong := no_place(uri):
        raise StorageError(wrong)
    path, options = split_options(rest)
    host, _, inside = path.partition("/")
    filesystem = connected(f"{scheme}://{host}{options and '?'}{options}")
    inside = key_of(inside)
    bucket = "" if scheme == "hdfs" else host.rpartition("@")[2]  # `user@bucket` names who asks
    if scheme in azure.SCHEMES:
        bucket = azure.container_of(host)
    return filesystem, f"{bucket}/{inside}".rstrip("/")


def _read(filesystem: fs.FileSystem, path: str, most: int | None) -> bytes:
    try:
        if isinstance(filesystem, fs.LocalFileSystem) and not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError("it is no regular file")  # a pipe would be waited for
        with filesystem.open_input_file(path) as file:
            if most is not None and file.size() > most:
                raise OSError(f"it has {file.size() / 1e6:,.0f} MB, more than {most / 1e6:,.0f}")
            return file.read()
    except ValueError as error:  # pyarrow and Python refuse some names
        raise OSError(f"its name cannot be used: {error}") from error


def _write(uri: str, source: Callable[[], IO[bytes]]) -> None:
    filesystem, path = locate(uri)
    if filesystem.type_name == "abfs":
        with source() as data:
            azure.put(*_in_azure(uri), data)
        return
    local = isinstance(filesystem, fs.LocalFileSystem)
    into = whole(Path(path)) if local else nullcontext(path)
    with into as target, source() as data, filesystem.open_output_stream(str(target)) as sink:
        shutil.copyfileobj(data, sink, PIECE)


def _in_azure(uri: str) -> tuple[str, str]:
    """The host of a URI, which names container and account, and the name of its blob."""
    return uri.partition("://")[2].partition("/")[0], locate(uri)[1].partition("/")[2]


def _list(filesystem: fs.FileSystem, path: str, uri: str, *, recursive: bool = False) -> list[fs.FileInfo]:
    selector = fs.FileSelector(path, recursive=recursive or _is_flat(filesystem))
    try:
        return patiently(partial(filesystem.get_file_info, selector), uri)
    except OSError as error:
        if re.match("No such file or directory|Cannot use .*(as a directory|with file)", str(error)):
            raise FileNotFoundError(str(error)) from error  # Google's store says so without a number
        raise


def _is_flat(filesystem: fs.FileSystem) -> bool:
    """Whether a listing of one folder does not tell of the folders in it: pyarrow's of Google's store knows only those
    that somebody made as an object, so there all that lies below is listed."""
    return filesystem.type_name == "gcs"


def _drained(waiting: deque[Future[bytes]]) -> Iterator[Future[bytes]]:
    while waiting:
        yield waiting.popleft()
