"""Experiment: every setting that can change a number, one frozen dataclass per stage.

`Resources` is the exception by rule: it may change speed, never a result.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from annotated_types import Ge, Le

from ucvgl.settings.adaptation import Adaptation
from ucvgl.settings.dataset import PROTOCOLS, Dataset, Drone, Projection, Synthetic, WorldLook
from ucvgl.settings.ranges import (
    Batch,
    BelowOne,
    Candidates,
    Count,
    CountOrNone,
    Layers,
    NotNegative,
    Rate,
    Share,
    Temperature,
    Width,
)

__all__ = [
    "Adaptation",
    "ColdStart",
    "Contrast",
    "Curriculum",
    "Dataset",
    "Drone",
    "Evaluation",
    "Experiment",
    "Model",
    "PROTOCOLS",
    "Projection",
    "Resources",
    "Supervision",
    "Synthetic",
    "Translation",
    "WorldLook",
]


@dataclass(frozen=True)
class Translation:
    """CycleGAN from BEV to tile (UCVGL section 3.1.1, imaging projection)."""

    fake: bool = False
    """On: a CycleGAN makes a fake tile of every BEV (the paper). Off: the BEV itself stands in for it (Table 2, row b),
    which was better on every world so far (`docs/reproduce.md`)."""
    steps: CountOrNone = 400
    batch: Count = 8
    channels: Width = 16
    blocks: Layers = 3


QueryBy = Literal["panorama", "both"]
"""What a query is described by where it is searched for, see `Model.query`."""


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
    aggregation: Literal["safa", "map", "mean"] = "safa"
    """`safa`: the paper's; `map`: the ground cell by cell, in place of `safa` for photos; `mean`: pooled (Table 5a)."""
    safa_heads: Width = 8
    channels: Width = 64
    """Width of the `strided` backbone's last layer."""
    query: Literal["auto", "panorama", "both"] = "panorama"
    """What a query is described by where it is searched for: its panorama (the paper), or `both` this and its
    bird's-eye view, which the encoder of tiles sees; the sum of the two descriptors. `auto`: both, where that encoder
    has met bird's-eye views, that is without `translation.fake`."""
    structure: Share = 0.0
    """Share of the ground's structure (`ucvgl.poses.structure`) in the similarity where queries are described by both;
    it is seen in bird's-eye views. 0: none."""


@dataclass(frozen=True)
class Contrast:
    """Loss, optimiser and augmentation shared by every contrastive stage."""

    batch: Batch = 128
    """Global batch, over all workers. Where another is set and no rate, that follows (`ucvgl.settings.rates`)."""
    learning_rate: Rate = 2e-3
    temperature: Temperature = 0.07
    """Where the learnable temperature starts."""
    heading: Literal["known", "unknown"] = "known"
    """Where a query looks. `known`: it is a panorama with north in its middle, and turns only together with its tile.
    `unknown`: it begins anywhere, and the turn at which it fits its best tile is searched for in every round; without
    bird's-eye views (`projection.bev`), as for a drone, every tile is turned by any angle, and the picture never."""
    shift: Annotated[float, Ge(0), Le(0.5)] = 0.06
    """Largest shift of a tile, as a share of its side."""
    rotate_deg: Annotated[float, Ge(0), Le(180)] = 6.0
    """Largest rotation of a panorama, and of a tile about its centre, each on its own, where the heading is known."""
    tone: Share = 0.8
    """Strength of the change of colour, contrast and light."""
    average_decay: BelowOne = 0.98
    """Of the running mean of the weights, which embeds and is kept; 0: the last weights themselves."""
    not_finite: Literal["stop", "skip"] = "stop"
    """What a step without a finite loss means: the end of the training, or one step less. Its images are listed."""


@dataclass(frozen=True)
class ColdStart:
    """First encoders, without any label (UCVGL section 3.1.2)."""

    intra_epochs: CountOrNone = 1
    """Epochs of intra-view contrast, or as many as `intra_steps` take; 0 drops it (Table 2, row c)."""
    intra_steps: CountOrNone = 150
    """Steps of it at least: an epoch of few images ends before encoders tell images apart (`docs/reproduce.md`)."""
    cross_epochs: CountOrNone = 0
    """Epochs on (panorama, fake); 0 drops it (Table 2, row d): rounds train on these, too (`curriculum.with_fakes`)."""
    intra_label_smoothing: BelowOne = 0.1
    cross_label_smoothing: BelowOne = 0.3


@dataclass(frozen=True)
class Curriculum:
    """Rounds of adaptive mutual matching (UCVGL section 3.2)."""

    rounds: CountOrNone = 12
    epochs_per_round: Count = 1
    round_steps: CountOrNone = 0
    """Steps of a round at least: rounds of few images take more epochs."""
    mutual: bool = True
    """Off: every query keeps its best reference (Table 3, row a)."""
    labels: Literal["judged", "margin"] = "judged"
    """Which matches become pseudo-labels. `judged`: those that are right with at least `min_probability`, as far as
    decoys tell, and each counts as much as it is probable. `margin`: those whose margin reaches the round's threshold,
    all alike (the paper)."""
    first_structure_vote: Share = 0.0
    """Weight, in the first round's matching, of how alike bird's-eye view and tile are, north up, by where edges are
    and which way they run (`ucvgl.poses.structure`), which nobody has to learn; the encoders' similarities share the
    rest. 0: the paper's matching."""
    final_structure_vote: Share = 0.0
    """The same in the last round, linear in between."""
    verified: Candidates = 0
    """Best tiles of every query that are compared with its bird's-eye view once more, over poses
    (`ucvgl.poses.verifying`), before matches are made among them; 0: none (the paper)."""
    min_probability: Share = 0.2
    min_margin: Annotated[float, Ge(0), Le(2)] = 0.05
    """Margin threshold of the first round, cosine; 0: none (Table 3, row b). For `margin`."""
    final_margin: Annotated[float, Ge(0), Le(2)] = 0.02
    """Margin threshold of the last round, likewise."""
    whitening: NotNegative = 0.03
    """Shrinkage of the whitening of each view's descriptors before they are matched, as a share of their largest
    variance; 0: they are matched as they are (the paper)."""
    reciprocal: Annotated[int, Ge(1), Le(32)] = 1
    """A match is mutual when the query is among so many best queries of its tile; more than 1 where several
    panoramas share a tile."""
    relabel: bool = True
    """Off: the first round's labels are kept (Table 3, row c)."""
    first_fake_vote: Share = 1.0
    """Weight, in the first round's matching, of the similarity between a query's fake and a tile, both seen by the tile
    encoder, in what the encoders say; the panorama's own similarity has the rest. 0: the paper's matching."""
    final_fake_vote: Share = 0.5
    """The same in the last round; linear in between."""
    with_fakes: bool = True
    """Rounds train on fakes as well: a label's panorama, fake and tile, each with the other two, and panoramas without
    a label with their fakes. Off: on panorama and tile (the paper)."""
    panoramas_after: Share = 0.0
    """In so large a share of the rounds, from the first, and in the cold start, fakes and tiles are trained on without
    panoramas; then a label's fake and tile beside all three, for as many steps. 0, or without `with_fakes`: panoramas
    learn from the start (the paper). Photos never join: for `dataset.camera photo` it is 1."""
    scan_turns: Annotated[int, Ge(1), Le(4)] = 1
    """Quarter turns from which every place is looked at when matching, 1 to 4."""
    label_smoothing: BelowOne = 0.1
    keep: Literal["last", "judged"] = "last"
    """Whose encoders are the result. `judged`: those of the round whose recall on the validation images is highest as
    far as decoys tell; needs no truth, and a look at the validation images after every round."""
    query_weights: Literal["equal", "judged"] = "judged"
    """What panorama and bird's-eye view weigh in a query that is described by both (`model.query`). `judged`: of five
    shares that with which the result finds most validation images as far as decoys tell."""
    dustbin_share: Share = 1.0
    """Unlabelled rows join a round, with the dustbin as target, once this share of queries has a label; 1: never."""

    @property
    def rounds_without_panoramas(self) -> int:
        """How many rounds, from the first, train on fakes and tiles alone."""
        return round(self.panoramas_after * self.rounds) if self.with_fakes else 0

    @property
    def panoramas_later(self) -> bool:
        """Whether panoramas are not trained on from the start."""
        return self.rounds_without_panoramas > 0


@dataclass(frozen=True)
class Supervision:
    """True pairs, for the jobs that are told some: `jobs/semi_supervised.py` and `jobs/supervised.py`."""

    label_fraction: Share = 0.0
    """Share of the training queries with a known tile that come with it, drawn at random by the seed (Table 4).
    0: none, and `jobs/unsupervised.py` takes nothing else."""
    start: str = ""
    """Finished run, or folder with a `model.pt`, whose encoders take the place of the cold start: fine-tuning (Table 1,
    last row)."""
    hard_negatives: bool = True
    """`jobs/supervised.py` fills its batches with places that are hard to tell apart; off: with any (Table 1, double
    dagger)."""


@dataclass(frozen=True)
class Evaluation:
    """What is measured of a run at its end."""

    verified: Candidates = 0
    """Best tiles of every query that are brought in order by its bird's-eye view, over poses (`ucvgl.poses.verifying`);
    also in an index that is made from the run. 0: none (the paper)."""


@dataclass(frozen=True)
class Resources:
    """Machines. May change speed, never a number."""

    address: str = ""
    """Ray cluster; empty: the one this job runs on, else a local Ray."""
    workers: CountOrNone = 0
    """Processes that train, translate, embed, match and rank, each with a GPU of its own; 0: as many as there are GPUs
    and, where there is none, one for every 8 CPUs of a machine."""
    workers_at_least: CountOrNone = 0
    """With how many of them to go on when machines are lost, until there are more again; 0: all of them."""
    worker_cpus: CountOrNone = 0
    """CPUs (threads) of each; 0: an equal share of its machine."""
    image_cpus: CountOrNone = 0
    """CPUs that read, decode and project images, before the workers start; 0: all."""
    train_rows: CountOrNone = 0
    """Images that an encoder is trained on at a time; bounds the memory of a large batch, whose loss and gradients
    stay what they are, for a third more time. 0: a worker's whole share, or as many as fit on its graphics card."""
    search_rows: Count = 100_000
    """References that a worker holds at a time to match or rank."""
    images_per_shard: Count = 512


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
    supervision: Supervision = field(default_factory=Supervision)
    adaptation: Adaptation = field(default_factory=Adaptation)
    evaluation: Evaluation = field(default_factory=Evaluation)
    resources: Resources = field(default_factory=Resources)
    seed: CountOrNone = 0

    @property
    def headings_searched(self) -> bool:
        """Whether the turn of every panorama is searched for."""
        return self.contrast.heading == "unknown" and self.projection.bev

    @property
    def upright(self) -> Contrast:
        """How encoders are trained where it has been found."""
        return replace(self.contrast, heading="known") if self.headings_searched else self.contrast

    @property
    def query_by(self) -> QueryBy:
        """What queries are described by: `model.query`, where `auto` is decided."""
        if self.model.query == "auto":
            return "panorama" if self.translation.fake else "both"
        return self.model.query
