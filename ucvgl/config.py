"""Experiment: every setting that can change a number, one frozen dataclass per stage.

`Resources` is the exception by rule: it may change speed, never a result.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ucvgl.config_adapt import Adaptation


@dataclass(frozen=True)
class Synthetic:
    """The embedded world (`ucvgl/data/synthetic`)."""

    level: Literal["easy", "medium", "hard"] = "medium"
    seed: int = 0
    """World seed. The training worlds are derived from it, the validation world too, and they share no place."""
    train_places: int = 4000
    validation_places: int = 500
    panorama_height: int = 128
    """Rows of the rendered panorama, pixels."""
    panorama_width: int = 512
    tile_size: int = 128
    """Side of the rendered tile, pixels."""
    queries_without_reference: float = 0.0
    """Open world: share of panoramas whose tile is left out of the pool."""
    references_without_query: float = 0.0
    """Open world: share of tiles whose panorama is left out of the pool."""


@dataclass(frozen=True)
class Drone:
    """Flights over the embedded world (`synthetic_drone`): the places are buildings."""

    views: int = 9
    """Pictures of each building, on a spiral around it from high to low."""
    size: int = 128
    """Side of the rendered drone and street pictures, pixels."""
    distractor_places: int = 180
    """Buildings of the searched pool that no query shows, beside `synthetic.validation_places`."""


PROTOCOLS = {
    "synthetic": (),
    "synthetic_drone": (
        "drone_to_satellite",
        "satellite_to_drone",
        "street_to_satellite",
        "satellite_to_street",
    ),
    "folder": (),
    "cvusa": (),
    "cvact": ("validation", "test"),
    "vigor": ("same_area", "cross_area"),
    "university1652": (
        "drone_to_satellite",
        "satellite_to_drone",
        "street_to_satellite",
        "satellite_to_street",
        "drone_to_satellite_160k",
    ),
}
"""What a data set can be used for, the default first; nothing where there is no choice."""


@dataclass(frozen=True)
class Dataset:
    """Which images, where they lie, and the size at which the networks see them."""

    name: Literal["synthetic", "synthetic_drone", "folder", "cvusa", "cvact", "vigor", "university1652"] = "synthetic"
    root: str = "data"
    """Folder of the images (of the rendered worlds, for `synthetic` and `synthetic_drone`)."""
    protocol: Literal[
        "default",
        "validation",
        "test",
        "same_area",
        "cross_area",
        "drone_to_satellite",
        "satellite_to_drone",
        "street_to_satellite",
        "satellite_to_street",
        "drone_to_satellite_160k",
    ] = "default"
    """Which images train and which are searched, where a data set has several uses (`docs/data.md`)."""
    queries: str = ""
    """`folder` only: folder or glob of the query images, below the root; empty: by the folders' names."""
    references: str = ""
    """`folder` only: the same for the tiles."""
    synthetic: Synthetic = field(default_factory=Synthetic)
    drone: Drone = field(default_factory=Drone)
    panorama_height: int = 48
    """Network input, pixels."""
    panorama_width: int = 192
    tile_size: int = 64
    """Network input for tiles, BEVs and fakes, pixels."""
    max_bad_share: float = 0.01
    """The job stops when a larger share of the images than this cannot be read."""

    @property
    def rendered(self) -> bool:
        """Whether the images are rendered here, and not found."""
        return self.name in ("synthetic", "synthetic_drone")

    @property
    def chosen_protocol(self) -> str:
        """The protocol with `default` resolved; empty where the data set has no choice."""
        return "".join(PROTOCOLS[self.name][:1]) if self.protocol == "default" else self.protocol

    @property
    def reverse_protocol(self) -> str:
        """The protocol that asks the other way round, with pools of its own; empty where there is none."""
        asked, _, searched = self.chosen_protocol.removesuffix("_160k").partition("_to_")
        reverse = f"{searched}_to_{asked}"
        return reverse if reverse in PROTOCOLS[self.name] else ""


@dataclass(frozen=True)
class Projection:
    """Panorama to bird's-eye view (UCVGL section 3.1.1, equation 2 corrected)."""

    bev: bool = True
    """Off: the squashed panorama stands in for the BEV (Table 2, row a)."""
    fov_deg: float = 170.0
    """Field of view of the nadir camera; the BEV's edge is fov/2 from straight down."""
    metres_per_pixel: float = 0.0
    """Ground metres per BEV pixel, as of the tiles at `dataset.tile_size`: with the camera's height it sets the scale
    in place of the field of view. 0: the field of view does."""
    camera_height_m: float = 0.0
    """Of the panorama's camera above the ground; needed with `metres_per_pixel` only."""
    top_elevation_deg: float = 90.0
    """Elevation of the panorama's first row; below 90 the sky was cropped away."""
    bottom_elevation_deg: float = -90.0
    """Elevation of the panorama's last row; above -90 the nadir was cropped away."""


@dataclass(frozen=True)
class Translation:
    """CycleGAN from BEV to tile (UCVGL section 3.1.1, imaging projection)."""

    fake: bool = True
    """Off: the untranslated BEV stands in for the fake tile (Table 2, row b)."""
    steps: int = 400
    batch: int = 8
    learning_rate: float = 2e-4
    channels: int = 16
    blocks: int = 3
    cycle_weight: float = 10.0
    identity_weight: float = 0.5
    """Relative to `cycle_weight`, as in the released code."""


@dataclass(frozen=True)
class Model:
    """The two encoders."""

    backbone: str = "strided"
    """`strided`, our small convolution net for CPUs, or any timm name."""
    checkpoint: str = ""
    """Local weights for the backbone; empty: timm's pretrained weights where a hub is reachable, else from scratch."""
    pretrained: bool = False
    shared: bool = False
    """One encoder for both views (Table 5, row b)."""
    aggregation: Literal["safa", "mean"] = "safa"
    """`mean`: global average pooling (Table 5, row a)."""
    safa_heads: int = 8
    channels: int = 64
    """Width of the `strided` backbone's last layer."""


@dataclass(frozen=True)
class Contrast:
    """Loss, optimiser and augmentation shared by every contrastive stage."""

    batch: int = 128
    """Global batch, over all workers."""
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    temperature: float = 0.07
    """Where the learnable temperature starts."""
    rotate: bool = True
    """Synchronous roll of the panorama and rot90 of the tile."""
    flip: bool = True
    shift: float = 0.06
    """Largest shift of a tile, as a share of its side."""
    rotate_deg: float = 6.0
    """Largest rotation of a tile about its centre."""
    scale: float = 0.1
    tone: float = 0.8
    """Strength of the change of colour, contrast and light."""
    holes: int = 3
    """Rectangles painted over, each up to 0.3 of the sides."""
    average_decay: float = 0.98
    """Of the running mean of the weights, which embeds and is kept; 0: the last weights themselves."""
    clip_gradient: float = 10.0


@dataclass(frozen=True)
class ColdStart:
    """First encoders, without any label (UCVGL section 3.1.2)."""

    intra_epochs: int = 3
    """Epochs of intra-view contrast; 0 drops it (Table 2, row c)."""
    cross_epochs: int = 2
    """Epochs on (panorama, fake); 0 drops it (Table 2, row d)."""
    intra_label_smoothing: float = 0.1
    cross_label_smoothing: float = 0.3


@dataclass(frozen=True)
class Curriculum:
    """Rounds of adaptive mutual matching (UCVGL section 3.2)."""

    rounds: int = 10
    epochs_per_round: int = 1
    mutual: bool = True
    """Off: every query keeps its best reference (Table 3, row a)."""
    min_margin: float = 0.05
    """Margin threshold of the first round, cosine units; 0: no threshold (Table 3, row b)."""
    final_margin: float = 0.02
    """Margin threshold of the last round."""
    margin_scale: Literal["cosine", "quantile", "z_score"] = "cosine"
    """Unit of the margin thresholds. `quantile`: share of the candidate labels below; `z_score`: standard deviations
    above their mean. Both mean the same for encoders that spread similarities widely or narrowly."""
    two_sided: bool = False
    """On: a label needs the margin seen from the tile as well."""
    reciprocal: int = 1
    """A match is mutual when the query is among so many best queries of its tile; more than 1 where several
    panoramas share a tile."""
    relabel: bool = True
    """Off: the first round's labels are kept (Table 3, row c)."""
    first_fake_vote: float = 1.0
    """Weight, in the first round's matching, of the similarity between a query's fake and a tile, both seen by the tile
    encoder; the panorama's own similarity has the rest. 0: the paper's matching."""
    final_fake_vote: float = 0.5
    """The same in the last round; linear in between."""
    fake_labels: bool = True
    """A pseudo-label also trains the tile encoder on the query's fake and the tile."""
    scan_turns: int = 4
    """Quarter turns from which every place is looked at when matching, 1 to 4."""
    label_smoothing: float = 0.1
    dustbin_share: float = 1.0
    """Unlabelled rows join a round, with the dustbin as their target, once this share of the queries has a label;
    1: never."""


@dataclass(frozen=True)
class Resources:
    """Machines. May change speed, never a number."""

    address: str = ""
    """Ray cluster; empty: the one this job runs on, else a local Ray."""
    train_workers: int = 1
    train_cpus: int = 2
    """CPUs (threads) of each training worker."""
    train_gpus: float = 0.6
    """GPU share of each training worker where the cluster has GPUs; the embedders take the rest."""
    image_workers: int = 1
    """Actors that decode and project."""
    model_workers: int = 1
    """Actors that run a network over images: translation and embedding."""
    model_gpus: float = 0.4
    search_workers: int = 2
    """Actors that match."""
    search_rows: int = 100_000
    """References that such an actor holds at a time."""
    search_gpus: float = 0.0
    """GPU share of each such actor where the cluster has GPUs; what training and embedding take is not free."""
    images_per_shard: int = 512


@dataclass(frozen=True)
class Experiment:
    """The whole job, top to bottom."""

    dataset: Dataset = field(default_factory=Dataset)
    projection: Projection = field(default_factory=Projection)
    translation: Translation = field(default_factory=Translation)
    model: Model = field(default_factory=Model)
    contrast: Contrast = field(default_factory=Contrast)
    cold_start: ColdStart = field(default_factory=ColdStart)
    curriculum: Curriculum = field(default_factory=Curriculum)
    adaptation: Adaptation = field(default_factory=Adaptation)
    resources: Resources = field(default_factory=Resources)
    seed: int = 0
