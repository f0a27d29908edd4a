"""The programs of the training workers: freeze a model, train the adapter on labels (M-step), apply it to all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ucvgl.atomic import write_array
from ucvgl.files import cached
from ucvgl.networks.adapter import adapted, load_adapter, save_adapter
from ucvgl.networks.saved import load_saved, save
from ucvgl.networks.towers import VIEWS, View
from ucvgl.pseudo_labels.e_step import Alike, Labels
from ucvgl.settings.experiment import Adaptation
from ucvgl.training import workers
from ucvgl.training.ahead import Ahead, ready, sent
from ucvgl.training.batches import Rows, epoch_order
from ucvgl.training.descent import CLIP_GRADIENT, Descent, adam_w
from ucvgl.training.fit_towers import schedule
from ucvgl.training.frozen_features import Features
from ucvgl.training.infonce import bound_, info_nce
from ucvgl.training.loop import Log, finish, run_steps

LABEL_SMOOTHING = 0.1


def fit_adapter(
    folder: Path,
    start: Path,
    features: tuple[Sequence[Path], Sequence[Path]],
    labels: Labels,
    *,
    name: str,
    settings: Adaptation,
    seed: int,
    device: torch.device,
    log: Log,
    span: tuple[float, float] = (0.0, 1.0),
) -> None:
    """Train from the adapter in `start`; write `trained.pt` (to go on from) and `adapter.pt` to `folder`.

    A step takes pairs of which no two share a query or a reference by their labels, and a turn for each pair. The loss
    is the contrast within the batch, gathered over all workers, and the reconstruction of the frozen descriptors.
    Where labels tell of queries that are alike, pairs of those make a second batch with a contrast of its own.

    Args:
        start: folder with an `adapter.pt`, and a `trained.pt` where earlier training is to be continued.
        features: parts of both views.
        span: part of the cosine schedule that this call covers, 0..1.
    """
    adapter = load_adapter(start / "adapter.pt", device)
    optimizer = adam_w(adapter, settings.learning_rate)
    descend = Descent(optimizer, device, clip=CLIP_GRADIENT)
    state = {"adapter": adapter, "optimizer": descend}
    if cached.exists(start / "trained.pt"):
        for key, saved in load_saved(start / "trained.pt", device=device).items():
            state[key].load_state_dict(saved)
    wrapped = workers.distributed(adapter)
    sides = {view: Features(parts, turns=settings.turns) for view, parts in zip(VIEWS, features, strict=True)}
    kinds = [_Kind("label", labels, VIEWS, labels.weight, 1.0)]
    if len(labels.alike) and settings.group_weight:
        alike = Alike.of(labels.alike)
        kinds.append(_Kind("group", alike, ("query", "query"), np.ones(len(alike)), settings.group_weight))
    plans = [batches(kind.pairs, settings.batch, settings.steps_per_round, seed) for kind in kinds]
    steps = len(plans[0])

    def frozen(kind: _Kind, rows: np.ndarray, index: int) -> list[Tensor]:
        own = workers.share(len(rows))
        turn = np.random.default_rng((seed, index)).integers(settings.turns, size=len(rows))[own]
        return [
            ready(torch.from_numpy(sides[view].read(numbers[rows[own]])[np.arange(len(turn)), turn]), device)
            for view, numbers in zip(kind.views, (kind.pairs.query, kind.pairs.reference), strict=True)
        ]

    def read(index: int) -> list[list[Tensor]]:
        return [frozen(kind, plan[index], index) for kind, plan in zip(kinds, plans, strict=True)]

    def step(index: int) -> dict[str, Tensor]:
        rows = [plan[index] for plan in plans]
        both = [
            [
                adapter.centred(side.to(device, non_blocking=True), view)
                for view, side in zip(kind.views, some, strict=True)
            ]
            for kind, some in zip(kinds, batches_ahead[index], strict=True)
        ]
        counts = [len(first) for first, _ in both]
        firsts, seconds = (torch.cat(side) for side in zip(*both, strict=True))
        progress = span[0] + (span[1] - span[0]) * index / steps
        first, second, back, scale = wrapped(firsts, seconds)
        lost = lost_information(back, torch.cat((firsts, seconds))).unflatten(0, (2, len(firsts))).T
        contrast, logged, reconstructions = firsts.new_zeros(()), {}, []
        parts = zip(*(each.split(counts) for each in (first, second, lost)), strict=True)
        for kind, chosen, own in zip(kinds, rows, parts, strict=True):
            one, other, left = (workers.gather(part.contiguous(), len(chosen)) for part in own)
            weight = sent(torch.from_numpy(kind.weight[chosen]).to(one.dtype), device)
            loss = info_nce(one, other, scale, label_smoothing=LABEL_SMOOTHING, weight=weight)
            contrast = contrast + kind.share * loss
            logged[f"{kind.name}_loss"] = loss.detach()
            reconstructions.append(left)
        reconstruction = torch.cat(reconstructions).mean()
        loss = contrast + settings.aic_weight * reconstruction
        gradient = descend(loss, settings.learning_rate * schedule(progress))
        bound_(adapter.logit_scale)
        return logged | {"aic_loss": reconstruction.detach(), "gradient": gradient}

    with Ahead(read, steps) as batches_ahead:
        run_steps(
            step, steps, name=name, folder=folder, state=state, images_per_step=2 * settings.batch * len(kinds),
            log=log, waited=lambda: batches_ahead.waited_s,
        )  # fmt: skip
    if workers.rank() == 0:
        save({key: part.state_dict() for key, part in state.items()}, folder / "trained.pt")
        save_adapter(adapter, folder / "adapter.pt")
    finish(folder, name)


@dataclass(frozen=True)
class _Kind:
    """Pairs of one kind, the view of each side, the weight of every pair in its contrast, and of that in the loss."""

    name: str
    pairs: Rows
    views: tuple[View, View]
    weight: np.ndarray
    share: float


def lost_information(back: Float[Tensor, "n d"], centred: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """What an adapted descriptor no longer tells of the frozen one: 1 - cosine, which is half the squared distance.

    The paper's distance is L2. The released code takes the mean of absolute differences over all dimensions, which is
    about a hundredth of that, and next to nothing beside the contrast.
    """
    return 1 - (back * centred).sum(1)


def batches(pairs: Rows, batch: int, steps: int, seed: int) -> list[Int[np.ndarray, " b"]]:
    """Pair numbers of every step: epoch after epoch over all pairs until there are enough steps.

    Args:
        batch: pairs that meet in a step, over all workers.
        steps: how many are wanted.
    """
    plan: list[np.ndarray] = []
    for epoch in range(steps):
        plan += epoch_order(pairs, batch, (seed, epoch))
        if len(plan) >= steps:
            break
    return plan[:steps]


@torch.inference_mode()
def adapt_features(
    folder: Path, adapter: Path, parts: Sequence[Path], *, view: View, turns: int, device: torch.device, log: Log
) -> None:
    """Write the adapted descriptors of one view to `folder`, part by part; the workers share the parts.

    Args:
        adapter: file of it.
        parts: frozen descriptors; each gives a part of the same name.
        turns: quarter turns that lie side by side in a row of them.
    """
    model = load_adapter(adapter, device).eval()
    for number in range(workers.rank(), len(parts), workers.size()):
        (block,) = Features([parts[number]], turns=turns).blocks()
        seen = torch.from_numpy(block).to(device)
        write_array(folder / parts[number].name, adapted(model, seen, view).cpu().numpy())
    workers.barrier()
