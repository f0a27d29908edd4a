"""What may come from outside is read through one door each, which knows what it expects (`docs/reliability.md`)."""

from __future__ import annotations

import ast

import pytest
from source_tree import imported_names, module_files

TABLES, WEIGHTS, NUMBERS = "ucvgl.files.tables", "ucvgl.networks.saved", "ucvgl.files.plain"


def attributes(module: str) -> set[str]:
    """Every `a.b` in a module, by its last two names."""
    tree = ast.parse(module_files()[module].read_text())
    found = {node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)}
    return {f"{node.value.id}.{node.attr}" for node in found if isinstance(node.value, ast.Name)}


def test_parquet_is_read_and_written_by_one_module() -> None:
    importers = {module for module in module_files() if "pyarrow.parquet" in imported_names(module_files()[module])}
    assert importers == {TABLES}


def test_arrow_files_are_opened_by_one_module() -> None:
    openers = {module for module in module_files() if f"ipc.{'open_file'}" in module_files()[module].read_text()}
    assert openers == {TABLES}


def test_weights_are_loaded_by_one_module() -> None:
    loaders = {module for module in module_files() if "torch.load" in attributes(module)}
    assert loaders <= {WEIGHTS, "ucvgl.networks.backbone"} and WEIGHTS in loaders  # backbones of others come bare


def test_arrays_are_loaded_by_one_module() -> None:
    """Elsewhere from memory, or from what a worker has just written."""
    loaders = {module for module in module_files() if "np.load" in attributes(module)}
    others = {"ucvgl.atomic", "ucvgl.projection.level"}
    assert loaders <= {NUMBERS, *others} and NUMBERS in loaders


@pytest.mark.parametrize("word", ["pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib"])
def test_nothing_unpickles(word: str) -> None:
    assert not [module for module in module_files() if word in imported_names(module_files()[module])]


def test_pandas_and_ray_read_no_table() -> None:
    """They would read what the door refuses."""
    for module in module_files():
        used = {f"{root}.read_{kind}" for root in ("pd", "pandas", "data") for kind in ("parquet", "feather", "pickle")}
        assert not attributes(module) & used, module
