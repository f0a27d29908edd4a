import functools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import ucvgl.training.fit_towers
from ucvgl.images.image_store import ImageStore, write_shard
from ucvgl.networks.towers import TwoTowers, View, embed, load_towers, save_towers
from ucvgl.projection.birdseye import BirdsEye
from ucvgl.settings.experiment import Contrast, Model
from ucvgl.training.augment import Draws
from ucvgl.training.batches import Pairs
from ucvgl.training.fit_towers import augment, fit_towers, schedule
from ucvgl.training.infonce import info_nce
from ucvgl.training.loop import run_steps

PLACES = 24
SETTINGS = Contrast(
    batch=PLACES, shift=0.0, rotate_deg=0.0, tone=0.0, average_decay=0.8
)


@pytest.fixture
def world(tmp_path):
    """Places of coloured sectors, seen as a panorama and from above."""
    sectors = np.random.default_rng(0).integers(0, 256, (PLACES, 2, 8, 3), dtype=np.uint8)
    panoramas = np.kron(sectors, np.ones((1, 8, 8, 1), np.uint8))
    project = BirdsEye(16, 16, 64, fov_deg=150.0)
    ids = [f"place{number:02d}" for number in range(PLACES)]
    write_shard(tmp_path / "queries", 0, ids, panoramas)
    write_shard(tmp_path / "references", 0, ids, np.stack([project(panorama) for panorama in panoramas]))
    torch.manual_seed(0)
    (tmp_path / "start").mkdir()
    towers = TwoTowers(Model(channels=16, safa_heads=2), (16, 64), (16, 16), temperature=0.1)
    save_towers(towers, tmp_path / "start" / "model.pt")
    return tmp_path


@pytest.fixture
def still(monkeypatch):
    """Images as they are, but for what `Contrast` says."""
    for name, nothing in (("QUARTERS", 1), ("MIRRORED", 0.0), ("SCALE", 0.0), ("HOLES", 0)):
        monkeypatch.setattr(ucvgl.training.fit_towers, name, nothing)


def pairs_of(world, *views, name="label") -> Pairs:
    folder = {"query": world / "queries", "reference": world / "references"}
    rows = np.arange(PLACES)
    return Pairs(name, views, tuple(folder[view] for view in views), rows, rows)


def fit(world, into, *, start="start", epochs=2, sources=None, settings=SETTINGS, log=lambda **_: None, **span):
    folder = world / into
    folder.mkdir(exist_ok=True)
    sources = [pairs_of(world, "query", "reference")] if sources is None else sources
    fit_towers(
        folder,
        world / start,
        sources,
        name="stage",
        epochs=epochs,
        settings=settings,
        seed=7,
        device=torch.device("cpu"),
        log=log,
        **span,
    )
    return folder


def weights_of(folder) -> dict[str, torch.Tensor]:
    return load_towers(folder / "model.pt").state_dict()


def assert_equal_weights(one, other):
    for name, weights in weights_of(one).items():
        assert torch.equal(weights, weights_of(other)[name]), name


def test_training_brings_the_two_views_of_a_place_together(world, still):
    def found(folder):
        towers, rows = load_towers(folder / "model.pt"), range(PLACES)
        queries = embed(towers, ImageStore(world / "queries").read(rows), "query")
        references = embed(towers, ImageStore(world / "references").read(rows), "reference")
        return ((queries @ references.T).argmax(1) == rows).mean()

    rows = []
    folder = fit(world, "fit", epochs=40, log=lambda **row: rows.append(row))
    assert {path.name for path in folder.iterdir()} == {"model.pt", "trained.pt"}
    assert rows[-1]["step"] == rows[-1]["steps"] == 40
    assert {"label_loss", "label_hits", "gradient"} <= set(rows[-1])
    assert found(world / "start") < 0.2
    assert found(folder) > 0.7


def test_query_reference_and_fake_are_each_contrasted_with_the_other_two(world, still):
    pairs = replace(pairs_of(world, "query", "reference"), fakes=world / "fakes", fake_label_smoothing=0.4)
    fakes = 255 - ImageStore(world / "references").read(range(PLACES))
    write_shard(world / "fakes", 0, ImageStore(world / "queries").ids.tolist(), fakes)
    rows = []
    fit(world, "fit", sources=[pairs], epochs=1, log=lambda **row: rows.append(row))
    towers = load_towers(world / "start" / "model.pt")
    views = {"queries": "query", "references": "reference", "fakes": "reference"}
    images = {name: ImageStore(world / name).read(range(PLACES)) for name in views}
    seen = {name: torch.from_numpy(embed(towers, images[name], view)) for name, view in views.items()}
    told = {("queries", "references"): 0.1, ("fakes", "references"): 0.1, ("queries", "fakes"): 0.4}
    scale = towers.logit_scale
    loss = sum(info_nce(seen[a], seen[b], scale, label_smoothing=smooth).item() for (a, b), smooth in told.items())
    assert rows[-1]["label_loss"] == pytest.approx(loss, abs=1e-4)


def test_a_broken_off_training_goes_on_and_ends_as_an_undisturbed_one(world, monkeypatch):
    sources = [
        pairs_of(world, "query", "reference"),
        pairs_of(world, "query", "query", name="panorama"),
        pairs_of(world, "reference", "reference", name="tile"),
        replace(pairs_of(world, "query", "reference", name="three"), fakes=world / "references"),
    ]
    augmented = Contrast(batch=12)
    whole = fit(world, "whole", sources=sources, epochs=1, settings=augmented)
    every_step = functools.partial(run_steps, log_seconds=0.0, checkpoint_seconds=0.0, checkpoint_share=math.inf)
    monkeypatch.setattr(ucvgl.training.fit_towers, "run_steps", every_step)

    def stop_at_4(**row):
        if row["step"] == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(world, "broken", sources=sources, epochs=1, settings=augmented, log=stop_at_4)
    rows = []
    report = {"log": lambda **row: rows.append(row)}
    again = fit(world, "broken", sources=sources, epochs=1, settings=augmented, **report)
    assert [row["step"] for row in rows] == [4, 5, 6, 7, 8]
    assert_equal_weights(again, whole)


def test_the_next_stage_goes_on_from_the_weights_and_not_from_their_average(world):
    first = fit(world, "first")
    trained = torch.load(first / "trained.pt")
    still = Contrast(batch=12, learning_rate=0.0, average_decay=0.0)
    fit(world, "second", start="first", epochs=1, settings=still)
    for name, weights in weights_of(world / "second").items():
        assert torch.equal(weights, trained["towers"][name]), name
    assert any(not torch.equal(weights, trained["towers"][name]) for name, weights in weights_of(first).items())


def test_intra_view_contrast_leaves_the_other_encoder_alone(world):
    folder = fit(world, "tiles", epochs=1, sources=[pairs_of(world, "reference", "reference")])
    before, after = weights_of(world / "start"), weights_of(folder)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not {name for name in changed if name.startswith("query_encoder")}


@pytest.mark.parametrize("joined", [False, True])
def test_what_sees_panoramas_begins_with_the_layers_that_tiles_taught(world, joined):
    towers = load_towers(world / "start" / "model.pt")
    towers.panorama_share = 0.5 if joined else 0.0
    save_towers(towers, world / "start" / "model.pt")
    fit(world, "tiles", epochs=3, sources=[pairs_of(world, "reference", "reference")])
    folder = fit(world, "both", start="tiles", settings=replace(SETTINGS, learning_rate=0.0, average_decay=0.0))
    assert load_towers(folder / "model.pt").panorama_share == 0.5
    weights = weights_of(folder)
    seen = {name: torch.equal(weights[name], weights[name.replace("query", "reference")])
            for name in weights if name.startswith("query_encoder.backbone") and weights[name].ndim > 1}  # fmt: skip
    assert set(seen.values()) == {not joined}


def test_running_statistics_are_kept_with_the_average(world, monkeypatch):
    """In float32: PyTorch 2.14's convolutions in bfloat16 read memory that nobody wrote where a map is one cell."""
    float32 = torch.autocast("cpu", enabled=False)
    monkeypatch.setattr(ucvgl.training.fit_towers, "mixed_precision", lambda _: float32)
    towers = TwoTowers(Model(backbone="resnet10t", aggregation="mean"), (16, 64), (16, 16))
    save_towers(towers, world / "start" / "model.pt")
    folder = fit(world, "normalised", epochs=1)
    trained = torch.load(folder / "trained.pt")
    name = "query_encoder.backbone.network.bn1.running_mean"
    assert trained["towers"][name].abs().max() > 0
    assert torch.equal(weights_of(folder)[name], trained["towers"][name])


def test_a_training_that_blows_up_stops_at_the_step_and_lists_its_places(world, monkeypatch):
    monkeypatch.setattr(ucvgl.training.fit_towers, "CLIP_GRADIENT", 1e30)
    hot = Contrast(batch=PLACES, learning_rate=1e30)
    with pytest.raises(ValueError, match=r"stage, step \d+: .*label_loss is nan.* listed in .*\.not_finite\.jsonl"):
        fit(world, "hot", epochs=20, settings=hot)
    row = json.loads((world / "hot" / "stage.not_finite.jsonl").read_text())
    assert row["pairs"] == "label"
    assert [sorted(ids) for ids in row["ids"]] == 2 * [[f"place{number:02d}" for number in range(PLACES)]]


def test_a_backbone_that_knows_its_batch_is_not_fed_in_parts(world):
    towers = TwoTowers(Model(backbone="resnet10t", aggregation="mean"), (16, 64), (16, 16))
    save_towers(towers, world / "start" / "model.pt")
    with pytest.raises(ValueError, match=r"^resnet10t normalises over a batch \(query_encoder.*resources.train_rows 0"):
        fit(world, "parts", rows_at_once=4)


def test_a_picture_of_unknown_heading_stays_upright_while_its_tile_is_turned_by_any_angle(still):
    settings = replace(SETTINGS, heading="unknown", rotate_deg=6.0)
    across = torch.linspace(0, 1, 32).expand(200, 3, 32, 32).contiguous()  # brightness rises to the east

    def seen(view: View) -> torch.Tensor:
        draws = Draws((3,), len(across), slice(None))
        zeros = torch.zeros(len(across), dtype=torch.int64)
        return augment(across, view, draws, zeros, zeros > 0, settings)

    torch.testing.assert_close(seen("query"), across)
    middle = seen("reference")[:, 0, 11:21, 11:21].double()
    east, north = middle.diff(dim=2).mean((1, 2)), -middle.diff(dim=1).mean((1, 2))
    angles = torch.atan2(north, east).rad2deg()
    assert np.histogram(angles, bins=8, range=(-180, 180))[0].min() > 10


def test_the_learning_rate_rises_and_then_falls_to_nothing():
    rates = [schedule(step / 1000) for step in range(1001)]
    top = rates.index(max(rates))
    assert top == 20
    assert rates[0] < 0.1
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[20] == pytest.approx(1)
    assert rates[510] == pytest.approx(0.5)
    assert rates[1000] == pytest.approx(0, abs=1e-12)
