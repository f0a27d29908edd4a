import numpy as np
import pytest
import torch

from ucvgl.projection.birdseye import BirdsEye
from ucvgl.training.augment import Draws, erase, shake_panorama, tone, turn_panorama, warp_tile

STILL = {"shift": 0.0, "rotate_deg": 0.0, "scale": 0.0}


def images(n: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed))


def draws(n: int, seed: int = 0) -> Draws:
    return Draws((seed,), n, slice(0, n))


def projected(panoramas: torch.Tensor) -> np.ndarray:
    project = BirdsEye(32, *panoramas.shape[2:], fov_deg=150.0)
    views = [project((255 * image).round().byte().permute(1, 2, 0).numpy()) for image in panoramas]
    return np.stack(views).astype(np.float64) / 255


def test_panorama_and_tile_turn_and_mirror_together():
    """All eight: the bird's-eye view of the changed panorama is the changed bird's-eye view."""
    quarters, flip = torch.arange(8) % 4, torch.arange(8) >= 4
    panorama = images(1, 4, 8).repeat_interleave(16, 2).repeat_interleave(16, 3).expand(8, -1, -1, -1)
    bev = torch.from_numpy(projected(panorama)).permute(0, 3, 1, 2).float()
    turned = projected(turn_panorama(panorama, quarters, flip))
    warped = warp_tile(bev, draws(8), quarters=quarters, flip=flip, **STILL).permute(0, 2, 3, 1).numpy()
    # cv2 rounds the sampling points to 1/32 pixel, which shows at the hard edges of this panorama.
    for number in range(8):
        error = np.abs(turned[number] - warped[number])
        wrong = [np.abs(turned[number] - warped[other]).mean() for other in range(8) if other != number]
        assert error.mean() < 0.01
        assert error.mean() < 0.1 * min(wrong)


def test_turning_a_tile_moves_whole_pixels():
    tile = images(1, 6, 6)
    for quarters in range(4):
        arguments = {"quarters": torch.tensor([quarters]), **STILL}
        plain = warp_tile(tile, draws(1), flip=torch.tensor([False]), **arguments)
        torch.testing.assert_close(plain, tile.rot90(quarters, (2, 3)), atol=1e-5, rtol=0)
        mirrored = warp_tile(tile, draws(1), flip=torch.tensor([True]), **arguments)
        torch.testing.assert_close(mirrored, tile.flip(3).rot90(quarters, (2, 3)), atol=1e-5, rtol=0)


def test_turning_a_panorama_rolls_its_columns_to_the_left_after_mirroring():
    panorama = images(1, 3, 8)
    for quarters in range(4):
        plain = turn_panorama(panorama, torch.tensor([quarters]), torch.tensor([False]))
        assert torch.equal(plain, panorama.roll(-2 * quarters, 3))
        mirrored = turn_panorama(panorama, torch.tensor([quarters]), torch.tensor([True]))
        assert torch.equal(mirrored, panorama.flip(3).roll(-2 * quarters, 3))


def test_a_shaken_panorama_is_rolled_within_its_limit():
    panorama = images(1, 1, 360).expand(64, -1, -1, -1)
    shaken = shake_panorama(panorama, draws(64), rotate_deg=6.0)
    turns = [next(turn for turn in range(-7, 8) if torch.equal(one, panorama[0].roll(-turn, 2))) for one in shaken]
    assert -6 <= min(turns) < -3
    assert 3 < max(turns) <= 6


@pytest.mark.parametrize("split", [[7], [3, 4], [1, 1, 5], [0, 7]])
def test_a_global_batch_is_drawn_alike_however_it_is_split(split):
    def all_kinds(rows: slice) -> list[torch.Tensor]:
        drawn = Draws((3, 141), 7, rows)
        tiles = images(7, 16, 16)[rows]
        quarters, flip = drawn.choice(4), drawn.chance(0.5)
        warped = warp_tile(tiles, drawn, quarters=quarters, flip=flip, shift=0.1, rotate_deg=5, scale=0.1)
        toned = tone(warped, drawn, 0.4)
        return [
            quarters,
            flip,
            drawn.uniform(2),
            drawn.normal(3),
            toned,
            erase(toned, drawn, holes=2, largest=0.5),
        ]

    whole = all_kinds(slice(0, 7))
    ends = np.cumsum([0, *split])
    parts = [all_kinds(slice(*rows)) for rows in zip(ends, ends[1:], strict=False)]
    for value, *pieces in zip(whole, *parts, strict=True):
        torch.testing.assert_close(torch.cat(pieces), value, atol=1e-6, rtol=0)


def test_other_seeds_draw_other_numbers():
    seeds = [(0, 1), (1, 0), (0, 2), (2, 0), (0,), (1,)]
    drawn = {tuple(Draws(seed, 4, slice(0, 4)).uniform().tolist()) for seed in seeds}
    assert len(drawn) == len(seeds)


def test_without_strength_the_tones_stay():
    tiles = images(2, 8, 8)
    torch.testing.assert_close(tone(tiles, draws(2), 0.0), tiles, atol=1e-6, rtol=0)
    assert not torch.allclose(tone(tiles, draws(2), 0.4), tiles, atol=0.05)


def test_holes_are_filled_with_the_mean_and_the_rest_stays():
    tiles = images(32, 20, 20)
    erased = erase(tiles, draws(32), holes=2, largest=0.5)
    changed = (erased != tiles).any(1)
    assert 0.01 < changed.float().mean() < 0.3
    means = tiles.mean((2, 3), keepdim=True).expand_as(tiles)
    torch.testing.assert_close(erased[changed[:, None].expand_as(tiles)], means[changed[:, None].expand_as(tiles)])
    assert torch.equal(erase(tiles, draws(32), holes=0, largest=0.5), tiles)


def test_what_is_not_shown_stays_black():
    framed = images(2, 8, 16) * 0.5 + 0.2
    framed[..., 8:] = 0
    toned, erased = tone(framed, draws(2), 0.8), erase(framed, draws(2), holes=3, largest=0.5)
    assert not toned[..., 8:].any() and toned[..., :8].any(1).all()
    mean = framed[..., :8].mean((2, 3), keepdim=True)
    assert not erased[..., 8:].any() and (erased != framed).any()
    assert ((erased - framed).abs() * (erased - mean).abs() < 1e-6).all(), "as it was, or the mean of what is shown"
