"""Where an encoder looks: how much each position of its feature map adds to the descriptor."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8

from ucvgl.networks.ground_map import PanoramaMap
from ucvgl.networks.safa import SAFA
from ucvgl.networks.towers import TwoTowers, View, standardised


@torch.inference_mode()
def attention(
    towers: TwoTowers, images: UInt8[np.ndarray, "n h w 3"], view: View
) -> Float[np.ndarray, "n hf wf"] | None:
    """The length of what each position adds, 1 at the strongest of an image; None where all count alike.

    Head k adds w_kp f_p at position p, so all heads together add a vector of length |w_p| |f_p|.
    """
    encoder = towers.encoder(view).eval()
    if not isinstance(encoder.aggregate, SAFA | PanoramaMap):
        return None
    device = next(encoder.parameters()).device
    batch = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 255
    features = encoder.backbone(standardised(batch))
    weights = encoder.aggregate.maps(features).norm(dim=1)
    added = (weights * features.flatten(2).norm(dim=1)).unflatten(1, features.shape[2:])
    return (added / added.amax((1, 2), keepdim=True).clamp(min=1e-9)).cpu().numpy()
