"""Embeddings of the kinds that matching meets, and that have broken matchers: made up, unit length, float32."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Views = tuple[np.ndarray, np.ndarray]


def trained(n: int, m: int, d: int, *, seed: int = 0, noise: float = 0.7) -> Views:
    """As a trained encoder makes them: a spectrum that falls, a mean that is not zero, and most rows with a partner."""
    rng = np.random.default_rng(seed)
    spectrum = ((1 + np.arange(d)) ** -0.5).astype(np.float32)
    places = rng.standard_normal((max(n, m), d), np.float32)

    def view(count: int, common: float) -> np.ndarray:
        vectors = rng.standard_normal((count, d), np.float32)
        vectors *= noise
        vectors += places[:count]
        vectors *= spectrum
        vectors += common
        return _unit(vectors)

    queries, references = view(n, 0.02), view(m, 0.03)
    return queries, references[rng.permutation(m)]


def isotropic(n: int, m: int, d: int, *, seed: int = 0) -> Views:
    rng = np.random.default_rng(seed)
    return _unit(rng.standard_normal((n, d), np.float32)), _unit(rng.standard_normal((m, d), np.float32))


def cone(n: int, m: int, d: int, *, seed: int = 0, common: float = 2.0) -> Views:
    """As an untrained encoder makes them: all cosines alike and high."""
    rng = np.random.default_rng(seed)
    axis = common * rng.standard_normal(d, np.float32)
    return tuple(_unit(rng.standard_normal((count, d), np.float32) + axis) for count in (n, m))  # type: ignore[return-value]


def all_negative(n: int, m: int, d: int, *, seed: int = 0) -> Views:
    """Two cones that look away from each other."""
    queries, references = cone(n, m, d, seed=seed)
    return queries, -references


def duplicates(n: int, m: int, d: int, *, seed: int = 0) -> Views:
    """A quarter of the references are copies of others, and some queries of queries: exact ties."""
    queries, references = trained(n, m, d, seed=seed)
    rng = np.random.default_rng(seed)
    for side in (queries, references):
        copies = rng.permutation(len(side))[: len(side) // 4]
        side[copies] = side[rng.integers(0, len(side), len(copies))]
    return queries, references


def near_duplicates(n: int, m: int, d: int, *, seed: int = 0) -> Views:
    """The same, but a digit or two from equal."""
    queries, references = duplicates(n, m, d, seed=seed)
    rng = np.random.default_rng(seed)
    for side in (queries, references):
        side += np.float32(1e-6) * rng.standard_normal(side.shape, np.float32)
    return _unit(queries), _unit(references)


def collapsed(n: int, m: int, d: int, *, seed: int = 0) -> Views:
    """A broken encoder: all vectors nearly the same."""
    return cone(n, m, d, seed=seed, common=3e4)


REGIMES: dict[str, Callable[..., Views]] = {
    make.__name__: make for make in (trained, isotropic, cone, all_negative, duplicates, near_duplicates, collapsed)
}


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors
