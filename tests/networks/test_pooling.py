import numpy as np
import pytest
import torch

from ucvgl.networks.pooling import GeM, moments


def test_gem_with_power_one_is_the_mean_and_with_a_large_power_the_largest_magnitude():
    patches = torch.tensor([[[1.0, -1.0], [3.0, -5.0]]])
    assert torch.allclose(GeM(1)(patches), patches.mean(1))
    assert torch.allclose(GeM(20)(patches), torch.tensor([[3.0, -5.0]]), rtol=0.05)


def test_gem_does_not_lose_what_is_negative():
    patches = torch.randn(4, 9, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(GeM(3)(-patches), -GeM(3)(patches))
    naive = [np.cbrt(np.mean(np.sign(x) * np.abs(x) ** 3)) for x in patches[0].T.numpy()]
    np.testing.assert_allclose(GeM(3)(patches)[0].numpy(), naive)


def test_moments_are_the_mean_of_disc_and_rim_and_the_deviation_of_every_map():
    one, other = torch.randn(2, 3, 8, 8), torch.randn(2, 2, 5, 7)
    found = moments([one, other])
    for number in range(2):
        parts = []
        for some in (one[number], other[number]):
            channels, height, width = some.shape
            disc, rim = [], []
            for row in range(height):
                for column in range(width):
                    down, right = (2 * row + 1) / height - 1, (2 * column + 1) / width - 1
                    (disc if (down**2 + right**2) ** 0.5 < 0.6 else rim).append(some[:, row, column])
            means = [torch.stack(group).mean(0) for group in (disc, rim)]
            parts += [part / part.norm() for part in (*means, some.reshape(channels, -1).std(1, correction=0))]
        torch.testing.assert_close(found[number], torch.cat(parts) / 6**0.5)


@pytest.mark.parametrize("side", [1, 2])
def test_a_map_too_small_for_a_rim_has_none(side):
    found = moments([torch.ones(1, 3, side, side)])
    torch.testing.assert_close(found, torch.tensor([[1.0] * 3 + [0.0] * 6]) / 3**0.5)


def test_moments_of_a_turned_map_are_the_same():
    maps = torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(moments([maps.rot90(1, (2, 3))]), moments([maps]))
