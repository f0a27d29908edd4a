"""The workers of a job, without Ray: the same programs, one after the other in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ucvgl.atomic import write_array
from ucvgl.distributed.embedders import EmbedJob, part_path
from ucvgl.distributed.whitened_parts import looks_of, whiten_part, whitened_parts
from ucvgl.images.image_store import read_shard, shards_of
from ucvgl.networks.adapted import load_encoders
from ucvgl.networks.towers import embed
from ucvgl.retrieval.topk import TwoSided, two_sided_topk
from ucvgl.training.loop import Log


class InProcess:
    """Stands in for `ucvgl.distributed.machines.Machines`: trainer, embedder and searcher.

    The answers are those of any number of workers, up to the rounding of sums; starting a Ray for each row of a table
    takes longer than the row itself.
    """

    def __init__(self, log: Log) -> None:
        self.trainer = self.embedder = self.searcher = self
        self._log = log

    @staticmethod
    def device() -> torch.device:
        """A graphics card where there is one."""
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def run(self, program: Callable[..., Any], **arguments: Any) -> Any:
        return program(device=self.device(), log=self._log, **arguments)

    def embed(self, jobs: Sequence[EmbedJob]) -> None:
        for job in jobs:
            encoders = load_encoders(job.model, self.device())
            for shard in shards_of(job.looks[0].store):
                path = part_path(job.folder, shard)
                if path.exists():
                    continue
                vectors = []
                for look in job.looks:
                    _, images = read_shard(look.store / shard.name)
                    seen = embed(encoders, images.copy(), look.view, turns=job.turns, mirrored=look.mirrored)
                    vectors.append(seen * np.float32(look.weight**0.5))
                write_array(path, np.concatenate(vectors, axis=1))

    def whiten(self, jobs: Sequence[EmbedJob], *, shrinkage: float) -> list[Path]:
        how = looks_of(jobs[0], shrinkage=shrinkage)
        for part, into in whitened_parts(jobs):
            whiten_part({"part": str(part), "into": str(into)}, **how)
        return [into for _, into in whitened_parts(jobs)]

    def match(self, query_parts: Sequence[Path], reference_parts: Sequence[Path], *, k: int = 2) -> TwoSided:
        sides = (np.concatenate([np.load(part) for part in parts]) for parts in (query_parts, reference_parts))
        return two_sided_topk(*sides, k=k, device=str(self.device()))
