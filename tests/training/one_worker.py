"""What one training worker of several does: it trains on the stores beside its folder.

In float32, so that what is left between two ways to compute the same is the order of sums; the last case in few digits,
as cards train. Per case: the loss of every step and the weights at the end.
"""

import functools
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

import ucvgl.training.fit_adapter
import ucvgl.training.fit_cyclegan
import ucvgl.training.fit_towers
from ucvgl.atomic import write_array
from ucvgl.images.image_store import write_shard
from ucvgl.networks.adapter import Adapter, save_adapter
from ucvgl.networks.towers import TwoTowers, save_towers
from ucvgl.pseudo_labels.e_step import Labels
from ucvgl.settings.experiment import Adaptation, Contrast, Model, Translation
from ucvgl.training.batches import Pairs
from ucvgl.training.fit_adapter import fit_adapter
from ucvgl.training.fit_cyclegan import fit_cyclegan
from ucvgl.training.fit_towers import fit_towers
from ucvgl.training.loop import run_steps

PLACES, BATCH = 33, 11
ROWS_AT_ONCE = (0, 2)
BFLOAT16 = "towers, bfloat16"


def prepare(folder: Path) -> None:
    rng = np.random.default_rng(0)
    ids = [f"place{number:02d}" for number in range(PLACES)]
    for name, size in (("queries", (16, 64)), ("references", (16, 16))):
        write_shard(folder / name, 0, ids, rng.integers(0, 256, (PLACES, *size, 3), dtype=np.uint8))
    torch.manual_seed(0)
    (folder / "start").mkdir()
    save_towers(TwoTowers(Model(channels=16, safa_heads=2), (16, 64), (16, 16)), folder / "start" / "model.pt")
    save_adapter(Adapter(12), folder / "start" / "adapter.pt")
    for view in ("query", "reference"):
        vectors = rng.normal(size=(PLACES, 12))
        write_array(folder / f"{view}.npy", (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("f4"))


def train(into: Path) -> dict[str, tuple[list[float], dict[str, torch.Tensor]]]:
    every_step = functools.partial(run_steps, log_seconds=0.0, checkpoint_seconds=1e9)
    for program in (ucvgl.training.fit_towers, ucvgl.training.fit_cyclegan, ucvgl.training.fit_adapter):
        program.run_steps = every_step
    digits = {"enabled": False}
    for program in (ucvgl.training.fit_towers, ucvgl.training.fit_cyclegan):
        program.mixed_precision = lambda device: torch.autocast(device.type, torch.bfloat16, **digits)
    found, folder = {}, into.parent
    rows = np.arange(PLACES)
    kinds = (("query", "reference"), ("query", "query"), ("reference", "reference"))
    stores = {"query": folder / "queries", "reference": folder / "references"}
    sources = [Pairs("pairs", views, tuple(stores[view] for view in views), rows, rows) for views in kinds]
    for case, rows_at_once in [*((f"towers, {rows} rows at once", rows) for rows in ROWS_AT_ONCE), (BFLOAT16, 0)]:
        losses: list[float] = []
        digits["enabled"] = case == BFLOAT16
        made = into / case
        made.mkdir(parents=True, exist_ok=True)
        fit_towers(
            made, folder / "start", sources, name="fit", epochs=1, settings=Contrast(batch=BATCH, learning_rate=1e-3),
            seed=3, device=torch.device("cpu"), log=lambda kept=losses, **row: kept.append(row["pairs_loss"]),
            rows_at_once=rows_at_once,
        )  # fmt: skip
        found[case] = losses, _state(made / "model.pt")
    digits["enabled"] = False
    losses, made = [], into / "adapter"
    made.mkdir(parents=True, exist_ok=True)
    labels = Labels(rows[:21], rows[:21], np.linspace(0.5, 1, 21), alike=np.stack([rows[:-1:2], rows[1::2]], axis=1))
    fit_adapter(
        made, folder / "start", tuple([folder / f"{view}.npy"] for view in stores), labels, name="fit", seed=3,
        settings=Adaptation(batch=BATCH, steps_per_round=9), device=torch.device("cpu"),
        log=lambda **row: losses.append(row["label_loss"] + row["group_loss"]),
    )  # fmt: skip
    found["adapter"] = losses, _state(made / "adapter.pt")
    losses, made = [], into / "cyclegan"
    made.mkdir(parents=True, exist_ok=True)
    fit_cyclegan(
        made, folder / "references", folder / "references", seed=3, device=torch.device("cpu"),
        settings=Translation(channels=4, blocks=1, steps=12, batch=7),
        log=lambda **row: losses.append(row["generator_loss"]),
    )  # fmt: skip
    return found | {"cyclegan": ([] if dist.is_initialized() else losses, _state(made / "to_tile.pt"))}


def _state(path: Path) -> dict[str, torch.Tensor]:
    if not path.exists():  # only the first worker writes
        return {}
    return torch.load(path)["state"]
