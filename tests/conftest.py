"""Shape and type checks of the core, and an environment that every test can rely on."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

settings.register_profile("any machine", deadline=None)  # a busy machine is no failure
settings.load_profile("any machine")

CORE = ("projection", "gan", "model", "contrast", "matching", "retrieval", "data", "localize", "types")
install_import_hook([f"ucvgl.{name}" for name in CORE], "shape_checks.checked")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in tests/ray starts Ray."""
    for item in items:
        if "ray" in Path(item.path).relative_to(Path(__file__).parent).parts[:-1]:
            item.add_marker(pytest.mark.ray)
