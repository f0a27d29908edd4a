"""Both encoders as files that run without this package, checked equal before they are kept."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from ucvgl.atomic import whole, write_whole
from ucvgl.networks.adapted import Adapted
from ucvgl.networks.towers import VIEWS, TwoTowers
from ucvgl.settings.dataset import Lens

Format = Literal["torch", "onnx"]
ABOUT = "preprocessing.json"
"""What the encoders take, written last."""
CLOSE = 1e-4
"""Largest difference between a number of a descriptor before and after: float32 in another order of sums."""
ONNX_WAY_OUT = "pip install 'ucvgl[onnx]', or export with --format torch"
PROBES = (1, 3)
"""Batch sizes that are compared; the exported file takes any."""


def export_towers(
    towers: TwoTowers | Adapted, folder: Path, form: Format, *, lens: Lens | None = None
) -> dict[str, float]:
    """Write `query` and `reference` encoders into a folder; the largest difference of each from the original.

    Their input is `images`, float32 [n, 3, h, w], RGB from 0 to 1, at the size in `preprocessing.json`; their output
    the unit-norm descriptors [n, d]. Nothing is kept that differs by more than `CLOSE`.

    Args:
        lens: how photos became parts of panoramas; None where queries were panoramas.

    Raises:
        ValueError: what writes or runs the format is not installed, or an exported encoder differs.
    """
    write, run, ending = (_write_torch, _run_torch, "pt2") if form == "torch" else (_write_onnx, _run_onnx, "onnx")
    folder.mkdir(parents=True, exist_ok=True)
    above = isinstance(towers, Adapted) and towers.from_above
    sizes = {"query": towers.reference_size if above else towers.query_size, "reference": towers.reference_size}
    differences = {}
    for view in VIEWS:
        encoder = towers.encoder(view).eval().float()
        size = sizes[view]
        with whole(folder / f"{view}.{ending}") as aside:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch about itself
                write(encoder, size, aside)
            differences[view] = _difference(encoder, run(aside), size)
            if not differences[view] <= CLOSE:
                raise ValueError(
                    f"the exported {view} encoder differs from the original by {differences[view]:.2g}, more than "
                    f"{CLOSE:g}; it was not kept: try the other format, or another version of torch"
                )
    about = {"layout": "n 3 h w", "colour": "RGB", "range": [0, 1], "size": sizes, "shrink": "average over areas"}
    about |= {"query": "bird's-eye view" if above else "whole image"}
    if lens is not None:
        span = f"from {lens.top_elevation_deg:g} to {lens.bottom_elevation_deg:g} degrees of elevation"
        seen = f"as the part that it shows of an upright panorama, north in the middle, {span}; the rest is 0"
        about |= {"photo": seen}
    if isinstance(towers, TwoTowers) and towers.query == "both":
        shares = f"{towers.panorama_share:g} and {1 - towers.panorama_share:g}"
        about |= {"also": f"a query's bird's-eye view, by the reference encoder; their sum by {shares} has unit norm"}
    if isinstance(towers, TwoTowers) and towers.ground:
        share = towers.ground["share"]
        about |= {"without": f"the structure of the ground, {share:g} of the similarity that its index searches by"}
    write_whole(folder / ABOUT, json.dumps(about, indent=1) + "\n")
    return differences


@torch.inference_mode()
def _difference(encoder: nn.Module, exported: Callable[[torch.Tensor], torch.Tensor], size: tuple[int, int]) -> float:
    """The largest over images of noise, of several batch sizes."""
    noise = torch.Generator().manual_seed(0)
    found = []
    for count in PROBES:
        images = torch.rand(count, 3, *size, generator=noise)
        found.append((encoder(images) - exported(images)).abs().max().item())
    return float(np.max(found))


def _write_torch(encoder: nn.Module, size: tuple[int, int], path: Path) -> None:
    batch = torch.export.Dim("n", min=1)
    exported = torch.export.export(encoder, (torch.rand(2, 3, *size),), dynamic_shapes=({0: batch},))
    content = BytesIO()  # by a name PyTorch writes itself: a full disk ends the process
    torch.export.save(exported, content)
    path.write_bytes(content.getvalue())


def _run_torch(path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    return torch.export.load(BytesIO(path.read_bytes())).module()


def _write_onnx(encoder: nn.Module, size: tuple[int, int], path: Path) -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ValueError(f"{error.name} is not installed; {ONNX_WAY_OUT}") from error
    torch.onnx.export(
        encoder,
        (torch.rand(2, 3, *size),),
        path,
        input_names=["images"],
        output_names=["descriptors"],
        dynamic_shapes=({0: torch.export.Dim("n", min=1)},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def _run_onnx(path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise ValueError(f"{error.name}, which checks the export, is not installed; {ONNX_WAY_OUT}") from error
    session: Any = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
