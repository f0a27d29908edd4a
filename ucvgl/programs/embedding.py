"""Descriptors of whole image stores, shard by shard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from ucvgl.atomic import write_array
from ucvgl.files import cached
from ucvgl.files.parts import numbered_parts
from ucvgl.files.plain import load_numbers
from ucvgl.images.image_store import ImageStore, count_images, read_shard, shard_number, shards_of
from ucvgl.networks import searched
from ucvgl.networks.adapted import load_encoders
from ucvgl.networks.towers import Encoders, View, embed
from ucvgl.poses.structure import DIMENSION, describe
from ucvgl.poses.turns import upright
from ucvgl.programs.sharing import mine, read_ahead
from ucvgl.training.loop import Log
from ucvgl.types import Embeddings


@dataclass(frozen=True)
class Look:
    """A store of images, what describes them, its share of the similarity, and whether it sees mirror images.

    They are described by the encoder of a view or, views from above, by their structure, without a network
    (`ucvgl.poses.structure`).

    The product of two descriptors made of looks with the same weights is the weighted sum of the looks' similarities;
    it stays a cosine where the weights add up to 1.

    Args:
        gaps: numbers of an encoder that are 0 are not known, as in maps of the ground; so it always is with structure.
    """

    store: Path
    view: View | Literal["structure"]
    weight: float = 1.0
    mirrored: bool = False
    gaps: bool = False


@dataclass(frozen=True)
class EmbedJob:
    """One image store, or several that show the same ids, through the encoders of one model.

    Args:
        looks: what to describe an id by; the descriptors are concatenated.
        model: the two towers or, by its name, a frozen model; not read where no look has an encoder.
        folder: where `part-*.npy` go, one per shard of the first store, float32 [n d].
        turns: quarter turns from which encoders look, see `ucvgl.networks.towers.embed`.
        searched: the descriptors are those that are searched by (`ucvgl.networks.searched`): of a panorama, of it and
            its bird's-eye view, or of a tile.
        panorama_share: of such a query, in place of what its encoders were told.
        heading_deg: where the middles of these panoramas look: clockwise from north, for all or, in a `.npy` file [n],
            for each row of the stores; they and their views from above are described as if it were north.
        structure: folder that keeps, for later jobs that look north, what is described by structure: no encoder has a
            part in that. None: it is described anew.
    """

    looks: tuple[Look, ...]
    model: Path
    folder: Path
    turns: int = 1
    searched: bool = False
    panorama_share: float | None = None
    heading_deg: float | Path = 0.0
    structure: Path | None = None

    def structure_of(self, look: Look) -> Path | None:
        """The folder that keeps the structure of a look's images; None where it is not kept."""
        if self.structure is None or look.view != "structure" or self.heading_deg:
            return None
        return self.structure / f"{look.store.name}{'-mirrored' * look.mirrored}"

    def columns(self, width: int) -> list[list[slice]]:
        """Where, in descriptors of this width, each look from each of its turns stands."""
        from_encoders = sum(look.view != "structure" for look in self.looks)
        each = (width - DIMENSION * (len(self.looks) - from_encoders)) // max(1, from_encoders * self.turns)
        found, at = [], 0
        for look in self.looks:
            wide, turns = (DIMENSION, 1) if look.view == "structure" else (each, self.turns)
            found.append([slice(at + turn * wide, at + (turn + 1) * wide) for turn in range(turns)])
            at += turns * wide
        return found


Work = tuple[EmbedJob, str, int]
"""A job, the name of one shard, and the row of its first image."""
Seen = dict[Path, tuple[list[str], np.ndarray]]
"""The ids and images of a shard, by store."""


def all_shards(jobs: Sequence[EmbedJob]) -> list[tuple[Work, int]]:
    """Every shard of the jobs, and how many images it holds; neighbours share a model."""
    work: list[tuple[Work, int]] = []
    for job in jobs:
        shards = shards_of(job.looks[0].store)
        counts = [count_images(shard) for shard in shards]
        firsts = accumulate(counts, initial=0)
        work += [((job, shard.name, first), count) for shard, count, first in zip(shards, counts, firsts, strict=False)]
    return work


def embed_shards(work: Sequence[Work], *, device: torch.device, log: Log) -> None:
    """Write the descriptors of every shard; a part that exists is kept.

    Raises:
        ValueError: stores do not show the same images, or descriptors cannot be matched.
    """
    model, encoders = None, None
    for (job, shard, _), seen in read_ahead(_read, mine(work)):
        if not seen:
            continue
        if model != job.model and any(look.view != "structure" for look in job.looks):
            model, encoders = job.model, load_encoders(job.model, device)
        embeddings = _embedded(job, shard, seen, encoders)
        write_array(part_path(job.folder, shard), embeddings.vector)
        log(kept=len(embeddings.id))


def _read(work: Work) -> Seen:
    """The images of a shard in every store that is looked at; none where its part is written."""
    job, shard, first = work
    if cached.exists(part_path(job.folder, shard)):
        return {}
    seen = {look.store: read_shard(look.store / shard) for look in {look.store: look for look in job.looks}.values()}
    if not job.heading_deg:
        return seen
    above = {look.store: look.view != "query" for look in job.looks}
    return {
        store: (ids, upright(images, _headings(job, first, len(ids)), above=above[store]))
        for store, (ids, images) in seen.items()
    }


def _headings(job: EmbedJob, first: int, count: int) -> np.ndarray:
    if isinstance(job.heading_deg, Path):
        return load_numbers(cached.here(job.heading_deg), mmap_mode="r")[first : first + count]
    return np.full(count, job.heading_deg)


def _embedded(job: EmbedJob, shard: str, seen: Seen, encoders: Encoders | None) -> Embeddings:
    first = job.looks[0].store
    ids = seen[first][0]
    for store, (shown, _) in seen.items():
        if shown != ids:
            raise ValueError(f"{store} and {first} show other images in {shard}; make the later one anew")
    if job.searched:
        return Embeddings(np.asarray(ids), _searched(job, seen, encoders))
    made: dict[tuple[Path, str, bool], np.ndarray] = {}
    for look in job.looks:
        key = look.store, look.view, look.mirrored
        if key not in made:
            made[key] = _described(job, shard, look, seen[look.store][1], encoders)
    weighted = [made[look.store, look.view, look.mirrored] * np.float32(look.weight**0.5) for look in job.looks]
    return Embeddings(np.asarray(ids), np.concatenate(weighted, axis=1))  # refuses what cannot be matched, by id


def _searched(job: EmbedJob, seen: Seen, encoders: Encoders | None) -> np.ndarray:
    assert encoders is not None
    images, (first, *_) = [seen[look.store][1] for look in job.looks], job.looks
    if first.view == "query":
        return searched.queries(encoders, *images, panorama_share=job.panorama_share)
    return searched.references(encoders, *images, mirrored=first.mirrored)


def _described(job: EmbedJob, shard: str, look: Look, images: np.ndarray, encoders: Encoders | None) -> np.ndarray:
    if look.view != "structure":
        assert encoders is not None
        return embed(encoders, images, look.view, turns=job.turns, mirrored=look.mirrored)
    folder = job.structure_of(look)
    if folder is None:
        return describe(images, mirrored=look.mirrored)
    kept = part_path(folder, shard)
    if not cached.exists(kept):
        write_array(kept, describe(images, mirrored=look.mirrored))
    return load_numbers(cached.here(kept))


def part_path(folder: Path, shard: str) -> Path:
    """Where the descriptors of a shard go, under the shard's own number."""
    return folder / f"part-{shard_number(shard):05d}.npy"


def parts_of(folder: Path) -> list[Path]:
    """The written parts of one job, in row order."""
    return numbered_parts(folder, "part-*.npy")


def read_embeddings(store: Path, folder: Path) -> Embeddings:
    """The descriptors in `folder`, with the ids of the store they were made from."""
    vectors = [load_numbers(cached.here(part)) for part in parts_of(folder)]
    return Embeddings(id=ImageStore(store).ids, vector=np.concatenate(vectors))
