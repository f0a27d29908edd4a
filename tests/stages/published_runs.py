"""Copies of the published data sets through the stages that read them: catalog, project, evaluate."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from tests.images.published import write_cvact, write_cvusa, write_university1652, write_vigor
from ucvgl.distributed.machines import Crew
from ucvgl.images.image_store import ImageStore
from ucvgl.networks.towers import save_towers
from ucvgl.settings.experiment import Experiment, Model
from ucvgl.settings.presets import PRESETS
from ucvgl.stages.catalog import catalog, read_catalogs
from ucvgl.stages.cold_start import new_towers
from ucvgl.stages.evaluate import evaluate, read_recall
from ucvgl.stages.project import project

USES = {
    "cvusa": (write_cvusa, "default", "CVUSA validation, one true tile", set()),
    "cvact": (write_cvact, "test", "CVACT test, any tile within 5 m", {"R@1 (own tile)"}),
    "vigor": (write_vigor, "same_area", "VIGOR same-area validation", {"hit rate"}),
    "university1652": (
        write_university1652,
        "satellite_to_drone",
        "University-1652 satellite to drone validation",
        {"AP (trapezoid)", "AP (plain)"},
    ),
}


def small(name: str, root: Path) -> Experiment:
    """The preset on a copy of its data set, at a size and with a network for tests."""
    experiment, (write, protocol, _, _) = PRESETS[name](), USES[name]
    dataset = replace(experiment.dataset, root=str(write(root)), protocol=protocol)
    dataset = replace(dataset, panorama_height=16, panorama_width=32, tile_size=32)
    return replace(experiment, dataset=dataset, model=Model(channels=16, safa_heads=2))


def make(stage, folder: Path, **made) -> Path:
    folder.mkdir()
    stage(folder, **made)
    return folder


def scored_untrained(run: Path, projected: Path, experiment: Experiment, machines: Crew) -> Path:
    """What evaluation says of encoders that never learned."""
    cold, trained = run / "4_cold_start", run / "5_curriculum"
    for folder in (cold, trained):
        folder.mkdir()
    save_towers(new_towers(experiment), cold / "model.pt")
    made = {"projected": projected, "cold": cold, "trained": trained, "machines": machines}
    return make(evaluate, run / "6_evaluate", experiment=experiment, **made)


def check(name: str, tmp_path: Path, crew: Callable[[Experiment], AbstractContextManager[Crew]]) -> None:
    """The data set is listed, projected and scored by its protocol."""
    experiment = small(name, tmp_path / "data")
    listed = make(catalog, tmp_path / "1_catalog", experiment=experiment)
    with crew(experiment) as machines:
        projected = make(project, tmp_path / "2_project", catalogs=listed, experiment=experiment, machines=machines)
        for split, piles in read_catalogs(listed).items():
            assert ImageStore(projected / split / "queries").ids.tolist() == piles.queries["id"].to_pylist()
            assert ImageStore(projected / split / "bev").ids.tolist() == piles.queries["id"].to_pylist()
            assert ImageStore(projected / split / "references").ids.tolist() == piles.references["id"].to_pylist()
        scored = scored_untrained(tmp_path, projected, experiment, machines)
    reached, raw = read_recall(scored)
    _, _, words, more = USES[name]
    assert reached is not None
    validation = read_catalogs(listed)["validation"]
    assert (reached.queries, reached.references) == (validation.queries.num_rows, validation.references.num_rows)
    assert reached.protocol.startswith(words) and reached.protocol.endswith(", ties count against")
    assert more <= set(reached.more) and bool(more) == bool(reached.more)
    assert f"{reached.queries} queries x {reached.references} references; protocol: {words}" in str(reached)
    assert set(raw) == {"colour", "edges", "structure", "colour_search", "edges_search"}
    shown = pq.read_table(scored / "retrievals.parquet").to_pylist()
    assert all(row["right"][0] == (row["rank"] == 0) for row in shown)
