"""Places drawn as blocks of colour, listed and projected: what the stages after projection begin with, in milliseconds.

A panorama shows its tile four times over, as its quarter turns, darker and with noise.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ucvgl.images.image_store import write_shard
from ucvgl.images.same_files import content_of
from ucvgl.settings.experiment import Dataset, Experiment, Model, Projection
from ucvgl.stages.catalog import catalog, read_catalogs

SIDE, TRAIN, VALIDATION = 32, 24, 12
SMALL = Experiment(
    Dataset(name="folder", panorama_height=SIDE, panorama_width=4 * SIDE, tile_size=SIDE),
    projection=Projection(bev=False),
    model=Model(channels=16, safa_heads=2),
)


def draw_places(home: Path, *, located: bool = True, known: bool = True) -> None:
    """Write images below `home` and, where they are known, the pairs and the positions of the tiles (on a line)."""
    draw = np.random.default_rng(0)
    for split, count in (("train", TRAIN), ("validation", VALIDATION)):
        pairs, places = ["query,reference"], ["file,lat,lon"]
        for number in range(count):
            tile = np.kron(draw.integers(0, 256, (4, 4, 3)), np.ones((SIDE // 4, SIDE // 4, 1)))
            panorama = 0.8 * np.hstack([np.rot90(tile, turn) for turn in range(4)])
            panorama += 10 * draw.standard_normal(panorama.shape)
            for view, image in (("panorama", panorama), ("satellite", tile)):
                file = home / split / view / f"{view[0]}{number:02d}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(file), image.clip(0, 255).astype(np.uint8))
            pairs.append(f"p{number:02d}.png,s{number:02d}.png")
            places.append(f"s{number:02d}.png,47.0,{8 + 0.001 * number}")
        if known:
            (home / split / "truth.csv").write_text("\n".join(pairs) + "\n")
        if located:
            (home / split / "references.csv").write_text("\n".join(places) + "\n")


def list_and_project(run: Path, experiment: Experiment) -> dict[str, Path]:
    """What the first two stages leave behind: `catalogs`, `projected`; a bird's-eye view is a panorama's first part."""
    made = {"catalogs": run / "1_catalog", "projected": run / "2_project"}
    for folder in made.values():
        folder.mkdir(parents=True)
    catalog(made["catalogs"], experiment=experiment)
    for split, listed in read_catalogs(made["catalogs"]).items():
        for view, table in (("queries", listed.queries), ("references", listed.references)):
            images = np.stack([cv2.imread(uri)[:, :, ::-1] for uri in table["uri"].to_pylist()])
            ids, into = table["id"].to_pylist(), made["projected"] / split
            files = [content_of(Path(uri).read_bytes()) for uri in table["uri"].to_pylist()]
            write_shard(into / view, 0, ids[:8], images[:8], contents=files[:8])
            write_shard(into / view, 1, ids[8:], images[8:], contents=files[8:])
            if view == "queries":
                write_shard(into / "bev", 0, ids[:8], images[:8, :, :SIDE])
                write_shard(into / "bev", 1, ids[8:], images[8:, :, :SIDE])
    return made
