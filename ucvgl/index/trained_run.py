"""What a finished run has to offer: its encoders, its settings, and what its held-out queries saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from ucvgl.images.image_store import ImageStore
from ucvgl.index.encoders import Encoders
from ucvgl.run.weights import weights_of
from ucvgl.settings.dotted import from_yaml
from ucvgl.settings.experiment import Experiment


class TrainedRun:
    """A run folder whose training is done.

    Raises:
        ValueError: it is no run, or not finished.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        config = self.path / "config.yaml"
        if not config.is_file():
            raise ValueError(
                f"{path} is neither a run (it has no config.yaml) nor an index (it has no manifest.json); "
                "a run is the folder that a job was given with --run"
            )
        self.experiment: Experiment = from_yaml(config.read_text(encoding="utf-8"), origin=str(config))
        self.model = weights_of(path)

    def encoders(self, *, device: str = "") -> Encoders:
        """Both encoders with their preprocessing, as the run has projected its panoramas.

        Args:
            device: `cpu`, `cuda`; empty: the GPU when there is one.
        """
        return Encoders(
            self.model.read_bytes(), self.experiment.projection, origin=str(self.model), device=device
        )

    def held_out(self) -> tuple[Float[np.ndarray, "q d"], Float[np.ndarray, "r d"]] | None:
        """Descriptors of the validation queries and of the tiles of their area, as evaluation embedded them.

        None where they were trained on as well, or where the run was not evaluated.
        """
        embedded = sorted(self.path.glob("[0-9]_evaluate/embeddings/*/query"))
        if not embedded or self._trained_on_validation():
            return None
        query, reference = (self._vectors(embedded[-1].with_name(view)) for view in ("query", "reference"))
        return query, reference

    def training_tiles(self, most: int, *, seed: int = 0) -> np.ndarray:
        """Pixels of some of the tiles that were trained on, at network size: uint8 [n, h, w, 3]."""
        store = ImageStore(self.path / "2_project" / "train" / "references")
        rows = np.random.default_rng(seed).permutation(len(store))[:most]
        return store.read(np.sort(rows))

    def _trained_on_validation(self) -> bool:
        pools = [ImageStore(self.path / "2_project" / split / "queries").ids for split in ("train", "validation")]
        return bool(np.isin(pools[1], pools[0]).any())

    def _vectors(self, folder: Path) -> np.ndarray:
        return np.concatenate([np.load(part) for part in sorted(folder.glob("part-*.npy"))])
