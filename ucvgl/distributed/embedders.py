"""Descriptors of whole image stores: Ray Data streams the shards through actors that hold the encoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import ray

from ucvgl.atomic import write_array
from ucvgl.distributed.cluster import gpu_share, threads_each
from ucvgl.distributed.progress import Progress
from ucvgl.distributed.stream import Row, Step, stream_missing
from ucvgl.files.parts import numbered_parts
from ucvgl.images.image_store import ImageStore, count_images, read_shard, shard_number, shards_of
from ucvgl.settings.experiment import Resources
from ucvgl.types import Embeddings

if TYPE_CHECKING:
    from ucvgl.networks.towers import View


@dataclass(frozen=True)
class Look:
    """A store of images, the encoder that sees it, its share of the similarity, and whether it sees mirror images.

    The product of two descriptors made of looks with the same weights is the weighted sum of the looks' similarities;
    it stays a cosine where the weights add up to 1.
    """

    store: Path
    view: View
    weight: float = 1.0
    mirrored: bool = False


@dataclass(frozen=True)
class EmbedJob:
    """One image store, or several that show the same ids, through the encoders of one model.

    Args:
        looks: what to describe an id by; the descriptors are concatenated.
        model: the two towers or, by its name, a frozen model.
        folder: where `part-*.npy` go, one per shard of the first store, float32 [n d].
        turns: quarter turns to look from, see `ucvgl.networks.towers.embed`.
    """

    looks: tuple[Look, ...]
    model: Path
    folder: Path
    turns: int = 1


class Embedder:
    """Actor that keeps the encoders it was last asked for, so that many shards load them once.

    torch is imported inside: a task that holds a handle of this actor imports this file without need for it.
    """

    def __init__(self, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = ""
        self._towers: Any = None

    def embed(self, model: str, images: np.ndarray, view: View, turns: int, mirrored: bool) -> np.ndarray:
        """Descriptors float32 [n d] of images uint8 [n h w 3], by the encoder of `view` in the file `model`.

        Args:
            turns: quarter turns to look from, see `ucvgl.networks.towers.embed`.
            mirrored: left and right changed before.
        """
        from ucvgl.networks.adapted import load_encoders
        from ucvgl.networks.towers import embed

        if model != self._model:
            self._towers = load_encoders(model, self._device)
            self._model = model
        return embed(self._towers, images, view, turns=turns, mirrored=mirrored)


class EmbedPool:
    """Embedders that outlive a call: a context manager for the whole curriculum.

    A pool that Ray Data starts ends with its execution, and the next one imports torch again: 2.5 to 3 s in
    every round. So Ray Data streams the shards through reading tasks, which hand the images to actors of ours
    that stay: about 0.5 s per call.
    """

    def __init__(self, resources: Resources) -> None:
        needs = {"num_cpus": 1, "num_gpus": gpu_share(resources.model_gpus), "scheduling_strategy": "SPREAD"}
        actor = ray.remote(**needs, max_restarts=-1, max_task_retries=-1)(Embedder)
        count = resources.model_workers
        self.actors: list[Any] = [actor.remote(threads_each(count)) for _ in range(count)]

    def __enter__(self) -> EmbedPool:
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self.actors:
            ray.kill(actor)

    def embed(self, jobs: Sequence[EmbedJob]) -> None:
        """Write the descriptors of every job, all in one execution; parts that exist are kept."""
        work = [(job, shard) for job in jobs for shard in shards_of(job.looks[0].store)]
        # Neighbours in the stream share a model, so that each actor loads it once.
        total, left = (sum(count_images(shard) for _, shard in some) for some in (work, _missing(work)))
        progress = Progress("embed", total, done=total - left)

        def rows() -> list[Row]:
            return [
                {
                    "name": shard.name,
                    "looks": [[str(look.store), look.view, look.weight, look.mirrored] for look in job.looks],
                    "model": str(job.model),
                    "turns": job.turns,
                    "folder": str(job.folder),
                    "actor": actor,
                }
                for (job, shard), actor in zip(_missing(work), cycle(range(len(self.actors))), strict=False)
            ]

        # in:          name (of the shard), looks, model, turns, folder, actor (which one of the pool)
        # embed_shard: images (how many were embedded)
        step = Step(embed_shard, {"actors": self.actors}, at_once=2 * len(self.actors), cpus=0.5)
        for row in stream_missing(rows, step):
            progress.advance(row["images"])


def _missing(work: Sequence[tuple[EmbedJob, Path]]) -> list[tuple[EmbedJob, Path]]:
    return [(job, shard) for job, shard in work if not part_path(job.folder, shard).exists()]


def embed_shard(row: Row, *, actors: list[Any]) -> Row:
    """Read a shard of every store that is looked at, have it embedded, publish its part by rename.

    Raises:
        ValueError: the stores do not show the same images.
    """
    embed = actors[row["actor"]].embed.remote
    ids: list[str] = []
    made, vectors = {}, []
    for store, view, weight, mirrored in row["looks"]:
        if (store, view, mirrored) not in made:
            shown, images = read_shard(Path(store) / row["name"])
            if made and shown != ids:
                first = row["looks"][0][0]
                raise ValueError(f"{store} and {first} show other images in {row['name']}; make the later one anew")
            ids = shown
            made[store, view, mirrored] = embed(row["model"], images, view, row["turns"], mirrored)
        vectors.append(np.asarray(ray.get(made[store, view, mirrored])) * np.float32(weight**0.5))
    embeddings = Embeddings(np.asarray(ids), np.concatenate(vectors, axis=1))  # refuses what cannot be matched, by id
    path = part_path(Path(row["folder"]), Path(row["name"]))
    write_array(path, embeddings.vector)
    return {"images": len(images)}


def part_path(folder: Path, shard: Path) -> Path:
    """Where the descriptors of a shard go, under the shard's own number."""
    return folder / f"part-{shard_number(shard):05d}.npy"


def parts_of(folder: Path) -> list[Path]:
    """The written parts of one job, in row order."""
    return numbered_parts(folder, "part-*.npy")


def read_embeddings(store: Path, folder: Path) -> Embeddings:
    """The descriptors in `folder`, with the ids of the store they were made from."""
    return Embeddings(
        id=ImageStore(store).ids, vector=np.concatenate([np.load(part) for part in parts_of(folder)])
    )
