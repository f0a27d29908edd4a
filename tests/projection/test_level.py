"""How far from level a photo was taken: the network without PyTorch, the frame that it sees, and what it learns."""

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.projection.test_photo import sphere
from ucvgl.projection.level import FRAME, SEEN, SPREAD_DEG, Level, framed, middle, shapes
from ucvgl.settings.dataset import WorldLook
from ucvgl.training import fit_level
from ucvgl.training.fit_level import LevelNet, as_seen, turned_by
from ucvgl.world.snapshot import photo_in


def photos(count: int, hand_deg: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Photos of a bright sky over dark ground with things on it, and the pitch and roll of each."""
    random, found, hands = np.random.default_rng(seed), [], []
    for number in range(count):
        whole = np.full((128, 512, 3), 60, np.uint8)
        whole[:64] = 200
        for _ in range(40):  # houses on the horizon
            left, width, tall = random.integers(0, 480), random.integers(8, 30), random.integers(2, 14)
            whole[64 - tall : 66, left : left + width] = random.integers(80, 180, 3)
        whole = np.clip(whole + random.normal(0, 6, whole.shape), 1, 255).astype(np.uint8)
        photo, _ = photo_in(whole, WorldLook(photo_fov_deg=90), [seed, number], hand_deg=hand_deg)
        drawn = np.random.default_rng([seed, number])
        drawn.uniform(0, 360)
        hands.append(drawn.normal(0, hand_deg, 2))
        found.append(photo)
    return np.stack(found), np.array(hands)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(96, 128), (128, 96), (60, 128)]), st.floats(40, 120))
def test_numpy_says_what_pytorch_says(seed, size, fov_deg):
    torch.manual_seed(seed)
    net = LevelNet()
    photo = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    frame, shown = framed(photo, fov_deg, 90.0)
    both = torch.from_numpy(np.stack([middle(frame), middle(frame)[:, ::-1]])).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        as_is, mirrored = net(as_seen(both, torch.from_numpy(np.stack([shown, shown])))).numpy() * SPREAD_DEG
    told = Level.from_bytes(net.as_level(90.0).to_bytes(), "level.npz")(photo, fov_deg)
    assert told == pytest.approx(((as_is[0] + mirrored[0]) / 2, (as_is[1] - mirrored[1]) / 2), abs=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.floats(-8, 8), st.floats(-8, 8))
def test_a_frame_is_turned_as_a_camera_would_be(pitch, roll):
    """The oracle cuts the photo from the sphere with a hand that is held like that."""
    frames = []
    for hand in ((0.0, 0.0), (pitch, roll)):
        drawn = {"uniform": lambda *_: 30.0, "normal": lambda *_, hand=hand: hand}
        random = type("Hand", (np.random.Generator,), drawn)(np.random.PCG64())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(np.random, "default_rng", lambda _, random=random: random)
            photo, _ = photo_in(sphere(720), WorldLook(photo_fov_deg=80), [0])
        frames.append(framed(photo, 80.0, 80.0)[0])
    level = torch.from_numpy(frames[0].copy()).permute(2, 0, 1)[None].float()
    turned = turned_by(level, torch.tensor([[pitch, roll]]), 80.0)[0].permute(1, 2, 0).numpy()
    rows = slice(SEEN // 4, -SEEN // 4)  # what a level photo shows as well
    assert np.abs(turned - middle(frames[1]))[rows, rows].max() <= 3


def test_a_degree_is_as_large_in_every_frame_and_the_border_is_in_its_place():
    """A cross of lines 10 degrees from the middle, by cameras of other angles and the other way up."""
    for fov_deg, size in ((60.0, (300, 400)), (90.0, (300, 400)), (90.0, (400, 300)), (110.0, (480, 480))):
        focal = max(size) / 2 / math.tan(math.radians(fov_deg) / 2)
        photo = np.zeros((*size, 3), np.uint8)
        at = [round(side / 2 + focal * math.tan(math.radians(10))) for side in size]
        cv2.line(photo, (at[1], 0), (at[1], size[0]), (255, 255, 255), 5)
        frame, shown = framed(photo, fov_deg, 80.0)
        expected = FRAME / 2 * (1 + math.tan(math.radians(10)) / math.tan(math.radians(40)))
        line = frame[FRAME // 2, FRAME // 2 :, 0].argmax() + FRAME / 2 + 0.5
        assert abs(line - expected) <= 1
        scale = math.tan(math.radians(fov_deg) / 2) / math.tan(math.radians(40))
        assert shown == pytest.approx([min(1, scale * side / max(size)) for side in size], abs=0.01)


def test_a_network_learns_from_photos_of_unlevel_cameras_how_they_were_held(tmp_path, monkeypatch):
    monkeypatch.setattr(fit_level, "STEPS", 80)
    monkeypatch.setattr(fit_level, "BATCH", 32)
    shot, _ = photos(300, 2.0)
    frames, shown = zip(*(framed(photo, 90.0, 90.0) for photo in shot), strict=True)
    np.save(tmp_path / "frames.npy", np.stack(frames))
    np.save(tmp_path / "shown.npy", np.stack(shown))
    how = {"frame_deg": 90.0, "seed": 0, "device": torch.device("cpu"), "log": lambda **_: None}
    fit_level.fit_level(tmp_path, **how)
    level = Level.from_bytes((tmp_path / "level.npz").read_bytes(), "level.npz")
    others, hands = photos(60, 2.0, seed=1)
    errors = hands - np.array([level(photo, 90.0) for photo in others])
    assert (errors.std(0) < 0.5 * hands.std(0)).all(), "it saw no horizon"
    assert not list(tmp_path.glob("*.checkpoint"))


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", LevelNet().as_level(90.0).to_bytes()[:5000]],
    ids=["empty", "a zip's start", "cut off"],
)
def test_what_is_no_network_is_refused(content):
    with pytest.raises(ValueError, match=r"level.npz cannot be used \(.*\); make what it belongs to anew"):
        Level.from_bytes(content, "level.npz")


def test_a_network_of_other_numbers_is_refused():
    weights = [np.zeros(shape, np.float32) for shape in shapes()]
    Level(weights, 90.0)
    no_number = [*weights[:-1], np.full(2, np.nan, np.float32)]
    for wrong in (weights[:-1], no_number, [np.zeros(3, np.float32), *weights[1:]]):
        with pytest.raises(ValueError, match="how far from level a photo was taken"):
            Level(wrong, 90.0)
    with pytest.raises(ValueError, match="is damaged"):
        Level(weights, 180.0)
