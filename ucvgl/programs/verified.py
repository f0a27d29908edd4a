"""The best candidates of every query compared over poses (`ucvgl.poses.verifying`); workers share the queries."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8

from ucvgl.atomic import write_array
from ucvgl.files import cached
from ucvgl.files.plain import load_numbers
from ucvgl.images.image_store import ImageStore
from ucvgl.images.mirror_images import mirror_image
from ucvgl.poses.verifying import (
    Turns,
    evidence,
    evidence_at_once,
    ground_fields,
    spectra,
    tile_fields,
    tile_spectrum,
)
from ucvgl.programs.matching import Range
from ucvgl.programs.sharing import mine
from ucvgl.training.loop import Log

QUERIES_AT_ONCE = 256
"""In one file of a worker."""
SPECTRA = 8192
"""Tiles whose spectra stay in a worker's memory, 150 KB each: neighbours are candidates of many queries."""


def cut(queries: int) -> list[Range]:
    """So many queries, in shards."""
    return [(start, min(start + QUERIES_AT_ONCE, queries)) for start in range(0, queries, QUERIES_AT_ONCE)]


def verify_candidates(
    cuts: Sequence[Range],
    *,
    folder: Path,
    bevs: Path,
    tiles: Path,
    turns: Turns,
    device: torch.device,
    log: Log,
    known: Path | None = None,
) -> None:
    """Write the evidence for the candidates of every shard of the queries into `folder`, for `read_verified`.

    Args:
        folder: holds what `write_candidates` left; a shard that is there is kept.
        bevs: the store of the queries' bird's-eye views.
        tiles: the store of the references; numbers beyond it mean their mirror images, in the same order.
        turns: that are tried.
        known: what `keep_verified` left of the same stores and turns, to the north: that is not found again.
    """
    left = [shard for shard in mine(cuts) if not cached.exists(shard_path(folder, shard))]
    if not left:
        return
    candidates = load_numbers(cached.here(folder / "candidates.npy"), mmap_mode="r")
    around = np.zeros_like(candidates)
    if cached.exists(headings := folder / "around.npy"):
        around = load_numbers(cached.here(headings), mmap_mode="r")
    grounds, references = ImageStore(bevs), ImageStore(tiles)

    held: OrderedDict[int, torch.Tensor] = OrderedDict()

    at_once = _takes_many(device)

    def hold(numbers: Sequence[int], pool: Executor) -> None:
        missing = [number for number in numbers if number not in held]
        shown = references.read(np.array(missing, int) % len(references))
        seen = [
            mirror_image(tile) if number >= len(references) else tile
            for number, tile in zip(missing, shown, strict=True)
        ]
        if not at_once:
            held.update(zip(missing, pool.map(tile_spectrum, seen), strict=True))
        elif missing:  # each a copy: a view of all, while any of them is held, would hold all
            made = spectra(np.stack([*pool.map(tile_fields, seen)]), device)
            held.update(zip(missing, (one.clone() for one in made), strict=True))
        for number in numbers:
            held.move_to_end(number)

    def compared(asked: Sequence[Asked], pool: Executor) -> Iterator[np.ndarray]:
        """The evidence for what each is asked about."""

        def fields_of(one: Asked) -> np.ndarray:
            return ground_fields(one.bev, turns=turns, around_deg=one.around_deg)

        def each(one: Asked, tiles: Sequence[torch.Tensor]) -> np.ndarray:
            return evidence(spectra(fields_of(one), device), tiles, turns)

        several = [[held[number] for number in one.tiles] for one in asked]
        if not at_once:
            yield from pool.map(each, asked, several)
            return
        for first in range(0, len(asked), QUERIES_AT_ONCE):
            some = slice(first, first + QUERIES_AT_ONCE)
            views = spectra(np.stack([*pool.map(fields_of, asked[some])]), device)
            yield from evidence_at_once(views, several[some], turns)

    step = max(1, SPECTRA // candidates.shape[1])
    with _each_in_a_thread() as pool:
        for shard in left:
            found: list[np.ndarray] = []
            for first in range(*shard, step):
                rows = range(first, min(first + step, shard[1]))
                numbers, degrees = (np.array(some[rows.start : rows.stop]) for some in (candidates, around))
                table = _known(numbers, rows, known)
                asked, places = _asked(numbers, degrees, np.isnan(table), grounds.read(rows))
                hold(np.unique(numbers[np.isnan(table)]).tolist(), pool)
                for (row, these), told in zip(places, compared(asked, pool), strict=True):
                    table[row, these] = told
                found.append(table)
                while len(held) > SPECTRA:
                    held.popitem(last=False)
            write_array(shard_path(folder, shard), np.concatenate(found))
            log(kept=shard[1] - shard[0])


def _takes_many(device: torch.device) -> bool:
    """Whether pairs are compared many at a time; else as many threads as there are take one view each."""
    return device.type != "cpu"


class Asked(NamedTuple):
    """A view at one heading, and the numbers of the tiles that it is compared with."""

    bev: UInt8[np.ndarray, "s s 3"]
    around_deg: float
    tiles: list[int]


def _asked(
    numbers: Int[np.ndarray, "n k"], degrees: np.ndarray, new: np.ndarray, bevs: np.ndarray
) -> tuple[list[Asked], list[tuple[int, np.ndarray]]]:
    """What is to be found for some queries, heading by heading, and where it belongs."""
    asked: list[Asked] = []
    places: list[tuple[int, np.ndarray]] = []
    for row, bev in enumerate(bevs):
        for heading in np.unique(degrees[row][new[row]]):
            these = np.flatnonzero(new[row] & (degrees[row] == heading))
            asked.append(Asked(bev, float(heading), numbers[row][these].tolist()))
            places.append((row, these))
    return asked, places


@contextmanager
def _each_in_a_thread() -> Iterator[Executor]:
    """As many threads as PyTorch would take for one view, each for views of its own: one is too little to share.

    Beside a card, too: what spectra are made of is made on processors. A card then compares hundreds of pairs at once;
    asked pair by pair from 16 threads it verified 200 views a second (`docs/performance.md`).
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)


def write_candidates(
    candidates: Int[np.ndarray, "q k"],
    folder: Path,
    around_deg: Float[np.ndarray, "q k"] | Float[np.ndarray, " q"] | None = None,
) -> None:
    """Leave what is to be verified for the workers: numbers of references, -1 for none.

    Args:
        around_deg: where each panorama is thought to look, or that for each candidate; None: to the north.
    """
    if around_deg is not None:
        each = around_deg if around_deg.ndim == 2 else around_deg[:, None]
        write_array(folder / "around.npy", np.broadcast_to(each, candidates.shape))
    write_array(folder / "candidates.npy", candidates)


def keep_verified(candidates: Int[np.ndarray, "q k"], evidence: Float32[np.ndarray, "q k"], folder: Path) -> None:
    """Leave in a folder what was found, for `verify_candidates` of other candidates: most are the same."""
    folder.mkdir(exist_ok=True)
    write_array(folder / "evidence.npy", evidence)
    write_array(folder / "candidates.npy", candidates)


def _known(asked: Int[np.ndarray, "n k"], rows: range, folder: Path | None) -> Float32[np.ndarray, "n k"]:
    """The evidence for some queries' candidates, as far as it is known: -inf where there is none, else not a number."""
    found = np.where(asked < 0, -np.inf, np.nan).astype(np.float32)
    files = [] if folder is None else [folder / "candidates.npy", folder / "evidence.npy"]
    if not files or not all(map(cached.exists, files)):
        return found
    candidates, evidence = (load_numbers(cached.here(file), mmap_mode="r") for file in files)
    candidates, evidence = candidates[rows.start : rows.stop], evidence[rows.start : rows.stop]
    same = (asked[:, :, None] == candidates[:, None]) & (asked[:, :, None] >= 0)
    return np.where(same.any(2), np.take_along_axis(evidence, same.argmax(2), 1), found)


def read_verified(cuts: Sequence[Range], folder: Path) -> Float32[np.ndarray, "q k"]:
    """The evidence for every candidate, -inf where there is none."""
    return np.concatenate([load_numbers(cached.here(shard_path(folder, shard))) for shard in cuts])


def shard_path(folder: Path, shard: Range) -> Path:
    """Where the evidence of some queries goes."""
    return folder / f"verified-{shard[0]:012d}.npy"
