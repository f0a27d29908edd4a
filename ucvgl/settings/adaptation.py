"""Settings of the adaptation of a frozen model; a part of `ucvgl.settings.experiment`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

from ucvgl.settings.ranges import Batch, Count, CountOrNone, NotNegative, Rate, Share


@dataclass(frozen=True)
class Adaptation:
    """A light adapter trained without labels on top of a frozen model (EM-CVGL; `jobs/adapt.py`)."""

    source: str = ""
    """Finished run on other images, or a `model.pt` of one: its encoders are frozen. Empty: `model.backbone` is, with
    `model.checkpoint` or its pretrained weights."""
    towers: Literal["one", "two"] = "one"
    """`one`: one network (of a run the tile encoder) sees both views, the queries as bird's-eye views. `two`: each
    encoder of a run sees its own view, as it was trained."""
    layer: Annotated[int, Ge(-100), Le(100)] = -1
    """Block of a timm network, or stage of one without blocks, that describes an image; negative: from the end."""
    pooling: Literal["own", "cls", "mean", "gem", "moments"] = "own"
    """From patches to one descriptor; `own`: as the network itself does it; `moments`: means of disc and rim and the
    deviation, of this layer of a timm network and of those half and three quarters of the way to it."""
    turns: Annotated[int, Ge(1), Le(4)] = 1
    """Quarter turns that every image is described from, 1 to 4; more than 1 only where both views are north up."""
    averaged_turns: Annotated[int, Ge(1), Le(4)] = 1
    """Quarter turns over which a descriptor is averaged, 1 to 4: for pictures from above of unknown heading."""
    residual: bool = True
    """The adapter subtracts the mean of each view over the training images, starts as the identity and learns a
    difference; off: it starts from random weights, on descriptors as they are (EM-CVGL)."""
    result: Literal["judged", "frozen", "centred", "whitened", "aligned", "fair", "voted", "adapted"] = "judged"
    """Which descriptors the run keeps as its model: those of the last round (`adapted`), one of those that need no
    training (`ucvgl.training.closed_form`), or `judged`: the last round's, below 1,000 training images of a view
    `voted`, unless the judge is sure that others find more (`ucvgl.training.judged_rows`). All are evaluated."""
    rounds: CountOrNone = 6
    """E-steps; each is followed by an M-step. With 1 the labels are those of the frozen model (no EM)."""
    steps_per_round: Count = 30
    batch: Batch = 512
    """Pairs that meet in a step, over all workers."""
    learning_rate: Rate = 1e-3
    aic_weight: NotNegative = 1.0
    """Of the reconstruction loss, against the contrast of labelled pairs."""
    strategy: Literal["mutual", "transport", "groups"] = "mutual"
    """How the E-step finds its labels: pairs that choose each other (EM-CVGL), by optimal transport, or by transport
    after queries that seem to show one place were brought together."""
    reciprocal: Annotated[int, Ge(1), Le(64)] = 1
    """A match is mutual when the query is among so many best queries of its tile; more than 1 where several
    queries share a tile."""
    threshold: Literal["similarity", "margin"] = "margin"
    """What must be large enough for a `mutual` label. `similarity`: the cosine itself (EM-CVGL). `margin`: the margin
    over the second best (UCVGL), as the share of mutual choices with a smaller one, which means the same for networks
    that spread similarities widely or narrowly."""
    first_threshold: Share = 0.5
    """What a label needs in the first round, of what `threshold` says; for `transport` and `groups` a share of the
    query's mass."""
    final_threshold: Share = 0.0
    """The same in the last round; half a cosine in between."""
    neighbours: Annotated[int, Ge(1), Le(64)] = 8
    """Of every query in its own view, that `groups` looks at; fewer than a place has."""
    group_weight: NotNegative = 1.0
    """Of the contrast between queries that `groups` takes for views of one place, against that of labelled pairs."""
