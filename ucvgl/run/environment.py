"""Which software a run was made with."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import ucvgl

PACKAGES = ("ray", "torch", "torchvision", "timm", "numpy", "pyarrow", "opencv-python-headless", "faiss-gpu")


def environment() -> dict[str, str]:
    """Versions of what can change a number, and the git commit if there is one; no path, no host name."""
    found = {
        "ucvgl": ucvgl.__version__,
        "commit": commit(Path(ucvgl.__file__).resolve().parents[1]),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = ""
    return {name: value for name, value in found.items() if value}


def commit(folder: Path) -> str:
    """Commit of the repository whose top is `folder`, with `+` when files differ from it; else empty."""
    if not (folder / ".git").exists():
        return ""
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return head + ("+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
