import numpy as np
import pyarrow as pa
import pytest

from ucvgl.types import Catalog, Embeddings

IDS = np.array(["a", "b", "c", "d"])


def vectors() -> np.ndarray:
    return np.eye(4, dtype=np.float32)


def test_unit_vectors_with_ids_of_their_own_are_embeddings():
    np.testing.assert_array_equal(Embeddings(IDS, vectors()).vector, vectors())


@pytest.mark.parametrize(
    ("row", "value", "message"),
    [
        (1, np.nan, r"not finite for ids \['b'\]"),
        (2, np.inf, r"not finite for ids \['c'\]"),
        (3, 1.01, r"not unit length for ids \['d'\]"),
        (0, 0.0, r"not unit length for ids \['a'\]"),
    ],
)
def test_vectors_that_cannot_be_matched_are_refused_by_their_ids(row, value, message):
    wrong = vectors()
    wrong[row, row] = value
    with pytest.raises(ValueError, match=message):
        Embeddings(IDS, wrong)


def test_ids_that_repeat_are_refused():
    twice = np.array(["a", "b", "a", "b"])
    with pytest.raises(ValueError, match=r"embedding ids repeat: \['a', 'b'\]"):
        Embeddings(twice, vectors())
    with pytest.raises(ValueError, match="3 ids for 4 vectors"):
        Embeddings(IDS[:3], vectors())
    table = pa.table({"id": twice, "uri": twice})
    with pytest.raises(ValueError, match=r"catalog references repeat ids: \['a', 'b'\]"):
        Catalog(table.slice(0, 2), table)
    with pytest.raises(ValueError, match=r"catalog queries lack the columns \['uri'\]"):
        Catalog(table.select(["id"]), table)
