from copy import deepcopy

import pytest
import torch

from ucvgl.settings.experiment import Translation
from ucvgl.training.cyclegan import (
    Discriminators,
    Generators,
    ImagePool,
    Translated,
    discriminator_loss,
    generator_loss,
    least_squares,
)

SMALL = Translation(channels=4, blocks=1)


def images(n: int, seed: int) -> torch.Tensor:
    return torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_the_losses_are_those_of_the_paper():
    made = Translated(*(images(2, seed) for seed in range(6)))
    bev, tile = images(2, 10), images(2, 11)
    scores = [torch.rand(2, 1, 2, 2, generator=torch.Generator().manual_seed(seed)) for seed in range(4)]

    def away(one, other):
        return (one - other).abs().mean().item()

    expected = (
        ((scores[0] - 1) ** 2).mean().item()
        + ((scores[1] - 1) ** 2).mean().item()
        + 10 * (away(made.cycled_bev, bev) + away(made.cycled_tile, tile))
        + 10 * 0.5 * (away(made.same_tile, tile) + away(made.same_bev, bev))
    )
    assert generator_loss(made, bev, tile, (scores[0], scores[1])).item() == pytest.approx(expected)

    expected = 0.5 * sum(
        ((real - 1) ** 2).mean().item() + (fake**2).mean().item()
        for real, fake in zip(scores[:2], scores[2:], strict=True)
    )
    found = discriminator_loss((scores[0], scores[1]), (scores[2], scores[3]))
    assert found.item() == pytest.approx(expected)
    assert least_squares(torch.tensor([0.0, 1.0, 3.0]), 1.0).item() == pytest.approx(5 / 3)


def test_each_generator_works_in_its_own_direction():
    torch.manual_seed(0)
    generators = Generators(SMALL)
    for generator in (generators.to_tile, generators.to_bev):
        torch.nn.init.normal_(generator.layers[-2].weight, std=0.1)
    bev, tile = images(2, 0), images(2, 1)
    made = generators(bev, tile)
    to_tile, to_bev = generators.to_tile, generators.to_bev
    torch.testing.assert_close(made.fake_tile, to_tile(bev))
    torch.testing.assert_close(made.fake_bev, to_bev(tile))
    torch.testing.assert_close(made.cycled_bev, to_bev(to_tile(bev)))
    torch.testing.assert_close(made.cycled_tile, to_tile(to_bev(tile)))
    torch.testing.assert_close(made.same_tile, to_tile(tile))
    torch.testing.assert_close(made.same_bev, to_bev(bev))
    judges = Discriminators(SMALL)
    scores = judges(tile, bev)
    torch.testing.assert_close(scores[0], judges.tile(tile))
    torch.testing.assert_close(scores[1], judges.bev(bev))


def numbered(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float32)[:, None, None, None].expand(-1, 3, 2, 2).clone()


def numbers_of(pictures: torch.Tensor) -> list[int]:
    return pictures[:, 0, 0, 0].int().tolist()


def test_a_full_pool_gives_out_old_fakes_for_half_of_the_new_ones():
    pool, generator = ImagePool(capacity=6), torch.Generator().manual_seed(0)
    assert numbers_of(pool.swap(numbered(0, 1, 2, 3), generator)) == [0, 1, 2, 3]
    assert numbers_of(pool.swap(numbered(4, 5, 6, 7), generator)) == [4, 5, 6, 7]
    assert numbers_of(pool.images) == [0, 1, 2, 3, 4, 5]
    given = numbers_of(pool.swap(numbered(10, 11, 12, 13), generator))
    assert given[2:] == [12, 13]
    assert len(set(given[:2])) == 2 and max(given[:2]) <= 5
    assert sorted(numbers_of(pool.images) + given[:2]) == [0, 1, 2, 3, 4, 5, 10, 11]


def test_what_a_pool_gave_or_got_is_no_part_of_it():
    pool, generator = ImagePool(capacity=2), torch.Generator()
    first = numbered(1, 2)
    pool.swap(first, generator).zero_()
    assert numbers_of(pool.images) == [1, 2]
    pool.swap(numbered(3, 4), generator).zero_()
    assert 0 not in numbers_of(pool.images)


def test_a_pool_goes_on_from_its_state():
    pool, generator = ImagePool(capacity=4), torch.Generator()
    pool.swap(numbered(1, 2, 3, 4), generator)
    copy = ImagePool(capacity=4)
    copy.load_state_dict(deepcopy(pool.state_dict()))
    swapped = [each.swap(numbered(5, 6), torch.Generator().manual_seed(3)) for each in (pool, copy)]
    assert numbers_of(swapped[0]) == numbers_of(swapped[1])


def test_a_pool_goes_on_on_its_own_device_wherever_the_checkpoint_was_read():
    pool = ImagePool(capacity=4, device="meta")
    pool.load_state_dict({"images": images(4, 0)})
    assert pool.swap(images(4, 1).to("meta"), torch.Generator()).device.type == "meta"
