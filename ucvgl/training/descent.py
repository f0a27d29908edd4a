"""A step down the gradient, on any device, without waiting for it.

Nothing of it is read back: whether a gradient is finite is decided where it lies, by the same kernels that move the
weights. A graphics card therefore always has the next step to do.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ucvgl.networks.mixed import in_half

CLIP_GRADIENT, WEIGHT_DECAY = 10.0, 0.01
"""Of every training by AdamW; the second is PyTorch's own."""


class Descent:
    """An optimiser and what belongs to its step; a checkpoint keeps both.

    A step whose gradient is not finite leaves weights, moments and their count as they are. On cards without bfloat16
    the loss is scaled so that half precision can hold its gradients.

    Args:
        optimizer: made with `fused=True`, as only such kernels can leave a step out by themselves.
        clip: largest norm of the gradient.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, device: torch.device, *, clip: float = math.inf) -> None:
        self._optimizer, self._clip = optimizer, clip
        self._weights = [weights for group in optimizer.param_groups for weights in group["params"]]
        self._scaler = torch.amp.GradScaler(device.type, enabled=in_half(device))

    def __call__(self, loss: Float[Tensor, ""], rate: float) -> Float[Tensor, ""]:
        """Take a step at a learning rate; the norm of the gradient, before it was clipped.

        In half precision it is 0 where the scaled gradient overflowed: then the scale was too large, not the gradient.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimizer)
        norm = nn.utils.clip_grad_norm_(self._weights, self._clip)
        if self._scaler.is_enabled():
            self._scaler.step(self._optimizer)
            self._scaler.update()
            return norm.nan_to_num(0.0, 0.0, 0.0)
        self._optimizer.found_inf = (~norm.isfinite()).float()  # pyright: ignore[reportAttributeAccessIssue]
        self._optimizer.step()
        return norm

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return self._optimizer.state_dict() | {"scaler": self._scaler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint, whichever device it was written on."""
        self._optimizer.load_state_dict(state)
        if self._scaler.is_enabled() and state.get("scaler"):
            self._scaler.load_state_dict(state["scaler"])


def adam_w(module: nn.Module, rate: float, *, weight_decay: float = WEIGHT_DECAY) -> torch.optim.AdamW:
    """AdamW that draws only what multiplies towards zero: no bias, no scale of a norm or layer, no temperature."""
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, weights in module.named_parameters():
        groups[weights.ndim > 1 and not name.endswith("bias")].append(weights)
    settings = [{"params": some, "weight_decay": weight_decay * decayed} for decayed, some in groups.items() if some]
    return torch.optim.AdamW(settings, rate, fused=True)
