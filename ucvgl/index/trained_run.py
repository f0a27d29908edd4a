"""What a finished run has to offer: its encoders, its settings, and what its held-out queries saw."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8

from ucvgl.files import cached
from ucvgl.files.parts import check_all, in_order, numbered_parts, read_part
from ucvgl.files.plain import load_numbers, refuse_irregular
from ucvgl.files.tables import read_table
from ucvgl.images.image_store import ImageStore
from ucvgl.index.encoders import Encoders
from ucvgl.index.manifest import is_index
from ucvgl.projection.level import LEVEL, Level
from ucvgl.retrieval.topk import two_sided_topk
from ucvgl.run.before import seen_before, source_of
from ucvgl.run.columns import CATALOG, OPTIONAL
from ucvgl.run.places import folder_to_read
from ucvgl.run.record import DONE, read_record
from ucvgl.run.weights import described, is_result, weights_of
from ucvgl.settings.dotted import saved_settings
from ucvgl.settings.experiment import Experiment

MOST_SHARED = 0.01
"""Of the held-out queries, the share that may be copies of images that were trained on."""


class TrainedRun:
    """A run folder whose training is done.

    Args:
        unfinished: where it is not, take the last encoders that it made.

    Raises:
        ValueError: it is no run, not finished, or not what was written.
    """

    def __init__(self, path: Path | str, *, unfinished: bool = False) -> None:
        self.path = folder_to_read(path)
        config = self.path / "config.yaml"
        if not config.is_file():
            if is_index(os.fspath(path)):
                raise ValueError(f"{path} is an index, not a run; name the folder that a job was given with --run")
            raise ValueError(
                f"{path} is neither a run (it has no config.yaml) nor an index (it has no manifest.json); "
                "a run is the folder that a job was given with --run"
            )
        refuse_irregular(self.path)
        self.experiment: Experiment = saved_settings(config)
        self.model = weights_of(self.path, unfinished=unfinished)
        self.finished = is_result(self.model)
        """Whether its encoders are its result."""

    @property
    def about(self) -> str:
        """Which encoders these are, in words."""
        return described(self.model) + ("" if self.finished else ", an unfinished run")

    @property
    def photo_aspect(self) -> float | None:
        """Width over height of the panoramas that were trained on, as the run noted it; photos may have any."""
        if self.experiment.dataset.camera == "photo":
            return None
        record = read_record(self.path / "2_project" / DONE)
        return None if record is None else record.summary.get("photo_aspect")

    def encoders(self, *, device: str = "") -> Encoders:
        """Both encoders with their preprocessing, as the run has projected its panoramas.

        Args:
            device: `cpu`, `cuda`; empty: the GPU when there is one.
        """
        lens, path = self.experiment.dataset.lens(self.experiment.projection), self.path / "2_project" / LEVEL
        level = Level.from_bytes(read_part(path), str(path)) if lens and cached.exists(path) else None
        how = {"origin": str(self.model), "device": device, "lens": lens, "level": level}
        return Encoders(read_part(self.model), self.experiment.projection, **how)

    def held_out(self) -> tuple[Float[np.ndarray, "q d"], Float[np.ndarray, "r d"]] | None:
        """Descriptors of the validation queries and of the tiles of their area, as evaluation embedded them.

        None where they were trained on as well, or where the run was not evaluated.
        """
        embedded = in_order(self.path.glob("[0-9]_evaluate/embeddings/*/query"))
        if not self.finished or not embedded or self._trained_on_validation():
            return None
        query, reference = (self._vectors(embedded[-1].with_name(view)) for view in ("query", "reference"))
        return query, reference

    def held_out_pairs(
        self, most: int
    ) -> tuple[UInt8[np.ndarray, "n b b 3"], UInt8[np.ndarray, "n t t 3"]] | None:
        """Bird's-eye views and tiles of held-out images that are each other's best, at network size.

        None where `held_out` is, or where no view from above was kept.
        """
        found, views = self.held_out(), self.path / "2_project" / "validation"
        if found is None or not (views / "bev").is_dir():
            return None
        best = two_sided_topk(*found, k=1)
        tile_of, query_of = best.row_index[:, 0], best.column_index[:, 0]
        mutual = np.flatnonzero(query_of[tile_of] == np.arange(len(tile_of)))[:most]
        for name in ("queries", "bev", "references"):
            check_all(views / name)
        queries, bevs, tiles = (ImageStore(views / name) for name in ("queries", "bev", "references"))
        return bevs.read(bevs.rows_of(queries.ids[mutual])), tiles.read(tile_of[mutual])

    def held_out_tiles(self, rows: Int[np.ndarray, " n"]) -> UInt8[np.ndarray, "n h w 3"]:
        """Pixels of tiles by their row in what `held_out` gives, at network size."""
        return self._held_out["references"].read(rows)

    def held_out_bevs(self, rows: Int[np.ndarray, " n"]) -> UInt8[np.ndarray, "n s s 3"]:
        """Bird's-eye views of queries by their row in what `held_out` gives, likewise."""
        return self._held_out["bev"].read(rows)

    @cached_property
    def _held_out(self) -> dict[str, ImageStore]:
        """The views from above of held-out images, whole as they were written."""
        views = self.path / "2_project" / "validation"
        there = [name for name in ("bev", "references") if (views / name).is_dir()]
        for name in there:
            check_all(views / name)
        return {name: ImageStore(views / name) for name in there}

    def held_out_photos(self, most: int, *, seed: int = 0) -> list[str]:
        """URIs of some of the held-out queries, as they were before anything was made of them."""
        listed = read_table(self.path / "1_catalog" / "validation_queries.parquet", CATALOG, optional=OPTIONAL)
        return np.random.default_rng(seed).permutation(listed["uri"].to_pylist())[:most].tolist()

    def training_tiles(self, most: int, *, seed: int = 0) -> UInt8[np.ndarray, "n h w 3"]:
        """Pixels of some of the tiles that were trained on, at network size."""
        check_all(self.path / "2_project" / "train" / "references")
        store = ImageStore(self.path / "2_project" / "train" / "references")
        rows = np.random.default_rng(seed).permutation(len(store))[:most]
        return store.read(np.sort(rows))

    def _trained_on_validation(self) -> bool:
        train, held = (ImageStore(self.path / "2_project" / split / "queries") for split in ("train", "validation"))
        before, _ = seen_before(held.contents, source_of(self.path, self.experiment))
        return bool(np.isin(held.ids, train.ids).any() or (held.among(train) | before).mean() > MOST_SHARED)

    def _vectors(self, folder: Path) -> np.ndarray:
        check_all(folder)
        parts = numbered_parts(folder, "part-*.npy")
        try:
            vectors = np.concatenate([load_numbers(cached.here(part)) for part in parts])
        except (ValueError, OSError, EOFError) as error:
            raise ValueError(f"{folder} holds vectors that cannot be read ({error}); make this stage anew") from error
        if vectors.ndim != 2 or vectors.dtype != np.float32:
            raise ValueError(f"{folder} holds {vectors.dtype} {list(vectors.shape)}, not float32 vectors; make it anew")
        return vectors
