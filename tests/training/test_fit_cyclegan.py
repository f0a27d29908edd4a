import functools
import math

import numpy as np
import pytest
import torch

import ucvgl.training.fit_cyclegan
from ucvgl.images.image_store import ImageStore, write_shard
from ucvgl.networks.generator import load_generator, translate
from ucvgl.settings.experiment import Translation
from ucvgl.training.fit_cyclegan import draw, fit_cyclegan
from ucvgl.training.loop import run_steps

SETTINGS = Translation(channels=8, blocks=1, steps=60, batch=4)


@pytest.fixture
def stores(tmp_path):
    """Bird's-eye views of one palette and tiles of another, in no common order."""
    rng = np.random.default_rng(0)
    for name, colour in (("bev", (60, 120, 200)), ("tiles", (150, 140, 60))):
        pattern = np.kron(rng.integers(-40, 41, (12, 4, 4, 1)), np.ones((1, 4, 4, 1)))
        pictures = (np.array(colour) + pattern).astype(np.uint8)
        write_shard(tmp_path / name, 0, [f"{name}{row}" for row in range(12)], pictures)
    return tmp_path / "bev", tmp_path / "tiles"


def fit(folder, stores, log=lambda **_: None, settings=SETTINGS):
    folder.mkdir(exist_ok=True)
    fit_cyclegan(folder, *stores, settings=settings, seed=3, device=torch.device("cpu"), log=log)
    return {path.name: path for path in folder.iterdir()}


def test_the_palette_of_the_tiles_is_learned_and_the_pattern_is_kept(tmp_path, stores, monkeypatch):
    monkeypatch.setattr(ucvgl.training.fit_cyclegan, "LEARNING_RATE", 2e-3)  # ten times as fast
    made = fit(tmp_path / "fit", stores)
    assert set(made) == {"to_tile.pt"}
    bev, tiles = (ImageStore(store).read(range(12)).astype(float) for store in stores)
    fakes = translate(load_generator(made["to_tile.pt"]), bev.astype(np.uint8)).astype(float)

    def away(one, other):
        return np.abs(one.mean((0, 1, 2)) - other.mean((0, 1, 2))).mean()

    assert away(fakes, tiles) < 0.7 * away(bev, tiles)
    assert np.corrcoef(fakes.mean(3).ravel(), bev.mean(3).ravel())[0, 1] > 0.4


def test_a_broken_off_training_goes_on_and_ends_as_an_undisturbed_one(tmp_path, stores, monkeypatch):
    settings = Translation(channels=4, blocks=1, steps=20, batch=4)  # the pools are full after 13
    whole = fit(tmp_path / "whole", stores, settings=settings)
    every_step = functools.partial(run_steps, log_seconds=0.0, checkpoint_seconds=0.0, checkpoint_share=math.inf)
    monkeypatch.setattr(ucvgl.training.fit_cyclegan, "run_steps", every_step)

    def stop_at_16(**row):
        if row["step"] == 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "broken", stores, stop_at_16, settings)
    rows = []
    again = fit(tmp_path / "broken", stores, lambda **row: rows.append(row), settings)
    assert rows[0]["step"] == 16
    assert set(again) == set(whole)
    for name in whole:
        states = [torch.load(each[name])["state"] for each in (whole, again)]
        for weights in states[0]:
            assert torch.equal(states[0][weights], states[1][weights]), (name, weights)


def test_workers_draw_their_rows_of_one_batch(stores):
    store = ImageStore(stores[0])
    parts = [draw(store, 8, np.random.default_rng(5), rows) for rows in (slice(0, 8), slice(0, 3), slice(3, 8))]
    assert torch.equal(parts[0], torch.cat(parts[1:]))
    plain = draw(store, 8, np.random.default_rng(5), slice(0, 8))
    pictures = torch.from_numpy(store.read(range(12))).permute(0, 3, 1, 2) / 127.5 - 1
    kinds = {
        "plain": sum(any(torch.allclose(one, other) for other in pictures) for one in plain),
        "mirrored": sum(any(torch.allclose(one, other.flip(2)) for other in pictures) for one in plain),
    }
    assert min(kinds.values()) > 0 and sum(kinds.values()) == 8
