"""One round of training, whoever made its labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ucvgl.distributed.machines import Crew
from ucvgl.settings.experiment import Experiment
from ucvgl.training.batches import Pairs
from ucvgl.training.epochs import epochs_of
from ucvgl.training.fit_towers import fit_towers


def train_round(
    into: Path,
    start: Path,
    sources: Sequence[Pairs],
    index: int,
    *,
    experiment: Experiment,
    machines: Crew,
    times: int = 1,
    joined: int = 0,
) -> None:
    """Train from the encoders in `start` into `into`, on this round's part of the one schedule of all rounds.

    Where panoramas join later there are two schedules: one for what sees tiles, and one for what sees panoramas, which
    learns where these lie while tiles stay where they are.

    Args:
        sources: what is trained on, each with the stores of its sides.
        index: of the round, from 0; it sets the seed and the part of the schedule.
        times: so many times the epochs and steps of a round.
        joined: the round in which panoramas join; 0: they learn together with tiles.
    """
    settings, batch = experiment.curriculum, experiment.contrast.batch
    first, count = (0, joined or settings.rounds) if index < joined else (joined, settings.rounds - joined)
    epochs, steps = times * settings.epochs_per_round, times * settings.round_steps
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
        span=((index - first) / count, (index + 1 - first) / count),
        frozen_tiles=0 < joined <= index,
    )
