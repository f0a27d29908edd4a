"""DenseUAV (Dai et al., IEEE TIP 2024): pictures of a drone that looks straight down, and tiles at every place.

    <root>/train/{drone,satellite}/<place>/{H80,H90,H100}.JPG          2,256 places; tiles are .tif, and `_old` ones
    <root>/test/query_{drone,satellite}/<place>/*                      777 other places
    <root>/test/gallery_{drone,satellite}/<place>/*                    the same and those of train
    <root>/Dense_GPS_ALL.txt                                           <path> E<longitude> N<latitude> <height>

Places lie 20 m apart, so the next one shows nearly the same: beside recall by place the protocol counts by distance
(SDM@K). All heights together are the protocol. Positions are read by the truth only.
"""

from __future__ import annotations

from ucvgl.images.decimals import decimal
from ucvgl.images.listing import Split, Views, find_home, images_below, lines_of
from ucvgl.types import Catalog

POSITIONS = "Dense_GPS_ALL.txt"
HOME = ("train", "test")
"""Folders of which the root has one at least."""


def read_catalog(root: str, split: Split, protocol: str) -> Catalog:
    """The two piles of a split: the first kind of the protocol asks, the second is searched."""
    return views(root, split, protocol).catalog("denseuav")


def views(root: str, split: Split, protocol: str) -> Views:
    """The images of a split by `<place>/<file>`."""
    root = find_home(root, HOME)
    asked, searched = protocol.split("_to_")
    folders = [f"train/{asked}", f"train/{searched}"]
    if split == "validation":
        folders = [f"test/query_{asked}", f"test/gallery_{searched}"]
    queries, references = ({path[len(one) + 1 :]: path for path in images_below(root, one)} for one in folders)
    missing = [f"{one}/" for one, found in zip(folders, (queries, references), strict=True) if not found]
    return Views(root, queries, references, tuple(missing))


def positions(root: str) -> dict[str, tuple[float, float]]:
    """Longitude and latitude of every place, degrees.

    Raises:
        ValueError: a line does not say where its place is.
    """
    root, found = find_home(root, HOME), {}
    for number, line in enumerate(lines_of(root, POSITIONS), start=1):
        try:
            path, east, north, *_ = line.split()
            found[path.split("/")[-2]] = (decimal(east.lstrip("E")), decimal(north.lstrip("N")))
        except (ValueError, IndexError):
            raise ValueError(
                f"{root}/{POSITIONS}, line {number}: {line!r} is not <path> E<longitude> N<latitude> <height>"
            ) from None
    return found
