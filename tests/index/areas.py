"""A run and an index as their real makers leave them, small and untrained."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import torch

from ucvgl.files.parts import DONE, list_parts
from ucvgl.files.seal import sealed, unsealed
from ucvgl.images.image_store import write_shard
from ucvgl.index import nearest
from ucvgl.index.area import write_index
from ucvgl.index.confidence import Calibration
from ucvgl.index.ground import packed
from ucvgl.index.localizer import Localizer, load
from ucvgl.index.manifest import MANIFEST
from ucvgl.networks.towers import TwoTowers, embed, save_towers
from ucvgl.poses.ground_views import ground_of_tile
from ucvgl.projection.level import Level
from ucvgl.run.record import Record, write_record
from ucvgl.settings.dataset import Lens
from ucvgl.settings.dotted import save_settings
from ucvgl.settings.experiment import Dataset, Experiment, Model

QUERY, TILE = (16, 64), (16, 16)
MODEL = Model(channels=16, safa_heads=2)
EXPERIMENT = replace(
    Experiment(), dataset=Dataset(panorama_height=16, panorama_width=64, tile_size=16), model=MODEL
)
CALIBRATION = Calibration(intercept=-0.5, slope=20.0, own_per_decoy=0.5, queries=80, pool=120)


def pictures(folder: Path, count: int, size: tuple[int, int], *, seed: int) -> list[Path]:
    """Smooth noise as PNG files, so that what is decoded is what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    paths = [folder / f"{number:03d}.png" for number in range(count)]
    for path in paths:
        small = random.integers(0, 256, (size[0] // 4, size[1] // 4, 3), np.uint8)
        cv2.imwrite(str(path), cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR))
    return paths


def pixels_of(path: Path) -> np.ndarray:
    image = cv2.imread(str(path))
    assert image is not None
    return image[..., ::-1]


def make_run(folder: Path, *, queries: int = 0, tiles: int = 0, seed: int = 0) -> Path:
    """A run with encoders and, on request, with validation images as evaluation leaves them."""
    torch.manual_seed(seed)
    towers = TwoTowers(MODEL, QUERY, TILE)
    (folder / "5_curriculum").mkdir(parents=True)
    save_towers(towers, folder / "5_curriculum" / "model.pt")
    save_settings(folder / "config.yaml", EXPERIMENT)
    random = np.random.default_rng(seed)
    sizes = {"query": (queries, QUERY), "reference": (tiles, TILE)}
    for view, (count, size) in sizes.items() if queries else ():
        for split in ("train", "validation"):
            images = random.integers(0, 256, (count, *size, 3), np.uint8)
            store = folder / "2_project" / split / ("queries" if view == "query" else "references")
            write_shard(store, 0, [f"{split}-{row}" for row in range(count)], images)
        made = folder / "6_evaluate" / "embeddings" / "round_00" / view
        made.mkdir(parents=True)
        np.save(made / "part-00000.npy", embed(towers, images, view))
    for stage in folder.glob("[0-9]_*"):
        finished(stage)
    return folder


def finished(stage: Path, **summary: object) -> Path:
    """A stage that is done, as it is now."""
    parts = list_parts(stage)
    write_record(stage / DONE, Record(settings={}, inputs={}, summary=summary, parts=parts))
    return stage


def make_index(
    folder: Path,
    *,
    tiles: int = 6,
    located: bool = True,
    calibrated: bool = True,
    shown: np.ndarray | None = None,
    level: Level | None = None,
) -> Localizer:
    """An index of some tiles beside it, in `tiles/`.

    Args:
        shown: what they all show.
        level: its queries are photos, and this tells how they were held.
    """
    run = make_run(folder.parent / f"{folder.name}-run")
    paths = pictures(folder.parent / "tiles", tiles, (32, 32), seed=1)
    for path in paths if shown is not None else ():
        cv2.imwrite(str(path), shown[..., ::-1])
    vectors = load(run).embed_references(paths)
    listed = {"id": [f"id{row}" for row in range(tiles)], "uri": [str(path) for path in paths]}
    if located:
        listed |= {"lat": list(41 + 1e-3 * np.arange(tiles)), "lon": list(2 - 2e-3 * np.arange(tiles))}
    searcher = nearest.build("flat", lambda: iter([vectors]), count=tiles, dimension=vectors.shape[1])
    about = {"kind": "flat", "query_size": list(QUERY), "reference_size": list(TILE)}
    about |= {"projection": EXPERIMENT.projection, "photo_aspect": 4.0}
    about |= {"calibration": CALIBRATION if calibrated else None, "uncalibrated": "" if calibrated else "no queries"}
    about |= {"lens": Lens(90.0, 45.0, -45.0)} if level else {}
    model = (run / "5_curriculum" / "model.pt").read_bytes()
    grounds = pa.chunked_array([[packed(ground_of_tile(pixels_of(path))) for path in paths]], pa.binary())
    made_of = {"model": model, "tiles": pa.table(listed), "searcher": searcher, "grounds": grounds, "level": level}
    write_index(str(folder), **made_of, about=about)
    return load(folder)


PLACING = {"sharpness": 0.02, "off_centre": 0.1, "off_north_deg": 3.0, "pairs": 50}
"""As an index says how cameras are placed."""


def change_manifest(folder: Path, **fields: object) -> None:
    """Other values in the manifest, with a seal that fits; None takes a field out."""
    path = folder / MANIFEST
    content = json.loads(path.read_text())
    for name, value in fields.items():
        content.pop(name, None)
        if value is not None:
            content[name] = value
    path.write_text(json.dumps(sealed(unsealed(content)[0])))


def replace_file(folder: Path, name: str, data: bytes) -> None:
    """Another content for a file, and a manifest that vouches for it."""
    (folder / name).write_bytes(data)
    content = json.loads((folder / MANIFEST).read_text())
    record = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    change_manifest(folder, files={**content["files"], name: record})
