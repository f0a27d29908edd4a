from functools import cache

import numpy as np
import pytest

from ucvgl.index import nearest


def unit(count, dimension=32, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def built(kind, vectors, batch=1000):
    def batches():
        return (vectors[start : start + batch] for start in range(0, len(vectors), batch))

    return nearest.build(kind, batches, count=len(vectors), dimension=vectors.shape[1])


def test_exact_search_is_a_sort_of_all_products():
    tiles, queries = unit(500), unit(7, seed=1)
    score, row = nearest.search(built("flat", tiles, batch=123), queries, 5)
    products = queries @ tiles.T
    expected = np.argsort(-products, axis=1)[:, :5]
    assert row.tolist() == expected.tolist()
    np.testing.assert_allclose(score, np.take_along_axis(products, expected, 1), atol=1e-6)


def test_approximate_kinds_find_most_of_the_best():
    tiles = unit(10_000)
    queries = 0.8 * tiles[:200] + 0.6 * unit(200, seed=1)
    for kind, least in (("hnsw", 0.95), ("ivfpq", 0.7)):
        _, row = nearest.search(built(kind, tiles), queries, 1)
        assert (row[:, 0] == np.arange(200)).mean() > least, kind


def test_a_vector_is_found_again_in_an_index_of_any_kind_and_held_as_it_is_there():
    """Of a compressed one no similarity tells: codes are less similar to what they stand for than images of one."""
    tiles, strangers = unit(10_000), unit(300, seed=1)
    for kind in nearest.KINDS:
        index = built(kind, tiles)
        assert nearest.holds_any(index, np.concatenate((strangers, tiles[-1:]))), kind
        assert not nearest.holds_any(index, strangers), kind
        np.testing.assert_allclose(nearest.as_held(index, tiles[:9]), index.reconstruct_n(0, 9), atol=1e-6)


def test_an_index_survives_bytes():
    tiles = unit(50)
    again = nearest.from_bytes(nearest.to_bytes(built("flat", tiles)), "x")
    assert nearest.search(again, tiles, 1)[1][:, 0].tolist() == list(range(50))


def test_an_index_that_no_gpu_can_hold_is_searched_by_the_processor(monkeypatch, caplog):
    def refuse(index):
        raise RuntimeError("Error in verifyPQSettings_: Number of sub-quantizers 128 is not supported\nat line 3")

    monkeypatch.setattr(nearest.faiss, "get_num_gpus", lambda: 1, raising=False)
    monkeypatch.setattr(nearest.faiss, "index_cpu_to_all_gpus", refuse, raising=False)
    index = built("flat", unit(5))
    assert nearest.on_gpus(index) is index
    assert "Number of sub-quantizers 128 is not supported" in caplog.text and "line 3" not in caplog.text


def test_fewer_tiles_than_asked_for_are_filled_with_nothing():
    score, row = nearest.search(built("flat", unit(2)), unit(1, seed=1), 4)
    assert row[0, 2:].tolist() == [-1, -1] and np.isneginf(score[0, 2:]).all()


@pytest.mark.parametrize(
    ("count", "memory", "kind"),
    [
        (1_000, 4e9, "flat"),
        (1_000_000, 4e9, "flat"),
        (1_000_000, 1e9, "ivfpq"),
        (3_000_000, 2e10, "hnsw"),
        (10_000_000, 2e10, "ivfpq"),
        (5_000, 1e3, "flat"),  # too few to learn a compression from
    ],
)
def test_the_kind_follows_from_size_and_memory(count, memory, kind):
    assert nearest.choose(count, 512, memory_bytes=memory) == kind


def test_too_few_tiles_for_compression_are_refused():
    with pytest.raises(ValueError, match="is learned from at least 10000 tiles, there are 100; use flat"):
        built("ivfpq", unit(100))


@pytest.mark.parametrize("content", [b"", b"IxF", b"\0" * 100, b"not an index at all" * 10])
def test_bytes_that_are_no_index_are_refused(content):
    with pytest.raises(ValueError, match="area/vectors.faiss is no faiss index that can be read"):
        nearest.from_bytes(content, "area/vectors.faiss")


def test_an_index_of_another_kind_is_refused_as_it_may_count_its_rows_otherwise():
    index = nearest.faiss.IndexIDMap(nearest.faiss.IndexFlatIP(32))
    index.add_with_ids(unit(3), np.array([10**12, 5, 7]))
    with pytest.raises(ValueError, match="a is a IndexIDMap, not one of"):
        nearest.from_bytes(nearest.to_bytes(index), "a")


@pytest.mark.parametrize("where", ["query", "tile"])
def test_descriptors_that_are_not_finite_are_told_and_not_passed_over(where):
    tiles, query = unit(4), unit(1, seed=1)
    (query if where == "query" else tiles)[0, 0] = np.nan
    with pytest.raises(ValueError, match="descriptors are not finite"):
        nearest.search(built("flat", tiles), query, 4)


FAISS = nearest.faiss


@cache
def sound(kind):
    """The bytes of an index without a fault: to learn a compression takes more than a second."""
    return nearest.to_bytes(built(kind, unit(10_000 if kind == "ivfpq" else 60)))


def damaged(kind, how):
    """An index of its kind, of vectors as no encoder makes them or with links and rows that lead nowhere."""
    index = nearest.from_bytes(sound(kind), "good")
    flat = FAISS.downcast_index({"flat": index, "hnsw": index}[kind].storage if kind == "hnsw" else index)
    if kind == "ivfpq":
        flat = FAISS.downcast_index(index.quantizer)
    numbers = FAISS.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d).reshape(flat.ntotal, flat.d)
    if how in ("nan", "inf", "zero", "long"):
        numbers[7] *= {"nan": np.nan, "inf": np.inf, "zero": 0.0, "long": 1e3}[how]
    elif how == "links":
        links = FAISS.vector_to_array(index.hnsw.neighbors)
        links[3] = 10**6
        FAISS.copy_array_to_vector(links, index.hnsw.neighbors)
    elif how == "codes":
        table = FAISS.vector_to_array(index.pq.centroids)
        table[5] = np.nan
        FAISS.copy_array_to_vector(table, index.pq.centroids)
    else:
        lists = index.invlists
        cell = next(cell for cell in range(index.nlist) if lists.list_size(cell))
        FAISS.rev_swig_ptr(lists.get_ids(cell), lists.list_size(cell))[0] = {"far": 10**9, "twice": 0}[how]
        if how == "twice":
            FAISS.rev_swig_ptr(lists.get_ids(cell), lists.list_size(cell))[:2] = 0
    return nearest.to_bytes(index)


@pytest.mark.parametrize(
    ("kind", "how"),
    [(kind, how) for kind in ("flat", "hnsw") for how in ("nan", "inf", "zero", "long")]
    + [("hnsw", "links")] + [("ivfpq", how) for how in ("nan", "inf", "long", "codes", "far", "twice")],
)  # fmt: skip
def test_an_index_that_can_give_no_right_answer_is_refused_when_it_is_opened(kind, how):
    with pytest.raises(ValueError, match=r"area/vectors.faiss .*(no answer would mean anything|no faiss index)"):
        nearest.from_bytes(damaged(kind, how), "area/vectors.faiss")


def test_the_vectors_that_mean_nothing_are_counted():
    with pytest.raises(ValueError, match="holds 1 vectors of 60 that are not finite or not of length 1"):
        nearest.from_bytes(damaged("flat", "nan"), "x")


def test_no_index_is_built_of_vectors_that_are_not_of_length_1():
    with pytest.raises(ValueError, match="descriptors are not of length 1: the encoders are damaged"):
        built("flat", 0 * unit(4))
