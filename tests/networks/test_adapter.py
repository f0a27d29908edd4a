import pytest
import torch

from ucvgl.networks.adapter import Adapter, adapted, load_adapter, save_adapter


def units(count, dimension, seed=0):
    vectors = torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(vectors, dim=1)


@pytest.mark.parametrize("width", [0, 6, 12])
def test_a_residual_adapter_starts_as_the_identity_and_back(width):
    adapter, seen = Adapter(6, width), units(5, 6)
    query, reference, back, _ = adapter(seen[:2], seen[2:])
    assert torch.allclose(torch.cat((query, reference))[:, :6], seen, atol=1e-6)
    assert torch.allclose(back, seen, atol=1e-6)


def test_without_residual_it_starts_from_random_weights_and_gives_unit_vectors():
    torch.manual_seed(0)
    adapter, seen = Adapter(6, 9, residual=False), units(5, 6)
    query, _, back, _ = adapter(seen, seen)
    assert query.shape == (5, 9) and not torch.allclose(back[:5], seen, atol=0.1)
    assert torch.allclose(query.norm(dim=1), torch.ones(5))


def test_both_views_share_all_weights_but_each_has_its_own_mean():
    adapter, seen = Adapter(6, residual=False), units(5, 6)
    adapter.query_mean.copy_(seen.mean(0))
    query, reference, _, _ = adapter(seen, seen)
    assert torch.allclose(query, reference, atol=1e-6)
    assert torch.allclose(adapter.centred(seen, "reference"), seen, atol=1e-6)
    assert torch.allclose(adapter.centred(seen, "query"), torch.nn.functional.normalize(seen - seen.mean(0), dim=1))


def test_no_row_of_a_batch_depends_on_the_others():
    torch.manual_seed(0)
    adapter, seen = Adapter(6, residual=False), units(5, 6)
    alone = torch.cat([adapter.encode(row[None]) for row in seen])
    assert torch.allclose(adapter.encode(seen), alone, atol=1e-6)


def test_a_saved_adapter_is_the_same_again(tmp_path):
    torch.manual_seed(0)
    adapter = Adapter(6, 9, residual=False, temperature=0.2)
    adapter.query_mean.fill_(0.1)
    save_adapter(adapter, tmp_path / "adapter.pt")
    loaded = load_adapter(tmp_path / "adapter.pt")
    assert (loaded.dimension, loaded.width, loaded.residual) == (6, 9, False)
    for name, weights in adapter.state_dict().items():
        assert torch.equal(weights, loaded.state_dict()[name]), name


def test_the_trainable_numbers_are_two_layers_and_a_temperature():
    assert Adapter(6, 9).trainable == 6 * 9 + 9 + 9 * 6 + 6 + 1


@pytest.mark.parametrize("rows", [3, 40])
def test_hubs_are_set_back_by_their_mean_similarity_to_the_nearest_of_the_other_view(rows, tmp_path):
    adapter, banks = Adapter(6, banks=(rows, rows, 6)), {"query": units(rows, 6, 1), "reference": units(rows, 6, 2)}
    for view, bank in banks.items():
        getattr(adapter, f"{view}_bank").copy_(bank)
    save_adapter(adapter, tmp_path / "adapter.pt")
    sides = {"query": units(5, 6, 3), "reference": units(4, 6, 4)}
    with torch.no_grad():
        kept = load_adapter(tmp_path / "adapter.pt")
        found = {view: adapted(kept, side[:, None], view) for view, side in sides.items()}
    for view in sides:
        assert torch.allclose(found[view].norm(dim=1), torch.ones(len(sides[view])), atol=1e-6)
        assert found[view].shape[1] == adapter.described(1)
    for x, seen in zip(sides["query"], found["query"], strict=True):
        for y, other in zip(sides["reference"], found["reference"], strict=True):
            near = [torch.sort(a @ b.T).values[-10:].mean() for a, b in ((x, banks["reference"]), (y, banks["query"]))]
            assert torch.isclose(2 * seen @ other, x @ y - sum(near) / 2, atol=1e-6)
