"""What passes between machines: a path inside a run travels as the run and the name in it, and means a file there."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from ray.cloudpickle import loads
from ray.cloudpickle.cloudpickle import CloudPickler

from ucvgl.files import cached
from ucvgl.files.names import OWNER


def packed(content: Any) -> bytes:
    """Anything that can be pickled, for another machine of this job."""
    written = BytesIO()
    _Packer(written).dump(content)
    return written.getvalue()


def unpacked(parcel: bytes) -> Any:
    """What was packed, with the paths of this machine; it comes from Ray alone, never from a file."""
    return loads(parcel)


class Sent:
    """Something that arrives unpacked, as an argument of Ray's own making."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        return unpacked, (packed(self.content),)


class _Packer(CloudPickler):
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Path) and (tree := cached.tree_around(obj)):
            home = tree.folder.absolute()
            owner = (home / OWNER).read_text() if tree.own else ""  # nobody's: every machine has its cache
            return _arrived, (tree.uri, str(home), owner, str(obj.relative_to(tree.folder)))
        return super().reducer_override(obj)


def _arrived(uri: str, folder: str, owner: str, name: str) -> Path:
    return cached.resolved(uri, folder, owner) / name
