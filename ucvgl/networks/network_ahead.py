"""Whether a network of timm can see the images at all, asked before anything starts: a stage would notice late."""

from __future__ import annotations

from dataclasses import replace

import torch

from ucvgl.networks.frozen import Frozen
from ucvgl.networks.towers import TwoTowers
from ucvgl.settings.experiment import Experiment


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
