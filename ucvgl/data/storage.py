"""Where bytes lie: a local path, or a URI that pyarrow knows (`s3://`, `gs://`, `hdfs://`, `file://`)."""

from __future__ import annotations

from functools import lru_cache

from pyarrow import fs


def read(uri: str) -> bytes:
    """All bytes of one file."""
    filesystem, path = locate(uri)
    with filesystem.open_input_file(path) as file:
        return file.read()


def write(uri: str, data: bytes) -> None:
    """Write one file whole or not at all; a bucket does that by itself."""
    filesystem, path = locate(uri)
    if not isinstance(filesystem, fs.LocalFileSystem):
        with filesystem.open_output_stream(path) as file:
            file.write(data)
        return
    folder, _, name = path.rpartition("/")
    filesystem.create_dir(folder or ".", recursive=True)
    aside = f"{folder or '.'}/.{name}.aside"
    with filesystem.open_output_stream(aside) as file:
        file.write(data)
    filesystem.move(aside, path)


def locate(uri: str) -> tuple[fs.FileSystem, str]:
    """The filesystem of a URI and the path within it.

    Only the bucket and the options behind `?` are parsed, so names may hold spaces, `#` and `%`.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme == "file":
        return _connect(""), (rest if separator else uri).rstrip("/")
    path, question, options = rest.partition("?")
    host, _, inside = path.partition("/")
    filesystem = _connect(f"{scheme}://{host}{question}{options}")
    bucket = "" if scheme == "hdfs" else host.rpartition("@")[2]  # `user@bucket` names who asks
    return filesystem, f"{bucket}/{inside}".rstrip("/")


def child(uri: str, name: str) -> str:
    """A file or folder below a URI, whose options behind `?` stay at the end."""
    plain, question, options = uri.partition("?") if "://" in uri else (uri, "", "")
    return f"{plain.rstrip('/')}/{name}{question}{options}"


@lru_cache(maxsize=64)
def _connect(root: str) -> fs.FileSystem:
    """One connection per bucket and process."""
    return fs.FileSystem.from_uri(root)[0] if root else fs.LocalFileSystem()
