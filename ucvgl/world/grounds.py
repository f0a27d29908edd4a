"""What is laid out on open ground: fields, beds, ponds, paths, round places, courts."""

from __future__ import annotations

# pyright: reportCallIssue=false
# It cannot know how many numbers an array unpacks to.
import math

import numpy as np
from jaxtyping import Float

from ucvgl.world.buildings import block, hedge, house
from ucvgl.world.draft import BUILT, Draft, blob, rectangle
from ucvgl.world.palette import Material

PATCH = (
    Material.MEADOW,
    Material.SOIL,
    Material.GRAVEL,
    Material.FLOWERS,
    Material.GRASS,
    Material.SAND,
    Material.CONCRETE,
)
FURROWS = ((Material.CROP, Material.SOIL), (Material.MEADOW, Material.SOIL), (Material.CROP, Material.GRASS))


def furrows(draft: Draft, corners: Float[np.ndarray, "4 2"]) -> None:
    """Stripes of two materials over a field; corners in metres."""
    rng = draft.rng
    angle, centre = rng.uniform(0, math.pi), corners.mean(0)
    across = np.array([-math.sin(angle), math.cos(angle)])
    pair = FURROWS[int(rng.integers(len(FURROWS)))]
    start = -60.0
    while start < 60:
        width = rng.uniform(3, 11)
        draft.fill(
            rectangle(*(centre + across * (start + width / 2)), 130, width, angle), pair[int(rng.integers(2))]
        )
        start += width


def patch(draft: Draft, x: float, y: float, angle: float) -> None:
    """A bed, a bald spot, a terrace: what makes one lawn unlike the next."""
    rng = draft.rng
    if not draft.is_free(x, y, 3, 3, angle):
        return
    material = draft.pick(*PATCH)
    if rng.random() < 0.5:
        draft.fill(blob(rng, x, y, rng.uniform(1.5, 4)), material)
    else:
        draft.fill(rectangle(x, y, *rng.uniform(2, 7, 2), angle), material)


def park_feature(draft: Draft, x: float, y: float, angle: float) -> None:
    """Something to see in a park: a pond, beds, a round place or trees; metres, and radians from east."""
    rng = draft.rng
    kind = rng.random()
    if kind < 0.3:
        radius = rng.uniform(5, 14)
        if draft.is_free(x, y, 2.4 * radius, 2.4 * radius, angle):
            shore = blob(rng, x, y, radius)
            draft.fill(
                (shore - (x, y)) * (1 + 1.2 / radius) + (x, y),
                draft.pick(Material.SAND, Material.GRAVEL, Material.MEADOW),
            )
            draft.fill(shore, Material.WATER)
            draft.take(shore, BUILT)
    elif kind < 0.75:
        ends = np.array([[math.cos(angle), math.sin(angle)]]) * rng.uniform(15, 45)
        side = np.array([-math.sin(angle), math.cos(angle)]) * rng.normal(0, 9)
        t = np.linspace(-1, 1, 30)[:, None]
        path = np.array([x, y]) + ends * t + side * t**2
        inside = np.array([draft.at(*p) for p in path])
        clear = ~np.isin(inside, (Material.WATER, Material.FOUNDATION, Material.ASPHALT, Material.TARMAC))
        if clear.all():
            draft.stroke(
                path, rng.uniform(1.8, 3.2), draft.pick(Material.GRAVEL, Material.PAVING, Material.SAND)
            )
            draft.take_line(path, 4, BUILT)
    else:
        ring(draft, x, y, rng.uniform(4, 9))


def ring(draft: Draft, x: float, y: float, radius: float) -> None:
    """A round place with something in its middle."""
    rng = draft.rng
    if not draft.is_free(x, y, 2 * radius, 2 * radius, 0):
        return
    draft.disc(x, y, radius, draft.pick(Material.PAVING, Material.GRAVEL, Material.CONCRETE))
    draft.disc(
        x,
        y,
        radius * rng.uniform(0.3, 0.7),
        draft.pick(Material.FLOWERS, Material.WATER, Material.GRASS, Material.SAND),
    )
    draft.take(rectangle(x, y, 2 * radius, 2 * radius, 0), BUILT)


def court(draft: Draft, x: float, y: float, angle: float) -> None:
    """A pitch or a tennis court with its lines."""
    rng = draft.rng
    surface = draft.pick(Material.PITCH, Material.CLAY, Material.SAND)
    length, width = (rng.uniform(34, 48), rng.uniform(22, 30)) if surface == Material.PITCH else (24.0, 11.0)
    if not draft.is_free(x, y, length + 4, width + 4, angle):
        return
    draft.take(rectangle(x, y, length + 4, width + 4, angle), BUILT)
    draft.fill(rectangle(x, y, length + 4, width + 4, angle), draft.pick(surface, Material.GRAVEL))
    draft.fill(rectangle(x, y, length, width, angle), Material.MARKING)
    cos, sin = math.cos(angle), math.sin(angle)
    for u, part in ((-length / 4, length / 2), (length / 4, length / 2)):
        middle = (x + u * cos, y + u * sin)
        draft.fill(rectangle(*middle, part - 0.4, width - 0.4, angle), surface)
        goal = (x + 1.65 * u * cos, y + 1.65 * u * sin)
        draft.stroke(
            np.vstack([rectangle(*goal, length / 6, width / 2, angle)] * 2)[:5], 0.2, Material.MARKING
        )


def square(draft: Draft, x: float, y: float, angle: float) -> None:
    """What stands on a paved square: a ring, a bed or a block; metres, and radians from east."""
    kind = draft.rng.random()
    if kind < 0.35:
        ring(draft, x, y, draft.rng.uniform(3, 8))
    elif kind < 0.7 and draft.is_free(x, y, 12, 8, angle):
        inner = draft.pick(Material.GRASS, Material.FLOWERS, Material.MEADOW)
        draft.fill(rectangle(x, y, 12, 8, angle), Material.CONCRETE)
        draft.fill(rectangle(x, y, 11, 7, angle), inner)
        draft.take(rectangle(x, y, 12, 8, angle), BUILT)
    else:
        block(draft, x, y, angle)


def farm(draft: Draft, x: float, y: float, angle: float) -> None:
    """A farm house or a hedge between fields; metres, and radians from east."""
    if draft.rng.random() < 0.2:
        house(draft, x, y, angle)
    else:
        hedge(draft, x, y, draft.rng.uniform(8, 25), angle)
