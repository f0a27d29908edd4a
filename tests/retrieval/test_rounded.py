import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ucvgl.retrieval import rounded
from ucvgl.retrieval.best import exact_scores
from ucvgl.retrieval.precision import precision_for
from ucvgl.retrieval.rounded import error_bounds, extent


def vectors(rows: int, dimension: int, seed: int, *, common: float, length: float) -> np.ndarray:
    """Directions around a common one, as early encoders make them."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(rows, dimension)) + common * rng.normal(size=dimension)
    return (length * drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def all_scores(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    row, column = np.indices((len(queries), len(references))).reshape(2, -1)
    return exact_scores(queries, references, row, column).reshape(len(queries), len(references))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@given(
    dimension=st.sampled_from([1, 7, 64, 300, 2048]),
    common=st.sampled_from([0.0, 0.5, 5.0]),
    length=st.sampled_from([1.0, 1e-6, 1e6]),
    centred=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_no_product_is_farther_from_its_score_than_the_bound(dtype, dimension, common, length, centred, seed):
    queries = vectors(20, dimension, seed, common=common, length=length)
    references = vectors(30, dimension, seed + 1, common=common, length=1.0)
    centres = [side.mean(0) if centred else np.zeros(dimension, np.float32) for side in (queries, references)]
    how = precision_for(dimension, *centres, dtype)
    q, r = how.queries(torch.from_numpy(queries)), how.references(torch.from_numpy(references))
    number = (q.operand @ r.operand.T).double().numpy()
    off = np.abs(number + how.offset - all_scores(queries, references)) - how.rounding * np.abs(number)
    assert (off <= error_bounds(q, extent(r), unit=how.unit)[:, None]).all()
    assert (off <= error_bounds(r, extent(q), unit=how.unit)[None]).all()


def test_centring_takes_most_of_the_error_away_where_all_vectors_lie_in_a_cone():
    queries, references = (vectors(200, 512, seed, common=0, length=1.0) * 0.45 for seed in (0, 1))
    for side in (queries, references):
        side[:, 0] += 0.9
    bounds = []
    for centres in ([side.mean(0) for side in (queries, references)], [np.zeros(512, np.float32)] * 2):
        how = precision_for(512, *centres, torch.bfloat16)
        q, r = how.queries(torch.from_numpy(queries)), how.references(torch.from_numpy(references))
        bounds.append(error_bounds(q, extent(r)).max())
    assert bounds[0] < bounds[1] / 3
    assert bounds[0] < 2e-3


def test_the_bound_is_not_far_from_what_the_worst_vectors_reach():
    """All digits that bfloat16 drops, in one direction: the bound is not slack by more than a factor of 2."""
    d = 1024
    worst = np.full((1, d), (1 + 2.0**-8 - 2.0**-15) / d**0.5, np.float32)
    how = precision_for(d, np.zeros(d, np.float32), np.zeros(d, np.float32), torch.bfloat16)
    q, r = how.queries(torch.from_numpy(worst)), how.references(torch.from_numpy(worst))
    exact = (q.operand.double() @ r.operand.double().T).item()
    off = abs(exact - all_scores(worst, worst).item())
    bound = error_bounds(q, extent(r)).item()
    assert bound / 2 < off <= bound


@given(st.integers(1, 70), st.integers(0, 2**32), st.sampled_from([1.0, 1e-30, 1e15]))
def test_a_processor_rounds_as_pytorch_does(dimension, seed, length):
    rng = np.random.default_rng(seed)
    drawn = torch.from_numpy((rng.normal(size=(9, dimension)) * length).astype(np.float32))
    drawn[0, 0], drawn[1, 0] = 1 + 2.0**-8, 1 + 3 * 2.0**-8  # ties, which go to even
    centre, other = torch.from_numpy(rng.normal(size=(2, dimension)).astype(np.float32) * np.float32(length))
    operands = [torch.zeros(9, dimension, dtype=torch.bfloat16) for _ in range(2)]
    ways = (rounded._centred, rounded._centred_on_processor)
    found = [way(drawn, centre, other, operand) for way, operand in zip(ways, operands, strict=True)]
    assert torch.equal(operands[0].view(torch.int16), operands[1].view(torch.int16))
    for one, two in list(zip(*found, strict=True))[:3]:
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-17)  # squares of tiny numbers underflow
    torch.testing.assert_close(found[0][3], found[1][3], rtol=1e-4, atol=1e-4 * length * length + 1e-17)
