"""The repository's Python files, read and never run."""

from __future__ import annotations

import ast
import re
from functools import cache, lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@cache
def module_files() -> dict[str, Path]:
    """Dotted name of every module under `ucvgl` -> its file."""
    files = {}
    for file in sorted((ROOT / "ucvgl").rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return files


@lru_cache(maxsize=1)
def tree_of(file: Path) -> ast.Module:
    """A file, parsed; the last one is kept, of which several things are asked."""
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def imported_names(file: Path) -> frozenset[str]:
    """Everything a file imports, anywhere in it: `a.b` and `a.b.c` for `from a.b import c`.

    A text that is a dotted name of ours counts too: programs for workers may be named, as `ucvgl.x.y:fit`.
    """
    tree = tree_of(file)
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively, which these tests do not follow"
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    names |= {text.partition(":")[0] for text in texts(file) if re.fullmatch(r"ucvgl(\.\w+)+(:\w+)?", text)}
    return frozenset(names)


@cache
def texts(file: Path) -> tuple[str, ...]:
    """The string constants of a file that are no docstrings."""
    tree = tree_of(file)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in prose]
    return tuple(node.value for node in constants if isinstance(node.value, str))


@cache
def imported_modules(module: str) -> frozenset[str]:
    """Modules of `ucvgl` that run when this one is imported: those it names, and the packages they lie in."""
    known = module_files()
    found = set()
    for name in imported_names(known[module]):
        parts = name.split(".")
        found |= {".".join(parts[:n]) for n in range(1, len(parts) + 1)} & set(known)
    return frozenset(found)


def reachable(module: str) -> dict[str, list[str]]:
    """Every module of `ucvgl` that importing one brings in -> the chain of imports that leads there."""
    chains = {module: [module]}
    for at in (waiting := [module]):
        for name in sorted(imported_modules(at)):
            if name not in chains:
                chains[name] = [*chains[at], name]
                waiting.append(name)
    return chains


def python_files(*folders: str) -> list[Path]:
    """Every Python file in some folders of the repository."""
    return sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))
