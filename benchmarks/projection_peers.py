"""What others do to get a bird's-eye view or a network input from a JPEG; those not installed are named in `ABSENT`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from ucvgl.projection.sphere import panorama_of_bev

SAME_VIEW = ("grid rebuilt per image, grid_sample", "grid_sample", "kornia remap")
"""Ways whose result shows the same as ours, pixel by pixel; the others have conventions of their own."""
MEAN, DEVIATION = np.array((0.485, 0.456, 0.406), np.float32), np.array((0.229, 0.224, 0.225), np.float32)


def _installed(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


PEERS = {name: _installed(name) for name in ("py360convert", "equilib", "kornia")}
ABSENT = [name for name, module in PEERS.items() if module is None]


def opencv_decode(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def birdseye_ways(size: int, height: int, width: int, *, fov_deg: float) -> dict[str, Callable[[bytes], np.ndarray]]:
    """Each decodes with OpenCV and looks straight down; a panorama is taken for a whole sphere."""
    cached = _grid(size, height, width, fov_deg)
    ways = {
        "grid rebuilt per image, grid_sample": lambda data: _sample(data, _grid(size, height, width, fov_deg)),
        "grid_sample": lambda data: _sample(data, cached),
    }
    if kornia := PEERS["kornia"]:
        columns, rows = ((cached[..., k] + 1) / 2 * side - 0.5 for k, side in ((0, width), (1, height)))

        def by_kornia(data: bytes) -> np.ndarray:
            return _pixels(kornia.geometry.remap(_planes(data), columns, rows, align_corners=False))

        ways["kornia remap"] = by_kornia
    if py360convert := PEERS["py360convert"]:
        ways["py360convert"] = lambda data: py360convert.e2p(opencv_decode(data), fov_deg, 0, -90, (size, size))
    if equilib := PEERS["equilib"]:
        down = {"roll": 0.0, "pitch": -np.pi / 2, "yaw": 0.0}

        def by_equilib(data: bytes) -> np.ndarray:
            planes = opencv_decode(data).transpose(2, 0, 1)
            return equilib.equi2pers(equi=planes, rots=down, height=size, width=size, fov_x=fov_deg)

        ways["equilib"] = by_equilib
    return ways


def decode_resize_normalise(data: bytes, height: int, width: int) -> np.ndarray:
    """What training code commonly does to an image on the CPU: float32 planes of zero mean and unit deviation."""
    image = cv2.resize(opencv_decode(data), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(((image.astype(np.float32) / 255 - MEAN) / DEVIATION).transpose(2, 0, 1))


def as_pixels(image: np.ndarray) -> np.ndarray:
    """The same image with values of 0 to 255, channels last."""
    return image if image.dtype == np.uint8 else (image.transpose(1, 2, 0) * DEVIATION + MEAN) * 255


def _grid(size: int, height: int, width: int, fov_deg: float) -> torch.Tensor:
    centres = np.arange(size) + 0.5
    column, row = panorama_of_bev(
        *np.meshgrid(centres, centres),
        bev_width=size, bev_height=size, panorama_width=width, panorama_height=height, fov_deg=fov_deg,
    )
    return torch.from_numpy(np.stack((2 * column / width - 1, 2 * row / height - 1), axis=-1)[None].astype(np.float32))


def _sample(data: bytes, grid: torch.Tensor) -> np.ndarray:
    return _pixels(F.grid_sample(_planes(data), grid, padding_mode="border", align_corners=False))


def _planes(data: bytes) -> torch.Tensor:
    return torch.from_numpy(opencv_decode(data)).permute(2, 0, 1)[None].float()


def _pixels(planes: torch.Tensor) -> np.ndarray:
    return planes[0].permute(1, 2, 0).byte().numpy()
