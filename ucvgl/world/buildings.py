"""What is built: houses with gardens, flat-roofed blocks, car parks, hedges."""

from __future__ import annotations

import math

from ucvgl.world.draft import BUILT, Draft, rectangle
from ucvgl.world.palette import Material
from ucvgl.world.solids import BLOCK, HEDGE, HOUSE, SHED, box


def house(draft: Draft, x: float, y: float, angle: float) -> None:
    """A gabled or hipped house with its garden around it, where there is room; metres, and radians from east."""
    rng = draft.rng
    length, width = rng.uniform(8, 14), rng.uniform(6.5, 9.5)
    if not draft.is_free(x, y, length + 4, width + 5, angle):
        return
    garden = rectangle(x, y, length + rng.uniform(5, 11), width + rng.uniform(6, 12), angle)
    if rng.random() < 0.5:
        draft.fill(garden, draft.pick(Material.GRASS, Material.MEADOW, Material.GRAVEL, Material.FLOWERS))
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
            draft.pick(Material.CONCRETE, Material.GRAVEL, Material.PAVING),
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
        hedge(
            draft, x - (width / 2 + 4) * sin, y + (width / 2 + 4) * cos, length * rng.uniform(0.5, 1.2), angle
        )
    if rng.random() < 0.4:
        hedge(
            draft,
            x + (length / 2 + 2.5) * cos,
            y + (length / 2 + 2.5) * sin,
            width * 1.2,
            angle + math.pi / 2,
        )


def hedge(draft: Draft, x: float, y: float, length: float, angle: float) -> None:
    """A hedge, where there is room; metres, and radians from east."""
    if draft.is_free(x, y, length, 1, angle):
        draft.take(rectangle(x, y, length, 1.5, angle), BUILT)
        seed = int(draft.rng.integers(1 << 30))
        draft.solids.append(box(HEDGE, x, y, length, 0.9, angle, 0, draft.rng.uniform(0.8, 1.8), seed))


def block(draft: Draft, x: float, y: float, angle: float) -> None:
    """A flat-roofed building, or a car park beside one."""
    rng = draft.rng
    if rng.random() < 0.35:
        car_park(draft, x, y, angle)
        return
    length, width = rng.uniform(12, 28), rng.uniform(10, 18)
    if not draft.is_free(x, y, length + 3, width + 3, angle):
        return
    margin = rng.uniform(2, 6)
    draft.fill(
        rectangle(x, y, length + margin, width + margin, angle),
        draft.pick(Material.PAVING, Material.CONCRETE, Material.GRASS),
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


def car_park(draft: Draft, x: float, y: float, angle: float) -> None:
    """Rows of marked bays, some of them taken, where there is room; metres, and radians from east."""
    rng = draft.rng
    bays, rows = int(rng.integers(6, 12)), int(rng.integers(1, 3))
    length, width = bays * 2.6 + 1, rows * 11.5 + 5.5
    if not draft.is_free(x, y, length, width, angle):
        return
    draft.take(rectangle(x, y, length, width, angle), BUILT)
    draft.fill(rectangle(x, y, length, width, angle), draft.pick(Material.TARMAC, Material.ASPHALT))
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
