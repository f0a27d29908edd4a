"""Train the two towers on pairs: intra-view, (panorama, fake), or pseudo-labels. One loop for all of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from ucvgl.files import cached
from ucvgl.images.image_store import ImageStore
from ucvgl.networks.mixed import mixed_precision
from ucvgl.networks.saved import load_saved, save
from ucvgl.networks.towers import VIEWS, TwoTowers, View, load_towers, refuse_batch_statistics, save_towers
from ucvgl.settings.experiment import Contrast
from ucvgl.training import workers
from ucvgl.training.ahead import Ahead, ready, sent
from ucvgl.training.augment import Draws, Images, erase, shake_panorama, tone, turn_panorama, warp_tile
from ucvgl.training.batches import Pairs
from ucvgl.training.collapse import SPREAD, spread
from ucvgl.training.descent import CLIP_GRADIENT, Descent, adam_w
from ucvgl.training.epochs import Epochs
from ucvgl.training.infonce import bound_, info_nce
from ucvgl.training.loop import Log, finish, run_steps
from ucvgl.training.memory import rows_that_fit

WARM_UP, WARM_UP_STEPS = 0.02, 24
"""Share of the schedule in which the learning rate rises, and in how many steps at least: with one step, encoders that
had learned nothing called all images alike after four, and never left that plateau."""
QUARTERS, MIRRORED = 4, 0.5
"""Pairs are turned by any quarter, where headings are known, and so large a share is mirrored."""
SCALE, HOLES, LARGEST_HOLE = 0.1, 3, 0.3
"""Largest change of a tile's scale; rectangles painted over in every image, and the largest share of a side."""


def fit_towers(
    folder: Path,
    start: Path,
    sources: Sequence[Pairs],
    *,
    name: str,
    epochs: int,
    settings: Contrast,
    seed: int,
    device: torch.device,
    log: Log,
    span: tuple[float, float] = (0.0, 1.0),
    rows_at_once: int = 0,
) -> None:
    """Train from the towers in `start`; write `trained.pt` (to go on from) and `model.pt` (to embed with) to `folder`.

    An epoch takes every batch of every source once, in an order drawn from the seed; a batch holds one source, and its
    negatives are the rest of it, gathered over all workers. Where a source has fakes, query, reference and fake are
    each contrasted with the other two: three losses for the price of three images, where pairs would take six.

    Args:
        start: folder with a `model.pt`, and a `trained.pt` where earlier training is to be continued.
        span: part of the cosine schedule that this call covers, 0..1; warm-up is its first part (`WARM_UP`).
        rows_at_once: images that an encoder sees at a time, to bound its memory (`TwoTowers`); 0: as many as fit.

    Raises:
        ValueError: the loss is not finite (see `Contrast.not_finite`), or the backbone knows batches.
    """
    towers = load_towers(start / "model.pt", device)
    views: list[list[View]] = [[side.view for side in source.sides] for source in sources]
    average = copy.deepcopy(towers).requires_grad_(False)
    share = -(-settings.batch // workers.size())
    towers.rows_at_once = rows_at_once or rows_that_fit(towers, views, share, device)
    if towers.rows_at_once or workers.size() > 1:
        refuse_batch_statistics(towers)
    optimizer = adam_w(towers, settings.learning_rate)
    descend = Descent(optimizer, device, clip=CLIP_GRADIENT)
    state = {"towers": towers, "average": average, "optimizer": descend}
    if cached.exists(start / "trained.pt"):
        for key, saved in load_saved(start / "trained.pt", device=device).items():
            state[key].load_state_dict(saved)
    if not towers.panorama_share and any("query" in some for some in views):
        towers.panoramas_join()
        average.panoramas_join()
    wrapped = workers.distributed(towers, partly_used=True)
    stores = {store: ImageStore(store) for source in sources for side in source.sides for store in side.stores}
    plan = Epochs(sources, settings.batch, epochs, seed)
    shown = sum(len(one) * len(one.sides) for one in sources) / max(1, sum(map(len, sources)))
    warm_up = min(0.5, max(WARM_UP, WARM_UP_STEPS * (span[1] - span[0]) / len(plan)))

    def read(index: int) -> list[Tensor]:
        source, rows = plan[index]
        own = rows[workers.share(len(rows))]
        return [ready(torch.from_numpy(side.read(stores, own)), device) for side in source.sides]

    def step(index: int) -> dict[str, Tensor]:
        source, rows = plan[index]
        draws = Draws((seed, index), len(rows), workers.share(len(rows)), device)
        quarters, flip = turned_together(draws, settings)
        sides = [
            augment(as_floats(images.to(device, non_blocking=True)), side.view, draws, quarters, flip, settings)
            for images, side in zip(batches[index], source.sides, strict=True)
        ]
        progress = span[0] + (span[1] - span[0]) * index / len(plan)
        with mixed_precision(device):
            described, scale = _describe(wrapped, sides, [side.view for side in source.sides])
        described = [workers.gather(some, len(rows)) for some in described]
        first, second = described[:2]
        labelled = None if source.labelled is None else sent(torch.from_numpy(source.labelled[rows]), device)
        weight = None if source.weight is None else sent(torch.from_numpy(source.weight[rows]).to(first.dtype), device)
        how = {"label_smoothing": source.label_smoothing, "labelled": labelled, "weight": weight}
        loss = info_nce(first, second, scale, **how)
        if source.fakes is not None:
            fake, smoothing = described[2], source.fake_label_smoothing
            loss = loss + info_nce(fake, second, scale, **how) + info_nce(first, fake, scale, label_smoothing=smoothing)
        gradient = descend(loss, settings.learning_rate * schedule(progress, warm_up=warm_up))
        bound_(towers.logit_scale)
        _move_average(average, towers, settings.average_decay, gradient.isfinite())
        hits = (first @ second.T).argmax(1) == torch.arange(len(rows), device=device)
        numbers = {"loss": loss.detach(), "hits": hits.float().mean()}
        numbers[SPREAD] = torch.stack([spread(some) for some in described]).amin()
        return {f"{source.name}_{key}": value for key, value in numbers.items()} | {"gradient": gradient}

    def seen(index: int) -> dict[str, Any]:
        source, rows = plan[index]
        ids = [stores[side.store].ids[side.rows[rows]].tolist() for side in source.sides]
        return {"pairs": source.name, "ids": ids}

    with Ahead(read, len(plan)) as batches:
        run_steps(
            step, len(plan), name=name, folder=folder, state=state, images_per_step=round(shown * settings.batch),
            log=log, seen=seen, waited=lambda: batches.waited_s, not_finite=settings.not_finite,
        )  # fmt: skip
    if workers.rank() == 0:
        save({key: part.state_dict() for key, part in state.items()}, folder / "trained.pt")
        save_towers(average, folder / "model.pt")
    finish(folder, name)


def schedule(progress: float, *, warm_up: float = WARM_UP) -> float:
    """Factor of the learning rate at a share of the training: linear warm-up, then half a cosine down to 0.

    Args:
        warm_up: share of the training.
    """
    if progress < warm_up:
        return (progress + 1e-3) / (warm_up + 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def turned_together(draws: Draws, settings: Contrast) -> tuple[Int[Tensor, " n"], Bool[Tensor, " n"]]:
    """Quarter turns, and whether it is mirrored, of every pair of a batch: both sides alike."""
    quarters = draws.choice(QUARTERS if settings.heading == "known" else 1)
    return quarters, draws.chance(MIRRORED)


def augment(
    images: Images, view: View, draws: Draws, quarters: Int[Tensor, " n"], flip: Bool[Tensor, " n"], settings: Contrast
) -> Images:
    """One side of a batch: mirrored and turned together with the other side, then changed on its own.

    Args:
        draws: the step's random numbers, for this worker's rows.
        quarters: turns of each row, shared with its other side.
        flip: which rows are mirrored, together with their other side.
    """
    known = settings.heading == "known"
    if view == "query":
        images = turn_panorama(images, quarters, flip)
        images = shake_panorama(images, draws, rotate_deg=settings.rotate_deg) if known else images
    else:
        images = warp_tile(
            images,
            draws,
            quarters=quarters,
            flip=flip,
            shift=settings.shift,
            rotate_deg=settings.rotate_deg if known else 180.0,
            scale=SCALE,
        )
    images = tone(images, draws, settings.tone)
    return erase(images, draws, holes=HOLES, largest=LARGEST_HOLE)


def as_floats(images: UInt8[Tensor, "n h w 3"]) -> Float[Tensor, "n 3 h w"]:
    """Pixels as augmentation takes them: 0 to 1."""
    return images.permute(0, 3, 1, 2).float().div_(255)


def _describe(towers: nn.Module, sides: list[Tensor], views: list[View]) -> tuple[list[Tensor], Tensor]:
    """Descriptors of all sides and the logit scale; sides of one view go through their encoder together."""
    seen = {view: [side for side, of in zip(sides, views, strict=True) if of == view] for view in VIEWS}
    *made, scale = towers(*(torch.cat(some) if some else None for some in seen.values()))
    parts = {view: iter(some.chunk(len(seen[view]))) for view, some in zip(VIEWS, made, strict=True) if seen[view]}
    return [next(parts[view]) for view in views], scale


@torch.no_grad()
def _move_average(average: TwoTowers, towers: TwoTowers, decay: float, finite: Tensor) -> None:
    """Move the running mean of the weights, unless the step was left out: known on the device alone."""
    share = (1 - decay) * finite.float()
    for kept, new in zip(average.parameters(), towers.parameters(), strict=True):
        kept.lerp_(new, share)
    for kept, new in zip(average.buffers(), towers.buffers(), strict=True):
        kept.copy_(new)  # running statistics of a batch normalisation are averages already
