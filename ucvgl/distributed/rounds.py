"""One round of training, whoever made its labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ucvgl.distributed.machines import Crew
from ucvgl.settings.experiment import Experiment
from ucvgl.training.batches import Pairs
from ucvgl.training.epochs import epochs_of
from ucvgl.training.fit_towers import fit_towers
from ucvgl.training.pairs import ABOVE

TWICE = 2
"""So often every pair is trained on in a round where panoramas join later: as fake and tile twice before, whose steps
take less than half the time, and then once so and once with the panorama."""


def train_round(
    into: Path,
    start: Path,
    sources: Sequence[Pairs],
    index: int,
    *,
    experiment: Experiment,
    machines: Crew,
) -> None:
    """Train from the encoders in `start` into `into`, on this round's part of the one schedule of all rounds.

    Where fakes and tiles are pairs of their own (`above`) the round has twice the steps.

    Args:
        sources: what is trained on, each with the stores of its sides.
        index: of the round, from 0; it sets the seed and the part of the schedule.
    """
    settings, batch = experiment.curriculum, experiment.contrast.batch
    above = [pairs.name == ABOVE for pairs in sources]
    steps = settings.round_steps * (TWICE if any(above) else 1)
    epochs = settings.epochs_per_round * (TWICE if all(above) else 1)
    machines.run(
        fit_towers,
        folder=into,
        start=start,
        sources=sources,
        name=f"round_{index:02d}",
        epochs=epochs_of(sources, batch, epochs=epochs, steps=steps),
        settings=experiment.upright,
        rows_at_once=experiment.resources.train_rows,
        seed=experiment.seed * 1000 + 10 + index,
        span=(index / settings.rounds, (index + 1) / settings.rounds),
    )
