"""The programs of the training workers: freeze a model, train the adapter on labels (M-step), apply it to all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ucvgl.adapt.features import Features
from ucvgl.adapt.labels import Labels
from ucvgl.config import Adaptation
from ucvgl.contrast.batches import epoch_order
from ucvgl.contrast.fit import schedule
from ucvgl.contrast.infonce import info_nce
from ucvgl.model import workers
from ucvgl.model.adapter import Adapter, adapted, load_adapter, save_adapter
from ucvgl.model.loop import Log, finish, run_steps
from ucvgl.model.towers import View
from ucvgl.whole import write_array

CLIP_GRADIENT = 10.0


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

    Args:
        start: folder with an `adapter.pt`, and a `trained.pt` where earlier training is to be continued.
        features: parts of both views.
        span: part of the cosine schedule that this call covers, 0..1.
    """
    adapter = load_adapter(start / "adapter.pt", device)
    optimizer = torch.optim.AdamW(adapter.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    state = {"adapter": adapter, "optimizer": optimizer}
    if (start / "trained.pt").exists():
        for key, saved in torch.load(start / "trained.pt", map_location=device, weights_only=True).items():
            state[key].load_state_dict(saved)
    wrapped = workers.distributed(adapter)
    sides = [Features(parts, turns=settings.turns) for parts in features]
    plan = batches(labels, settings.batch, settings.steps_per_round, seed)

    def step(index: int) -> dict[str, Tensor]:
        rows = plan[index]
        own = workers.share(len(rows))
        turn = np.random.default_rng((seed, index)).integers(settings.turns, size=len(rows))
        seen = [
            _centred(adapter, view, side, numbers[rows[own]], turn[own], device)
            for view, side, numbers in zip(("query", "reference"), sides, (labels.query, labels.reference), strict=True)
        ]
        optimizer.param_groups[0]["lr"] = settings.learning_rate * schedule(
            span[0] + (span[1] - span[0]) * index / len(plan)
        )
        query, reference, back, scale = wrapped(*seen)
        lost = lost_information(back, torch.cat(seen)).unflatten(0, (2, len(seen[0]))).T
        query, reference, lost = (workers.gather(each.contiguous(), len(rows)) for each in (query, reference, lost))
        weight = torch.from_numpy(labels.weight[rows]).to(query)
        contrast = info_nce(query, reference, scale, label_smoothing=settings.label_smoothing, weight=weight)
        reconstruction = lost.mean()
        optimizer.zero_grad(set_to_none=True)
        (contrast + settings.aic_weight * reconstruction).backward()
        gradient = nn.utils.clip_grad_norm_(adapter.parameters(), CLIP_GRADIENT)
        optimizer.step()
        return {"label_loss": contrast.detach(), "aic_loss": reconstruction.detach(), "gradient": gradient}

    run_steps(step, len(plan), name=name, folder=folder, state=state, images_per_step=2 * settings.batch, log=log)
    if workers.rank() == 0:
        torch.save({key: part.state_dict() for key, part in state.items()}, folder / "trained.pt")
        save_adapter(adapter, folder / "adapter.pt")
    finish(folder, name)


def lost_information(back: Float[Tensor, "n d"], centred: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """What an adapted descriptor no longer tells of the frozen one: 1 - cosine, which is half the squared distance.

    The paper's distance is L2. The released code takes the mean of absolute differences over all dimensions, which is
    about a hundredth of that, and next to nothing beside the contrast.
    """
    return 1 - (back * centred).sum(1)


def batches(labels: Labels, batch: int, steps: int, seed: int) -> list[np.ndarray]:
    """Pair numbers of every step: epoch after epoch over all labels until there are enough steps."""
    plan: list[np.ndarray] = []
    for epoch in range(steps):
        plan += epoch_order(labels, batch, (seed, epoch))
        if len(plan) >= steps:
            break
    return plan[:steps]


@torch.inference_mode()
def adapt_features(
    folder: Path, adapter: Path, parts: Sequence[Path], *, view: View, turns: int, device: torch.device, log: Log
) -> None:
    """Write the adapted descriptors of one view to `folder`, part by part; the workers share the parts."""
    model = load_adapter(adapter, device).eval()
    for number in range(workers.rank(), len(parts), workers.size()):
        (block,) = Features([parts[number]], turns=turns).blocks()
        seen = torch.from_numpy(block).to(device)
        write_array(folder / parts[number].name, adapted(model, seen, view).cpu().numpy())
    workers.barrier()


def _centred(
    adapter: Adapter, view: View, features: Features, rows: np.ndarray, turn: np.ndarray, device: torch.device
) -> Tensor:
    drawn = features.read(rows)[np.arange(len(rows)), turn]
    return adapter.centred(torch.from_numpy(drawn).to(device), view)
