import os
import signal
import threading
import time

import numpy as np
import pytest
import ray

from ucvgl.distributed.searchers import SearchPool
from ucvgl.retrieval.topk import TwoSided, two_sided_topk
from ucvgl.settings.experiment import Resources


def integers(rows: int, seed: int, *, dimension: int = 2) -> np.ndarray:
    """Small integers: products are exact and ties common."""
    return np.random.default_rng(seed).integers(-3, 4, (rows, dimension)).astype(np.float32)


def write_parts(folder, vectors, sizes):
    folder.mkdir()
    ends = np.cumsum(sizes)
    assert ends[-1] == len(vectors)
    paths = [folder / f"part-{number:05d}.npy" for number in range(len(sizes))]
    for path, part in zip(paths, np.split(vectors, ends[:-1]), strict=True):
        np.save(path, part)
    return paths


def assert_same(found: TwoSided, expected: TwoSided):
    for name, value in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)


@pytest.mark.parametrize(("workers", "rows"), [(1, 1000), (3, 1000), (2, 9)])
def test_any_number_of_workers_shards_and_parts_finds_what_one_process_finds(cluster, tmp_path, workers, rows):
    queries, references, few = integers(103, 0), integers(71, 1), integers(2, 2)
    query_parts = write_parts(tmp_path / "q", queries, [40, 1, 62])
    reference_parts = write_parts(tmp_path / "r", references, [30, 41])
    few_parts = write_parts(tmp_path / "few", few, [2])
    with SearchPool(Resources(search_workers=workers, search_rows=rows)) as pool:
        assert_same(pool.match(query_parts, reference_parts, k=3), two_sided_topk(queries, references, k=3))
        # The pool is used again, as the next round does, with other references, and with fewer than workers.
        assert_same(pool.match(reference_parts, query_parts), two_sided_topk(references, queries))
        assert_same(pool.match(query_parts, few_parts, k=3), two_sided_topk(queries, few, k=3))


def test_killing_a_worker_in_the_middle_changes_nothing(cluster, tmp_path):
    queries, references = integers(60_000, 0), integers(8_000, 1)
    paths = write_parts(tmp_path / "q", queries, [400] * 150), write_parts(tmp_path / "r", references, [8_000])
    with SearchPool(Resources(search_workers=2, search_rows=2_000)) as pool:
        first = ray.get(pool.actors[0].pid.remote())
        killer = threading.Timer(0.5, os.kill, (first, signal.SIGKILL))
        killer.start()
        started = time.monotonic()
        found = pool.match(*paths)
        assert time.monotonic() - started > 0.5, "the search was over before the kill"
        assert ray.get(pool.actors[0].pid.remote()) != first
    assert_same(found, two_sided_topk(queries, references))
