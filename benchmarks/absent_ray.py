"""A stand-in for Ray where it is not installed, so that the stages can be imported and run in one process.

Import it before anything of `ucvgl.stages`.
"""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock


class _Absent(ModuleType):
    """Ray where it is not installed: the stages import it and, in one process, never call it."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {"backend_cls": object}) if name[0].isupper() else MagicMock()


class _Finder(MetaPathFinder, Loader):
    """Finds every module of a package that is not installed, empty."""

    def find_spec(self, fullname: str, path: Any, target: Any = None, /) -> Any:
        return ModuleSpec(fullname, self, is_package=True) if fullname.split(".")[0] == "ray" else None

    def create_module(self, spec: Any) -> ModuleType:
        return _Absent(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


if find_spec("ray") is None:
    sys.meta_path.append(_Finder())
