"""A frozen model and its adapter in one file describe as the two did in the run."""

import numpy as np
import pytest
import torch

from ucvgl.networks.adapted import Adapted, load_encoders, save_adapted
from ucvgl.networks.adapter import Adapter, adapted, save_adapter
from ucvgl.networks.export import export_towers
from ucvgl.networks.frozen import Frozen, save_frozen
from ucvgl.networks.towers import TwoTowers, embed, load_towers, save_towers
from ucvgl.settings.experiment import Adaptation, Model

PANORAMA, TILE = (16, 64), (16, 16)
MODEL = Model(channels=16, safa_heads=2)


def images(size, count=5):
    return np.random.default_rng(0).integers(0, 256, (count, *size, 3), dtype=np.uint8)


def make(folder, *, towers="one", turns=1):
    """The three files of a run, and what was written to them."""
    torch.manual_seed(0)
    frozen = Frozen(Adaptation(towers=towers, turns=turns), MODEL, TwoTowers(MODEL, PANORAMA, TILE))
    dimension = embed(frozen, images(TILE), "reference").shape[1]
    adapter = Adapter(dimension, 24)
    for numbers in [*adapter.parameters(), *adapter.buffers()]:
        numbers.data = torch.randn_like(numbers) * (0.1 if numbers.ndim == 2 else 0.02)
    save_frozen(frozen, folder / "frozen.pt")
    save_adapter(adapter, folder / "adapter.pt")
    parts = {"frozen": folder / "frozen.pt", "adapter": folder / "adapter.pt"}
    save_adapted(folder / "model.pt", **parts, query_size=PANORAMA, reference_size=TILE)
    return folder / "model.pt", frozen, adapter


@pytest.mark.parametrize("turns", [1, 4])
@pytest.mark.parametrize("towers", ["one", "two"])
def test_images_are_described_as_by_both_one_after_the_other(tmp_path, towers, turns):
    path, frozen, adapter = make(tmp_path, towers=towers, turns=turns)
    model = load_encoders(path)
    assert isinstance(model, Adapted) and model.from_above == (towers == "one")
    assert (model.query_size, model.reference_size, model.dimension) == (PANORAMA, TILE, 24 * turns)
    for view in ("query", "reference"):
        shown = "query" if view == "query" and towers == "two" else "reference"
        given = images(PANORAMA if shown == "query" else TILE)
        described = torch.from_numpy(embed(frozen, given, shown, turns=turns)).unflatten(1, (turns, -1)) * turns**0.5
        expected = adapted(adapter, described, view).detach().numpy()
        found = embed(model, given, view)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_file_is_loaded_as_what_it_holds(tmp_path):
    path, _, _ = make(tmp_path)
    save_towers(TwoTowers(MODEL, PANORAMA, TILE), tmp_path / "towers.pt")
    kinds = {"model.pt": Adapted, "frozen.pt": Frozen, "towers.pt": TwoTowers}
    assert {name: type(load_encoders(tmp_path / name)) for name in kinds} == kinds
    with pytest.raises(ValueError, match="this model was adapted: .* name the run it was made of"):
        load_towers(path)


def test_it_is_exported_like_any_other(tmp_path):
    path, _, _ = make(tmp_path, turns=2)
    model = load_encoders(path)
    assert isinstance(model, Adapted)
    differences = export_towers(model, tmp_path / "out", "torch")
    assert set(differences) == {"query", "reference"} and max(differences.values()) < 1e-4
    about = (tmp_path / "out" / "preprocessing.json").read_text()
    assert "bird's-eye view" in about
