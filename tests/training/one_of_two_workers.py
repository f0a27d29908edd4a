"""What one worker of two gets from its part of each batch."""

from pathlib import Path

import torch

from ucvgl.networks.towers import TwoTowers
from ucvgl.settings.experiment import Model
from ucvgl.training import workers
from ucvgl.training.infonce import info_nce

CASES = {"uneven": 5, "one_row_for_two": 1, "one_tower": 5}


def losses_and_gradients(_: Path | None = None) -> dict[str, tuple[torch.Tensor, dict[str, torch.Tensor | None]]]:
    """The loss of each case's global batch, and the gradients that the optimiser sees."""
    found = {}
    for number, (case, batch) in enumerate(CASES.items()):
        torch.manual_seed(number)
        towers = TwoTowers(Model(channels=16, safa_heads=2), (16, 32), (16, 16))
        panoramas, tiles = torch.rand(batch, 3, 16, 32), torch.rand(batch, 3, 16, 16)
        labelled = torch.arange(batch) % 3 != 0
        wrapped, own = workers.distributed(towers, partly_used=True), workers.share(batch)
        if case == "one_tower":
            queries, _, scale = wrapped(torch.cat((panoramas[own], panoramas.flip(3)[own])), None)
            sides = queries.chunk(2)
        else:
            *sides, scale = wrapped(panoramas[own], tiles[own])
        first, second = (workers.gather(side, batch) for side in sides)
        loss = info_nce(first, second, scale, label_smoothing=0.1, labelled=labelled)
        loss.backward()
        found[case] = loss.detach(), {name: weights.grad for name, weights in towers.named_parameters()}
    return found
