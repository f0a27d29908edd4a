"""Whether a network can see the images and weights are those of one, before anything starts: a stage notices late."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from ucvgl.networks.backbone import backbone
from ucvgl.networks.frozen import Frozen
from ucvgl.networks.towers import TwoTowers, load_towers
from ucvgl.settings.dotted import differences
from ucvgl.settings.experiment import Experiment, Model


def unreadable(model: Model) -> list[str]:
    """Why `model.checkpoint` holds no weights for the network."""
    try:
        backbone(replace(model, pretrained=False))
    except ValueError as error:
        return [str(error)]
    return []


def refuse_other_start(towers: TwoTowers, experiment: Experiment) -> None:
    """Refuse the encoders of `supervision.start` that are not built as this run's settings say.

    Raises:
        ValueError: they are not.
    """
    dataset, start = experiment.dataset, experiment.supervision.start
    ours = replace(experiment.model, query=experiment.query_by)
    free = {"checkpoint": "", "pretrained": False, "query": ours.query, "structure": ours.structure}
    theirs = {"panorama": towers.query_size, "tile": towers.reference_size}
    sizes = {"panorama": (dataset.panorama_height, dataset.panorama_width), "tile": (dataset.tile_size,) * 2}
    for what, before, now in (
        ("another model", {**vars(towers.settings), **free}, {**vars(ours), **free}),
        ("other image sizes", theirs, sizes),
    ):
        other = [f"{name}: {a} -> {b}" for name, a, b in differences(before, now)]
        if other:
            raise ValueError(
                f"supervision.start: the encoders in {start} have {what} than this run ({', '.join(other)}); "
                "give it the settings of that run, as --config RUN/config.yaml"
            )


def unfit_source(path: Path, experiment: Experiment, *, setting: str) -> list[str]:
    """Why the encoders in a `model.pt` cannot be what this run begins with.

    Args:
        path: of the file.
        experiment: settings of this run.
        setting: that names the file.
    """
    try:
        towers = load_towers(path)
        if setting == "supervision.start":
            refuse_other_start(towers, experiment)
    except ValueError as error:
        return [text if (text := str(error)).startswith(setting) else f"{setting}: {text}"]
    return []


def unfit(experiment: Experiment, *, frozen: bool) -> list[str]:
    """Why a network of timm cannot see the images: tried on tensors without numbers, and if that fails on such with.

    Args:
        frozen: it is only looked at, layer by layer, and not trained.
    """
    dataset, model = experiment.dataset, replace(experiment.model, checkpoint="", pretrained=False)
    sizes = (dataset.panorama_height, dataset.panorama_width), (dataset.tile_size, dataset.tile_size)
    why = ""
    for device in ("meta", "cpu"):
        try:
            with torch.device(device), torch.no_grad():
                shown = [torch.zeros(2, 3, *size) for size in sizes]
                if not frozen:
                    TwoTowers(model, *sizes).eval()(*shown)
                    return []
                encoders = Frozen(experiment.adaptation, model, None).eval()
                encoders.encoder("query")(shown[0])
                encoders.encoder("reference")(shown[1])
                return []
        except ValueError as error:
            return [str(error)]
        except Exception as error:  # libraries' own, of all kinds
            why = " ".join(str(error).split()) or type(error).__name__
    seen_as = " and ".join(f"{height} x {width}" for height, width in sizes)
    told = f"model.backbone: {model.backbone!r} cannot be used for images of {seen_as} ({why})"
    return [f"{told}; choose another, or sizes that it was made for"]
