"""The workers of one job: what they can be asked for, whoever started them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float, Float32, Int

from ucvgl.atomic import write_array
from ucvgl.distributed.admission import wait_for_turn
from ucvgl.distributed.cluster import placed, several_machines
from ucvgl.distributed.placement import Placement
from ucvgl.distributed.progress import Progress
from ucvgl.distributed.worker_group import WorkerGroup
from ucvgl.files import cached
from ucvgl.images.image_store import count_images, shard_number, shard_path, shards_of
from ucvgl.poses.verifying import KNOWN, Turns
from ucvgl.programs import matching, ranked, verified
from ucvgl.programs.embedding import EmbedJob, all_shards, embed_shards, part_path, parts_of
from ucvgl.programs.ranked import Ranking
from ucvgl.programs.translating import translate_shards
from ucvgl.programs.whitened import find_whitenings, whiten_parts, whitened_parts
from ucvgl.retrieval.ranking import Question
from ucvgl.retrieval.topk import TwoSided, two_sided_topk
from ucvgl.retrieval.vectors import Stored
from ucvgl.settings.experiment import Resources
from ucvgl.training.loop import Log

SEARCHED_HERE = 8192 * 8192
"""Pairs of vectors in memory, up to which the driver is done before workers would have read them."""


class Crew(ABC):
    """Workers that run one program after another, all of them the same one.

    Args:
        search_rows: references that one of them holds at a time.
    """

    def __init__(self, search_rows: int) -> None:
        self._search_rows = search_rows

    @property
    @abstractmethod
    def count(self) -> int:
        """How many they are; work is cut for so many."""

    @abstractmethod
    def run(self, program: Callable[..., Any], *, progress: Progress | None = None, **arguments: Any) -> Any:
        """Run `program(device=..., log=..., **arguments)` on every worker; the result is that of the first.

        Args:
            program: an importable function that goes on where it was broken off: it is called again after a worker
                died.
            progress: hears what the program logs as `kept` (so much more is done) or `share` (of all).
        """

    @abstractmethod
    def rest(self) -> None:
        """Let others have what the workers hold, until they are asked again."""

    def embed(self, jobs: Sequence[EmbedJob]) -> None:
        """Write the descriptors of every job; parts that exist are kept."""
        work = all_shards(jobs)
        left = cached.unmade(work, lambda one: part_path(one[0][0].folder, one[0][1]))
        total, missing = (sum(images for _, images in some) for some in (work, left))
        if left:
            progress = Progress("embed", total, done=total - missing)
            self.run(embed_shards, progress=progress, work=[one for one, _ in left])

    def translate(self, source: Path, folder: Path, *, generator: Path) -> None:
        """Render every image of the store `source` into the store `folder`; shards that exist are kept."""
        shards = shards_of(source)
        left = cached.unmade(shards, lambda path: shard_path(folder, shard_number(path)))
        total, missing = (sum(map(count_images, some)) for some in (shards, left))
        if left:
            progress = Progress(f"translate {folder.name}", total, done=total - missing)
            self.run(translate_shards, progress=progress, shards=left, folder=folder, generator=generator)

    def described(self, sides: Sequence[Sequence[EmbedJob]], *, whitening: float) -> list[list[Path]]:
        """Embed the jobs of every side; their parts, whitened side by side where that is asked for.

        Args:
            whitening: shrinkage; 0: none.
        """
        self.embed([job for side in sides for job in side])
        if whitening:
            self.run(find_whitenings, sides=sides, shrinkage=whitening)
            self.run(whiten_parts, sides=sides)
            return [[into for _, into in whitened_parts(side)] for side in sides]
        return [[part for job in side for part in parts_of(job.folder)] for side in sides]

    def match(
        self, query_parts: Sequence[Path], reference_parts: Sequence[Path], *, folder: Path, k: int = 2
    ) -> TwoSided:
        """The best k references of every query and the best k queries of every reference, exactly.

        Args:
            query_parts: `.npy` files, float32 [n d].
            folder: where workers leave what they find.
        """
        queries, references = Stored.of(query_parts), Stored.of(reference_parts)
        asked, held = queries.span[1], references.span[1]
        cuts = matching.shards(held, workers=self.count, rows=self._search_rows)
        progress = Progress("match", asked * held, unit="pairs")
        sides = {"queries": queries, "references": references}
        self.run(matching.match_shards, progress=progress, cuts=cuts, folder=folder, k=k, **sides)
        return matching.read_matched(cuts, folder, queries=asked, references=held, k=k)

    def search(
        self, queries: Float32[np.ndarray, "q d"], references: Float32[np.ndarray, "r d"], *, folder: Path, k: int = 2
    ) -> TwoSided:
        """`match` of vectors in memory: by the driver where there are few, else the workers read them from `folder`.

        Args:
            folder: what is left there is removed.
            k: best partners of each vector.
        """
        if len(queries) * len(references) <= SEARCHED_HERE:
            return two_sided_topk(queries, references, k=k)
        cached.remove(folder)
        parts = [folder / name / "part-00000.npy" for name in ("queries", "references")]
        for part, vectors in zip(parts, (queries, references), strict=True):
            write_array(part, vectors)
        best = self.match(parts[:1], parts[1:], folder=folder, k=k)
        cached.remove(folder)
        return best

    def rank(
        self,
        query_parts: Sequence[Path],
        reference_parts: Sequence[Path],
        decoy_parts: Sequence[Path],
        questions: Sequence[Question],
        *,
        folder: Path,
        k: int,
        turns: int = 1,
    ) -> Ranking:
        """How many references stand before the true ones, and which come first, with decoys and without.

        Args:
            query_parts: of all queries at their first turn, then of all at their second, and so on.
            questions: what is true; rows of the references.
            folder: where workers leave what they find.
            turns: of each query; a reference is as similar as at the best of them.
        """
        queries, references = Stored.of(query_parts), Stored.of([*reference_parts, *decoy_parts])
        count, together = Stored.of(reference_parts).span[1], references.span[1]
        cuts = ranked.cut(count, together - count, workers=self.count, rows=self._search_rows)
        left = cached.unmade(cuts, lambda shard: ranked.shard_path(folder, shard))
        progress = Progress("rank", together, unit="references", done=together - sum(b - a for a, b in left))
        sides = {"queries": queries, "references": references, "questions": questions}
        asked: dict[str, Any] = {"count": count, "k": k, "turns": turns}
        self.run(ranked.rank_shards, progress=progress, cuts=left, folder=folder, **sides, **asked)
        return ranked.read_ranked(cuts, folder, questions, queries=queries.span[1] // turns, **asked)

    def verify(
        self,
        candidates: Int[np.ndarray, "q k"],
        *,
        bevs: Path,
        tiles: Path,
        folder: Path,
        around_deg: Float[np.ndarray, "q k"] | Float[np.ndarray, " q"] | None = None,
        turns: Turns = KNOWN,
        known: Path | None = None,
    ) -> Float32[np.ndarray, "q k"]:
        """What the ground says of candidates, over poses (`ucvgl.poses.verifying`); -inf where there is none.

        Args:
            candidates: numbers of tiles, and beyond these of their mirror images; -1 for none.
            bevs: store of the queries' bird's-eye views.
            tiles: store of the references.
            folder: where workers leave what they find; what is there is kept.
            around_deg: where each query is thought to look, or that for each candidate; None: to the north.
            turns: that are tried around it.
            known: what `ucvgl.programs.verified.keep_verified` left of the same stores and turns, to the north.
        """
        if not cached.exists(folder / "candidates.npy"):
            verified.write_candidates(candidates, folder, around_deg)
        cuts = verified.cut(len(candidates))
        left = cached.unmade(cuts, lambda shard: verified.shard_path(folder, shard))
        progress = Progress("verify", len(candidates), done=len(candidates) - sum(b - a for a, b in left))
        images: dict[str, Any] = {"bevs": bevs, "tiles": tiles, "turns": turns, "known": known}
        self.run(verified.verify_candidates, progress=progress, cuts=left, folder=folder, **images)
        return verified.read_verified(cuts, folder)


@final
class Machines(Crew):
    """A context manager over the worker group of a job, which starts with the first program; entered in its turn.

    Args:
        folder: where Ray Train keeps its own small state.
        log: receives the numbers that programs report.
    """

    def __init__(self, folder: Path, resources: Resources, log: Log) -> None:
        super().__init__(resources.search_rows)
        self._folder, self._resources, self._log = folder, resources, log
        self._started = ExitStack()

    @cached_property
    def _placement(self) -> Placement:
        return placed(self._resources)

    @cached_property
    def _group(self) -> WorkerGroup:
        how = {"at_least": self._resources.workers_at_least, "log": self._log}
        return self._started.enter_context(WorkerGroup(self._folder, self._placement, **how))

    @property
    def count(self) -> int:
        """How many workers the group has while no machine is lost."""
        return self._placement.workers

    def run(self, program: Callable[..., Any], *, progress: Progress | None = None, **arguments: Any) -> Any:
        """Run a program on every worker.

        Raises:
            ValueError: raised by the program, with its message.
            RuntimeError: any other error of the program, with the worker's traceback, or of the worker group.
        """
        with cached.handed_over(self._folder, far=several_machines()):
            return self._group.run(program, progress=progress, **arguments)

    def rest(self) -> None:
        """End the group; the next program starts another."""
        self._started.close()
        if "_group" in vars(self):
            del self._group

    def __enter__(self) -> Machines:
        wait_for_turn()
        return self

    def __exit__(self, *error: Any) -> None:
        self._started.__exit__(*error)
