"""Images on disk, some of them broken, and settings to project them with."""

from dataclasses import replace

import cv2
import numpy as np
import pyarrow as pa

from ucvgl.distributed.projecting import project_images
from ucvgl.images.decode import decode, resize
from ucvgl.images.image_store import ImageStore
from ucvgl.settings.experiment import Dataset, Experiment, Projection, Resources
from ucvgl.types import Catalog

EXPERIMENT = Experiment(
    dataset=Dataset(panorama_height=16, panorama_width=64, tile_size=16, max_bad_share=0.5),
    projection=Projection(fov_deg=160),
    resources=Resources(images_per_shard=4),
)


def raw_catalog(folder):
    """10 panoramas of three sizes, two of them broken, and 9 tiles, whose first shard is all broken."""
    folder.mkdir()
    random = np.random.default_rng(0)

    def listing(prefix, sizes):
        uris = [str(folder / f"{prefix}{number}.jpg") for number in range(len(sizes))]
        for uri, size in zip(uris, sizes, strict=True):
            cv2.imwrite(uri, random.integers(0, 256, (*size, 3), np.uint8))
        return pa.table({"id": [f"id-{prefix}{number}" for number in range(len(sizes))], "uri": uris})

    queries = listing("q", [(32, 128), (48, 192), (32, 128), (64, 128), (32, 128)] * 2)
    references = listing("r", [(32, 32)] * 9)
    truncate(queries["uri"][1].as_py())
    write(queries["uri"][6].as_py(), b"")
    for number in range(4):
        write(references["uri"][number].as_py(), b"<html>not found</html>")
    return Catalog(queries, references)


def truncate(path):
    with open(path, "rb") as file:
        write_back = file.read()
    write(path, write_back[: len(write_back) // 2])


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def check_turned(catalog, folder, *, heading):
    """Panoramas are turned as far as their rows say; in one shard some headings are known and others are not."""
    looks = [90.0, None, None, 180.0, None, 0.0, None, None, 90.0, None]
    catalog = Catalog(catalog.queries.append_column("heading_deg", pa.array(looks)), catalog.references)
    experiment = replace(EXPERIMENT, contrast=replace(EXPERIMENT.contrast, heading=heading))
    project_images({"train": catalog}, folder, experiment=experiment)
    store = ImageStore(folder / "train" / "queries")
    for row, uri, degrees in zip(range(10), catalog.queries["uri"].to_pylist(), looks, strict=True):
        if f"id-q{row}" not in store.ids.tolist():
            continue
        with open(uri, "rb") as file:
            whole = decode(file.read(), uri)
        turned = np.roll(whole, round((degrees or 0) / 360 * whole.shape[1]), axis=1) if heading == "known" else whole
        np.testing.assert_array_equal(store.read(store.rows_of([f"id-q{row}"]))[0], resize(turned, 16, 64))
