"""What fills the blocks between the roads: houses and gardens, shops and car parks, parks, fields, courts, squares."""

from __future__ import annotations

import math

import numpy as np

from ucvgl.data.synthetic.draft import BUILT, Draft, blob, rectangle
from ucvgl.data.synthetic.palette import Material
from ucvgl.data.synthetic.solids import BLOCK, HEDGE, HOUSE, SHED, box

ZONES = ("homes", "centre", "park", "farm", "sport", "square")
ZONE_SHARE = (0.36, 0.24, 0.14, 0.08, 0.08, 0.1)
COVER = {
    "homes": (Material.GRASS, Material.GRASS, Material.MEADOW),
    "centre": (Material.PAVING, Material.GRASS, Material.CONCRETE, Material.GRAVEL),
    "park": (Material.GRASS, Material.MEADOW),
    "farm": (Material.CROP, Material.SOIL, Material.MEADOW),
    "sport": (Material.GRASS, Material.MEADOW),
    "square": (Material.PAVING, Material.GRAVEL, Material.CONCRETE),
}
PATCH = (
    Material.MEADOW,
    Material.SOIL,
    Material.GRAVEL,
    Material.FLOWERS,
    Material.GRASS,
    Material.SAND,
    Material.CONCRETE,
)


def zone_blocks(draft: Draft, junctions: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Give each block a use and its ground cover; roads are drawn over it later."""
    blocks = []
    n = len(junctions) - 1
    for row in range(n):
        for column in range(n):
            corners = junctions[[row, row, row + 1, row + 1], [column, column + 1, column + 1, column]]
            if (corners.max(0) < 0).any() or (corners.min(0) > draft.side_m).any():
                continue
            zone = str(draft.rng.choice(ZONES, p=ZONE_SHARE))
            draft.fill(corners, draft.rng.choice(COVER[zone]))
            if zone == "farm":
                _furrows(draft, corners)
            blocks.append((zone, corners))
    return blocks


def fill_block(draft: Draft, zone: str, corners: np.ndarray) -> None:
    """Put the things of its zone into a block, wherever there is room."""
    rng = draft.rng
    edge = corners[1] - corners[0]
    axis = math.atan2(edge[1], edge[0])

    def somewhere() -> tuple[float, float, float]:
        s, t = rng.uniform(0.08, 0.92, 2)
        side = corners[0] * (1 - s) + corners[1] * s, corners[3] * (1 - s) + corners[2] * s
        x, y = side[0] * (1 - t) + side[1] * t
        return float(x), float(y), axis + rng.integers(4) * math.pi / 2 + rng.normal(0, 0.06)

    for _ in range(PLACED[zone][0]):
        PLACED[zone][1](draft, *somewhere())
    for _ in range(PLACED[zone][2]):
        _patch(draft, *somewhere())


def _furrows(draft: Draft, corners: np.ndarray) -> None:
    rng = draft.rng
    angle, centre = rng.uniform(0, math.pi), corners.mean(0)
    across = np.array([-math.sin(angle), math.cos(angle)])
    pair = rng.choice([Material.CROP, Material.SOIL, Material.MEADOW, Material.GRASS], 2, replace=False)
    start = -60.0
    while start < 60:
        width = rng.uniform(3, 11)
        draft.fill(
            rectangle(*(centre + across * (start + width / 2)), 130, width, angle), pair[int(rng.integers(2))]
        )
        start += width


def _patch(draft: Draft, x: float, y: float, angle: float) -> None:
    """A bed, a bald spot, a terrace: what makes one lawn unlike the next."""
    rng = draft.rng
    if not draft.is_free(x, y, 3, 3, angle):
        return
    material = rng.choice(PATCH)
    if rng.random() < 0.5:
        draft.fill(blob(rng, x, y, rng.uniform(1.5, 4)), material)
    else:
        draft.fill(rectangle(x, y, *rng.uniform(2, 7, 2), angle), material)


def _house(draft: Draft, x: float, y: float, angle: float) -> None:
    rng = draft.rng
    length, width = rng.uniform(8, 14), rng.uniform(6.5, 9.5)
    if not draft.is_free(x, y, length + 4, width + 5, angle):
        return
    garden = rectangle(x, y, length + rng.uniform(5, 11), width + rng.uniform(6, 12), angle)
    if rng.random() < 0.5:
        draft.fill(garden, rng.choice([Material.GRASS, Material.MEADOW, Material.GRAVEL, Material.FLOWERS]))
    cos, sin = math.cos(angle), math.sin(angle)
    for direction, depth, breadth in (
        (1, rng.uniform(5, 9), rng.uniform(2.6, 5)),
        (-1, rng.uniform(2, 4), length * 0.6),
    ):
        away = direction * (width + depth) / 2
        slide = rng.uniform(-0.25, 0.25) * length
        middle = (x + slide * cos - away * sin, y + slide * sin + away * cos)
        draft.fill(
            rectangle(*middle, breadth, depth, angle),
            rng.choice([Material.CONCRETE, Material.GRAVEL, Material.PAVING]),
        )
        if direction == 1 and rng.random() < 0.5:
            draft.car_places.append((*middle, angle + math.pi / 2))
    draft.take(rectangle(x, y, length + 3, width + 4, angle), BUILT)
    draft.fill(rectangle(x, y, length, width, angle), Material.FOUNDATION)
    eaves, seed = rng.choice([2.8, 3.2, 5.6, 6.0]), int(rng.integers(1 << 30))
    ridge = width * rng.uniform(0.25, 0.45)
    draft.solids.append(
        box(HOUSE, x, y, length, width, angle, 0, eaves, seed, ridge, bool(rng.random() < 0.4))
    )
    if rng.random() < 0.5:
        wing, out = rng.uniform(3.5, 6), width / 2 + 1.2
        slide = rng.uniform(-0.3, 0.3) * length
        spot = (x + slide * cos + out * sin, y + slide * sin - out * cos)
        draft.fill(rectangle(*spot, wing, 3.4, angle), Material.FOUNDATION)
        draft.solids.append(box(SHED, *spot, wing, 3.4, angle, 0, 2.6, seed + 1))
    if rng.random() < 0.6:
        _hedge(
            draft, x - (width / 2 + 4) * sin, y + (width / 2 + 4) * cos, length * rng.uniform(0.5, 1.2), angle
        )
    if rng.random() < 0.4:
        _hedge(
            draft,
            x + (length / 2 + 2.5) * cos,
            y + (length / 2 + 2.5) * sin,
            width * 1.2,
            angle + math.pi / 2,
        )


def _hedge(draft: Draft, x: float, y: float, length: float, angle: float) -> None:
    if draft.is_free(x, y, length, 1, angle):
        draft.take(rectangle(x, y, length, 1.5, angle), BUILT)
        seed = int(draft.rng.integers(1 << 30))
        draft.solids.append(box(HEDGE, x, y, length, 0.9, angle, 0, draft.rng.uniform(0.8, 1.8), seed))


def _block(draft: Draft, x: float, y: float, angle: float) -> None:
    """A flat-roofed building, or a car park beside one."""
    rng = draft.rng
    if rng.random() < 0.35:
        _car_park(draft, x, y, angle)
        return
    length, width = rng.uniform(12, 28), rng.uniform(10, 18)
    if not draft.is_free(x, y, length + 3, width + 3, angle):
        return
    margin = rng.uniform(2, 6)
    draft.fill(
        rectangle(x, y, length + margin, width + margin, angle),
        rng.choice([Material.PAVING, Material.CONCRETE, Material.GRASS]),
    )
    draft.take(rectangle(x, y, length + 4, width + 4, angle), BUILT)
    draft.fill(rectangle(x, y, length, width, angle), Material.FOUNDATION)
    height, seed = 3.1 * int(rng.integers(1, 6)) + 1, int(rng.integers(1 << 30))
    draft.solids.append(box(BLOCK, x, y, length, width, angle, 0, height, seed))
    cos, sin = math.cos(angle), math.sin(angle)
    for _ in range(int(rng.integers(0, 4))):
        u, v = rng.uniform(-0.3, 0.3, 2) * (length, width)
        side = rng.uniform(1.5, 4)
        draft.solids.append(
            box(
                SHED,
                x + u * cos - v * sin,
                y + u * sin + v * cos,
                side,
                side,
                angle,
                height,
                height + side / 2,
                seed + 2,
            )
        )


def _car_park(draft: Draft, x: float, y: float, angle: float) -> None:
    rng = draft.rng
    bays, rows = int(rng.integers(6, 12)), int(rng.integers(1, 3))
    length, width = bays * 2.6 + 1, rows * 11.5 + 5.5
    if not draft.is_free(x, y, length, width, angle):
        return
    draft.take(rectangle(x, y, length, width, angle), BUILT)
    draft.fill(rectangle(x, y, length, width, angle), rng.choice([Material.TARMAC, Material.ASPHALT]))
    cos, sin = math.cos(angle), math.sin(angle)
    for row in range(rows * 2):
        v = -width / 2 + 2.7 + row * (width - 5.4) / (rows * 2 - 1)
        for bay in range(bays + 1):
            u = -length / 2 + 0.5 + bay * 2.6
            draft.fill(
                rectangle(x + u * cos - v * sin, y + u * sin + v * cos, 0.14, 5, angle), Material.MARKING
            )
            if bay < bays:
                u += 1.3
                place = (x + u * cos - v * sin, y + u * sin + v * cos)
                draft.car_places.append((*place, angle + math.pi / 2))


def _park_feature(draft: Draft, x: float, y: float, angle: float) -> None:
    rng = draft.rng
    kind = rng.random()
    if kind < 0.3:
        radius = rng.uniform(5, 14)
        if draft.is_free(x, y, 2.4 * radius, 2.4 * radius, angle):
            shore = blob(rng, x, y, radius)
            draft.fill(
                (shore - (x, y)) * (1 + 1.2 / radius) + (x, y),
                rng.choice([Material.SAND, Material.GRAVEL, Material.MEADOW]),
            )
            draft.fill(shore, Material.WATER)
            draft.take(shore, BUILT)
    elif kind < 0.75:
        ends = np.array([[math.cos(angle), math.sin(angle)]]) * rng.uniform(15, 45)
        side = np.array([-math.sin(angle), math.cos(angle)]) * rng.normal(0, 9)
        t = np.linspace(-1, 1, 30)[:, None]
        path = np.array([x, y]) + ends * t + side * t**2
        inside = np.array([draft.at(*p) for p in path])
        clear = ~np.isin(inside, (Material.WATER, Material.FOUNDATION))
        if clear.all():
            draft.stroke(
                path, rng.uniform(1.8, 3.2), rng.choice([Material.GRAVEL, Material.PAVING, Material.SAND])
            )
            draft.take_line(path, 4, BUILT)
    else:
        _ring(draft, x, y, rng.uniform(4, 9))


def _ring(draft: Draft, x: float, y: float, radius: float) -> None:
    """A round place with something in its middle."""
    rng = draft.rng
    if not draft.is_free(x, y, 2 * radius, 2 * radius, 0):
        return
    draft.disc(x, y, radius, rng.choice([Material.PAVING, Material.GRAVEL, Material.CONCRETE]))
    draft.disc(
        x,
        y,
        radius * rng.uniform(0.3, 0.7),
        rng.choice([Material.FLOWERS, Material.WATER, Material.GRASS, Material.SAND]),
    )
    draft.take(rectangle(x, y, 2 * radius, 2 * radius, 0), BUILT)


def _court(draft: Draft, x: float, y: float, angle: float) -> None:
    """A pitch or a tennis court with its lines."""
    rng = draft.rng
    surface = rng.choice([Material.PITCH, Material.CLAY, Material.SAND])
    length, width = (rng.uniform(34, 48), rng.uniform(22, 30)) if surface == Material.PITCH else (24.0, 11.0)
    if not draft.is_free(x, y, length + 4, width + 4, angle):
        return
    draft.take(rectangle(x, y, length + 4, width + 4, angle), BUILT)
    draft.fill(rectangle(x, y, length + 4, width + 4, angle), rng.choice([surface, Material.GRAVEL]))
    draft.fill(rectangle(x, y, length, width, angle), Material.MARKING)
    cos, sin = math.cos(angle), math.sin(angle)
    for u, part in ((-length / 4, length / 2), (length / 4, length / 2)):
        middle = (x + u * cos, y + u * sin)
        draft.fill(rectangle(*middle, part - 0.4, width - 0.4, angle), surface)
        goal = (x + 1.65 * u * cos, y + 1.65 * u * sin)
        draft.stroke(
            np.vstack([rectangle(*goal, length / 6, width / 2, angle)] * 2)[:5], 0.2, Material.MARKING
        )


def _square(draft: Draft, x: float, y: float, angle: float) -> None:
    kind = draft.rng.random()
    if kind < 0.35:
        _ring(draft, x, y, draft.rng.uniform(3, 8))
    elif kind < 0.7 and draft.is_free(x, y, 12, 8, angle):
        inner = draft.rng.choice([Material.GRASS, Material.FLOWERS, Material.MEADOW])
        draft.fill(rectangle(x, y, 12, 8, angle), Material.CONCRETE)
        draft.fill(rectangle(x, y, 11, 7, angle), inner)
        draft.take(rectangle(x, y, 12, 8, angle), BUILT)
    else:
        _block(draft, x, y, angle)


def _farm(draft: Draft, x: float, y: float, angle: float) -> None:
    if draft.rng.random() < 0.2:
        _house(draft, x, y, angle)
    else:
        _hedge(draft, x, y, draft.rng.uniform(8, 25), angle)


# per zone: how often something is tried, what, and how many patches
PLACED = {
    "homes": (26, _house, 12),
    "centre": (22, _block, 5),
    "park": (12, _park_feature, 9),
    "farm": (5, _farm, 3),
    "sport": (7, _court, 6),
    "square": (14, _square, 3),
}
