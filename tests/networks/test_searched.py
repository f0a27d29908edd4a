"""Descriptors that are searched by: encoders, and the structure of the ground beside them."""

import numpy as np
import pytest
import torch

from ucvgl.images.image_store import write_shard
from ucvgl.images.mirror_images import mirror_images
from ucvgl.networks import searched
from ucvgl.networks.towers import TwoTowers, embed, load_towers, save_towers
from ucvgl.poses.structure import DIMENSION, SHRINKAGE, describe
from ucvgl.programs.grounded import ground_towers
from ucvgl.pseudo_labels.whitening import whitening
from ucvgl.settings.experiment import Model

SHARE = 0.4


@pytest.fixture
def images() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    sizes = {"queries": (16, 64), "bev": (16, 16), "references": (16, 16)}
    return {view: rng.integers(0, 256, (30, *size, 3), np.uint8) for view, size in sizes.items()}


@pytest.fixture
def towers(tmp_path, images) -> TwoTowers:
    torch.manual_seed(0)
    save_towers(TwoTowers(Model(channels=16, safa_heads=2, query="both"), (16, 64), (16, 16)), tmp_path / "drawn.pt")
    for view, some in images.items():
        write_shard(tmp_path / view, 0, [f"{number:02d}" for number in range(30)], some)
    stores = {"bevs": tmp_path / "bev", "tiles": tmp_path / "references"}
    how = {"share": SHARE, "device": torch.device("cpu"), "log": lambda **_: None}
    ground_towers(tmp_path / "drawn.pt", into=tmp_path / "model.pt", **stores, **how)
    return load_towers(tmp_path / "model.pt")


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_similarity_is_that_of_encoders_and_structure_by_their_shares(towers, images, tmp_path, share):
    towers.panorama_share = share
    save_towers(towers, tmp_path / "weighed.pt")
    towers = load_towers(tmp_path / "weighed.pt")
    asked = searched.queries(towers, images["queries"], images["bev"])
    found = searched.references(towers, images["references"])
    assert asked.shape == found.shape == (30, searched.dimension(towers)) == (30, towers.dimension + DIMENSION)
    seen = share * embed(towers, images["queries"], "query") + (1 - share) * embed(towers, images["bev"], "reference")
    seen /= np.linalg.norm(seen, axis=1, keepdims=True)
    sides = [describe(images[view]) for view in ("bev", "references")]
    structure = [whitening(side, shrinkage=SHRINKAGE)(side) for side in sides]
    expected = (1 - SHARE) * seen @ embed(towers, images["references"], "reference").T
    expected += SHARE * structure[0] @ structure[1].T
    np.testing.assert_allclose(asked @ found.T, expected, atol=1e-5)


def test_decoys_are_mirrored_in_both_parts(towers, images):
    tiles = images["references"]
    decoys = searched.references(towers, tiles, mirrored=True)
    np.testing.assert_allclose(decoys, searched.references(towers, mirror_images(tiles)), atol=1e-6)


def test_encoders_of_panoramas_alone_have_no_structure(images):
    alone = TwoTowers(Model(channels=16, safa_heads=2), (16, 64), (16, 16))
    assert searched.dimension(alone) == alone.dimension
    expected = embed(alone, images["queries"], "query")
    np.testing.assert_array_equal(searched.embed_seen(alone, images["queries"], "query"), expected)
