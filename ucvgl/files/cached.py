"""The door to the files of a run, wherever it lies: what is opened is fetched first, what is made is uploaded.

A run in a bucket appears in a folder of every machine (`ucvgl.files.tree`), which is attached here. A path in no such
folder is left alone: for a run in a plain folder nothing in this file does anything.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

import ucvgl.atomic
from ucvgl.files import room
from ucvgl.files.marks import Sum
from ucvgl.files.names import OWNER
from ucvgl.files.room import cache_root
from ucvgl.files.tree import Tree
from ucvgl.images.retries import patiently
from ucvgl.images.storage import open_there
from ucvgl.images.storage import peek as peek_there
from ucvgl.images.uris import join, split_options

T = TypeVar("T")

_trees: dict[Path, Tree] = {}


def attach(tree: Tree) -> Tree:
    """From now on, the paths below a tree's folder mean files of its run."""
    _trees[tree.folder] = tree
    ucvgl.atomic.before_naming = _upload
    return tree


def detach(tree: Tree) -> None:
    """From now on, they are files of this machine and nothing else."""
    _trees.pop(tree.folder, None)


def tree_of(path: Path) -> Tree | None:
    """The attached tree that a path lies in."""
    tree = tree_around(path)
    return None if tree is None or path == tree.folder else tree


def tree_around(path: Path) -> Tree | None:
    """The same, where the folder of the run itself may be meant."""
    return next((tree for tree in _trees.values() if path.is_relative_to(tree.folder)), None)


def folder_of(uri: str) -> Path:
    """Where a run of a bucket appears in the cache: `<bucket>/<path>`."""
    return cache_root().joinpath(*split_options(uri.partition("://")[2])[0].strip("/").split("/"))


@lru_cache(maxsize=64)
def resolved(uri: str, folder: str, owner: str) -> Path:
    """Where a run appears on this machine, attached.

    A machine that sees the folder of the process that makes the run (the same machine, or a shared disk) uses that.

    Args:
        folder: of that process.
        owner: which it is.
    """
    own = is_of(Path(folder), owner)
    if own and Path(folder) in _trees:  # this is that process
        return Path(folder)
    return attach(Tree(Path(folder) if own else folder_of(uri), uri, own=own, eager=True)).folder


def is_of(folder: Path, owner: str) -> bool:
    """Whether this machine sees the folder of the process that makes a run."""
    try:
        return bool(owner) and (folder / OWNER).read_text() == owner
    except OSError:
        return False


def here(path: Path) -> Path:
    """The same path, of a file that is on this machine now; as it is where there is none."""
    if tree := tree_of(path):
        with suppress(FileNotFoundError):  # whoever opens it says so
            tree.bring(path)
    return path


def opened(path: Path, look: Callable[[Path], T]) -> T:
    """What `look` finds in a file that it opens; it looks again where the file went, to make room, before it did."""
    try:
        return look(here(path))
    except FileNotFoundError:
        if not in_bucket(path):
            raise
        return look(here(path))


def all_here(paths: Sequence[Path]) -> None:
    """Fetch some files that are going to be read, several at a time."""
    if paths and (tree := tree_of(paths[0])):
        tree.bring_all(list(paths))


def ahead(paths: Sequence[Path]) -> None:
    """The same in a process that works for the run and does not make it, as what it opens, it is going to read.

    Nothing is fetched where the cache has no room for all of them.
    """
    if paths and (tree := tree_of(paths[0])) and tree.eager and tree.fit(list(paths)):
        with suppress(room.CacheFull):  # other processes have filled it meanwhile: what did not come is read there
            tree.bring_all(list(paths))


def missing(paths: Sequence[Path]) -> list[Path]:
    """Those that are not made yet, by whomever."""
    found: dict[Path, set[str]] = {}
    left = []
    for path in paths:
        tree = tree_of(path)
        if (tree is None or tree.own) and path.exists():
            continue
        if tree is not None and path.parent not in found:
            found[path.parent] = tree.names(path.parent)
        if tree is None or path.name not in found[path.parent]:
            left.append(path)
    return left


def unmade(work: Iterable[T], file_of: Callable[[T], Path]) -> list[T]:
    """The pieces of work whose file is not made yet, by whomever."""
    files = [(one, file_of(one)) for one in work]
    left = set(missing([file for _, file in files]))
    return [one for one, file in files if file in left]


def exists(path: Path) -> bool:
    """Whether a file is made, by whomever."""
    tree = tree_of(path)
    return tree.made(path) if tree else path.exists()


def listed(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder that match, those included that no process of this machine has opened yet."""
    tree = tree_of(folder)
    found = set(folder.glob(pattern)) if tree is None or tree.own else set()
    there = {folder / name for name in tree.names(folder)} if tree else set()
    return [*found, *(path for path in there - found if path.match(pattern) and not path.name.startswith("."))]


def is_far(path: Path) -> bool:
    """Whether a file lies in a bucket and is not on this machine."""
    return tree_of(path) is not None and not path.exists()


def peek(path: Path, look: Callable[[pa.NativeFile], T]) -> T:
    """What `look` finds in a few bytes of a file, without fetching the rest."""
    if is_far(path):
        return peek_there(_uri_of(path), look)
    with pa.OSFile(str(here(path))) as file:
        return look(file)


def open_far(path: Path) -> pa.NativeFile:
    """A file of a run where it lies in the bucket, to be read at any place.

    Raises:
        FileNotFoundError: it is not there.
        StorageError: the bucket cannot be used.
    """
    return open_there(_uri_of(path))


def patiently_with(path: Path, look: Callable[[], T]) -> T:
    """What is done with a file in the bucket, again where a fault passes.

    Raises:
        StorageError: it lasts.
    """
    return patiently(look, _uri_of(path))


def done_with(path: Path) -> None:
    """A file was read and is not going to be for a while: in a cache it makes room before others."""
    tree = tree_of(path)
    if tree is not None and not tree.own:
        room.used(path, ago_s=room.IN_USE_S)


def _uri_of(path: Path) -> str:
    tree = tree_of(path)
    assert tree is not None
    return join(tree.uri, tree.place(path))


def renewed(path: Path) -> bool:
    """Whether there is a file that changes (a checkpoint); its last state is on this machine."""
    tree = tree_of(path)
    return path.exists() if tree is None else tree.renew(path)


def uri_of_run(path: Path) -> str | None:
    """The place of the run in a bucket that a path is in; None where it is in none."""
    tree = tree_around(path)
    return tree.uri if tree else None


def in_bucket(path: Path) -> bool:
    """Whether a path is one of a run in a bucket, which other machines may see elsewhere."""
    return tree_of(path) is not None


def refuse_unseen(folder: Path) -> None:
    """Refuse to work for a run in a plain folder of another machine.

    Raises:
        ValueError: this machine does not see the folder.
    """
    if tree_around(folder) is None and not folder.is_dir():
        raise ValueError(
            f"{folder} is not on {socket.gethostname()}, which works for this run: several machines need a bucket, "
            "--run s3://..., or a folder that all of them see under one name"
        )


def remove(path: Path) -> None:
    """Delete a file or folder of a run, wherever it lies; nothing happens where there is none."""
    forget(path)
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def forget(path: Path) -> None:
    """Delete what a bucket has of a file or folder."""
    if tree := tree_of(path):
        tree.forget(path)


def uploaded(path: Path) -> None:
    """Have the present state of a file that grows in the bucket."""
    _upload(path, path)


def elsewhere(folder: Path) -> dict[str, Sum]:
    """The files of a stage at work that are not on this machine: name -> size and digest."""
    tree = tree_of(folder)
    return tree.elsewhere(folder) if tree else {}


@contextmanager
def handed_over(folder: Path, *, far: bool) -> Iterator[None]:
    """While other machines work for a run: before, they can see what is here; after, what they made is here.

    Args:
        folder: of the run, or in it.
        far: whether there are other machines.
    """
    tree = tree_around(folder)
    if tree is None or not tree.own or not far:
        yield
        return
    tree.share()
    yield
    tree.pull()


def _upload(aside: Path, path: Path) -> None:
    if (tree := tree_of(path)) and not tree.own:
        tree.upload(aside, path)
