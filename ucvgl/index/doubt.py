"""Photos for which an answer means little, so that none is given with confidence; and tiles that show nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from jaxtyping import UInt8

from ucvgl.images.decode import resize
from ucvgl.projection.birdseye import from_above
from ucvgl.projection.preprocessing import Preprocessing, Query

FLAT = 3.0
"""Standard deviation of the brightness, of 255, below which an image shows nothing: black, white, fog, a lens cap."""
LEAST_DETAIL, STEP, SIDE = 0.05, 2.0, 256
"""Share of the pixels that have to differ from the mean of their neighbours, by how much of 255, and the longer side of
the image that is looked at. Photographs had 57 % and more, rendered places in haze 80; two fields of colour have 3."""
LEAST_PIXELS = 256
LEAST_GROUND, LOOKED_AT = 0.02, 64
"""Share of a bird's-eye view that a photo has to show (one of 30 degrees shows 9 %), and that view's side, pixels."""
SHAPE = (0.75, 4 / 3)
"""Width over height, against that of the panoramas that were trained on."""


def doubt(photo: UInt8[np.ndarray, "h w 3"], aspect: float | None) -> str:
    """Why an answer for this photo means little; empty where nothing speaks against it.

    Args:
        aspect: width over height of the photos that were trained on, where it is known.
    """
    if is_flat(photo):
        return "the photo shows next to nothing: nearly all of it has one brightness"
    height, width = photo.shape[:2]
    if height * width < LEAST_PIXELS:
        return f"the photo is {width} x {height} pixels: too few to show anything"
    if is_smooth(photo):
        return "the photo shows next to nothing: nearly all of it is as what surrounds it, like a gradient or a drawing"
    if aspect is not None and not SHAPE[0] <= width / height / aspect <= SHAPE[1]:
        return (
            f"the photo is {width} x {height} pixels, and the model was trained on photos {aspect:.2g} times as wide "
            "as high: squeezed into that shape, it means little"
        )
    return ""


def doubt_of(query: Query, how: Preprocessing, aspect: float | None) -> str:
    """The same of a query as it is asked for: a photo through a long lens may show nothing of the ground nearby.

    Args:
        how: queries reach the encoder.
    """
    if against := doubt(query.photo, aspect):
        return against
    if how.lens is None or how.above is None or not how.above.bev:
        return ""
    shown = from_above(how.above, query.panorama, LOOKED_AT).any(axis=2).mean()
    if shown >= LEAST_GROUND:
        return ""
    return f"the photo shows {100 * shown:.1g} % of the ground that a tile around it shows: too little to compare"


def is_flat(image: UInt8[np.ndarray, "h w 3"]) -> bool:
    """Whether an image shows nothing."""
    some = image[:: max(1, image.shape[0] // 256), :: max(1, image.shape[1] // 256)]
    return bool(some.mean(axis=2).std() < FLAT)


def is_smooth(image: UInt8[np.ndarray, "h w 3"]) -> bool:
    """Whether an image has brightness, but no detail."""
    scale = min(1.0, SIDE / max(image.shape[:2]))
    grey = cv2.cvtColor(resize(image, *(max(1, round(scale * side)) for side in image.shape[:2])), cv2.COLOR_RGB2GRAY)
    return bool((np.abs(cv2.Laplacian(grey.astype(np.float32), cv2.CV_32F)) > STEP).mean() < LEAST_DETAIL)


def alike(shown: Sequence[tuple[str, str, str]], uris: Mapping[str, str]) -> list[str]:
    """What is to be said of tiles that are one image, or show nothing, whatever else these have in common.

    Args:
        shown: id, digest of the pixels and doubt of every tile.
    """
    of_content = defaultdict(list)
    for identity, content, found in shown:
        if not found:
            of_content[content].append(identity)
    groups = sorted((ids for ids in of_content.values() if len(ids) > 1), key=len, reverse=True)
    lines = []
    if groups:
        count = sum(map(len, groups))
        lines.append(
            f"{count} tiles are copies of {len(groups)} images (one {len(groups[0])} times: {uris[groups[0][0]]}): no "
            "answer can tell copies apart; leave out those that say `no imagery`"
        )
    empty = [identity for identity, _, found in shown if found]
    if empty:
        first = f"(the first: {uris[empty[0]]}), as a server gives where there is no imagery"
        lines.append(f"{len(empty)} tiles show nothing {first}; leave them out")
    return lines
