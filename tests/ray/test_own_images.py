"""The preset for one's own images with a network of timm, from images to report: in one process, without Ray."""

from __future__ import annotations

from pathlib import Path

import pytest
from one_job import Job
from rendered_world import rendered_world

from ucvgl.networks.towers import load_towers

pytestmark = pytest.mark.slow

SMALLER = (
    *("--dataset.panorama-height=32", "--dataset.panorama-width=64", "--dataset.tile-size=32"),
    *("--translation.fake=true", "--translation.steps=2", "--translation.batch=2", "--translation.channels=4"),
    *("--translation.blocks=1", "--model.backbone=convnext_atto", "--model.pretrained=false", "--model.safa-heads=2"),
    "--contrast.batch=64",
    *("--cold-start.intra-epochs=1", "--cold-start.intra-steps=0", "--cold-start.cross-epochs=1"),
    *("--curriculum.rounds=1", "--curriculum.panoramas-after=0", "--curriculum.round-steps=0"),
    *("--curriculum.verified=2", "--evaluation.verified=2"),
)


def test_a_network_of_timm_goes_through_every_stage(shared_folder: Path, tmp_path: Path) -> None:
    (world,) = rendered_world(shared_folder, tmp_path / "rendered").iterdir()
    run = tmp_path / "run"
    printed = Job(world, tmp_path, alone=True, preset="folder").finish(run, *SMALLER)
    assert len([*run.glob("[1-6]_*/DONE.json")]) == 6
    folders = ("4_cold_start", "5_curriculum/round_00")
    start, end = (dict(load_towers(run / one / "model.pt", "cpu").named_parameters()) for one in folders)
    assert "query_encoder.backbone.network.stem.0.weight" in end
    still = [name for name, weights in end.items() if weights.equal(start[name])]
    assert all(".head.norm." in name for name in still), "only what follows timm's last map has nothing to learn"
    assert printed[-1].startswith("no ground truth, so no recall")
