"""A published data set through the stages that read it, on Ray; the others are in tests/stages/test_corpora.py."""

from __future__ import annotations

from pathlib import Path

from tests.stages.published_runs import check
from ucvgl.distributed.machines import Machines


def test_a_data_set_is_listed_projected_and_scored_by_its_protocol(cluster, tmp_path: Path) -> None:
    """VIGOR, of which a query has several true tiles."""
    check("vigor", tmp_path, lambda experiment: Machines(tmp_path, experiment.resources, lambda **numbers: None))
