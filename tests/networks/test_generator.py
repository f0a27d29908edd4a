import numpy as np
import torch

from ucvgl.networks.generator import (
    Discriminator,
    Generator,
    load_generator,
    save_generator,
    to_images,
    to_signed,
    translate,
)


def images(n: int, height: int = 16, width: int = 24, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


def trained(seed: int = 0) -> Generator:
    """A generator that changes its input."""
    torch.manual_seed(seed)
    generator = Generator(channels=8, blocks=2)
    torch.nn.init.normal_(generator.layers[-2].weight, std=0.05)
    return generator


def test_a_new_generator_leaves_images_as_they_are():
    torch.manual_seed(0)
    pictures = images(3)
    np.testing.assert_array_equal(translate(Generator(channels=8, blocks=2), pictures), pictures)
    assert not np.array_equal(translate(trained(), pictures), pictures)


def test_translating_keeps_the_shape_and_needs_no_batch():
    pictures = images(5)
    found = translate(trained(), pictures, batch=2)
    assert found.shape == pictures.shape and found.dtype == np.uint8
    # bfloat16 sums may be split otherwise in another batch: a few grey levels
    np.testing.assert_allclose(found.astype(int), translate(trained(), pictures).astype(int), atol=3)
    assert translate(trained(), images(0)).shape == (0, 16, 24, 3)


def test_all_grey_levels_survive_the_way_to_the_network_and_back():
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    signed = to_signed(levels)
    assert (signed.min(), signed.max()) == (-1, 1)
    np.testing.assert_array_equal(to_images(signed), levels)
    np.testing.assert_array_equal(to_images(2 * signed), to_images((2 * signed).clamp(-1, 1)))


def test_a_saved_generator_makes_equal_images_after_loading(tmp_path):
    generator = trained().to(memory_format=torch.channels_last)  # as a loaded one: another order of sums
    save_generator(generator, tmp_path / "to_tile.pt")
    loaded = load_generator(tmp_path / "to_tile.pt")
    np.testing.assert_array_equal(translate(loaded, images(3)), translate(generator, images(3)))
    assert [path.name for path in tmp_path.iterdir()] == ["to_tile.pt"]


def test_the_discriminator_scores_patches_of_34_pixels():
    """A change of one pixel reaches just the scores whose patch holds it."""
    torch.manual_seed(0)
    layers = Discriminator(channels=4).layers
    judge = torch.nn.Sequential(*(layer for layer in layers if not isinstance(layer, torch.nn.InstanceNorm2d)))
    picture = torch.rand(1, 3, 96, 96)
    changed = picture.clone()
    changed[0, :, 48, 48] += 1
    assert Discriminator(channels=4)(picture).shape == (1, 1, 12, 12)
    rows = (judge(picture) != judge(changed)).any(3)[0, 0].nonzero()[:, 0]
    assert 4 <= len(rows) <= 5  # 34 / 8
