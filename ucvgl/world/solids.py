"""Things that stand on the ground, as boxes, ellipsoids and cylinders that a ray can be cut with exactly.

World coordinates are metres: x east, y north, z up.
"""

from __future__ import annotations

import math

import numpy as np

from ucvgl.compiled import kernel

BOX, ELLIPSOID, CYLINDER = 0, 1, 2
HOUSE, BLOCK, SHED, CAR, CABIN, HEDGE, LEAVES, TRUNK, LAMP = range(9)

SOLID = np.dtype(
    [
        ("shape", "i8"), ("style", "i8"), ("x", "f8"), ("y", "f8"), ("bottom", "f8"), ("top", "f8"),
        ("length", "f8"), ("width", "f8"), ("cos", "f8"), ("sin", "f8"), ("ridge", "f8"), ("hip", "i8"),
        ("seed", "i8"), ("reach", "f8"),
    ]
)  # fmt: skip
"""`length, width` are half sides or radii, `ridge` the height of a roof above `top`; `reach` bounds x, y."""

NO_FACE, EAST, WEST, NORTH, SOUTH, TOP, SLOPE_NORTH, SLOPE_SOUTH, SLOPE_EAST, SLOPE_WEST, CURVED = range(11)
"""Faces in the solid's own frame, where `length` runs east."""

FAR = 1e9


def box(
    style: int, x: float, y: float, length: float, width: float, angle: float, bottom: float, top: float,
    seed: int, ridge: float = 0.0, hip: bool = False,
) -> tuple:  # fmt: skip
    """An upright box, `length` by `width` metres (whole sides), with an optional pitched roof."""
    half = (length / 2, width / 2)
    return (
        BOX, style, x, y, bottom, top, *half, math.cos(angle), math.sin(angle), ridge, int(hip), seed,
        math.hypot(*half),
    )  # fmt: skip


def ellipsoid(
    style: int, x: float, y: float, z: float, radius: float, half_height: float, seed: int
) -> tuple:
    """A row of the table of solids: an upright ellipsoid around (x, y, z); metres."""
    return (
        ELLIPSOID,
        style,
        x,
        y,
        z - half_height,
        z + half_height,
        radius,
        radius,
        1,
        0,
        0,
        0,
        seed,
        radius,
    )


def cylinder(style: int, x: float, y: float, radius: float, bottom: float, top: float, seed: int) -> tuple:
    """A row of the table of solids: an upright cylinder; metres."""
    return (CYLINDER, style, x, y, bottom, top, radius, radius, 1, 0, 0, 0, seed, radius)


@kernel
def _halfspace(distance: float, speed: float, face: int, enter: float, leave: float, entered: int):
    """Cut [enter, leave] with `distance + t * speed <= 0`."""
    if speed < -1e-9:
        t = -distance / speed
        if t > enter:
            return t, leave, face
    elif speed > 1e-9:
        t = -distance / speed
        if t < leave:
            return enter, t, entered
    elif distance > 0:
        return enter, -1.0, entered
    return enter, leave, entered


@kernel
def _hit_box(s, ox, oy, oz, dx, dy, dz):
    x, y = ox - s.x, oy - s.y
    u, v = x * s.cos + y * s.sin, y * s.cos - x * s.sin
    du, dv = dx * s.cos + dy * s.sin, dy * s.cos - dx * s.sin
    enter, leave, face = 0.0, FAR, NO_FACE
    enter, leave, face = _halfspace(u - s.length, du, EAST, enter, leave, face)
    enter, leave, face = _halfspace(-u - s.length, -du, WEST, enter, leave, face)
    if enter >= leave:
        return FAR, NO_FACE
    enter, leave, face = _halfspace(v - s.width, dv, NORTH, enter, leave, face)
    enter, leave, face = _halfspace(-v - s.width, -dv, SOUTH, enter, leave, face)
    if enter >= leave:
        return FAR, NO_FACE
    enter, leave, face = _halfspace(s.bottom - oz, -dz, NO_FACE, enter, leave, face)
    if s.ridge > 0:
        slope = s.ridge / s.width
        peak = s.top + s.ridge
        enter, leave, face = _halfspace(
            oz + slope * v - peak, dz + slope * dv, SLOPE_NORTH, enter, leave, face
        )
        enter, leave, face = _halfspace(
            oz - slope * v - peak, dz - slope * dv, SLOPE_SOUTH, enter, leave, face
        )
        if s.hip:
            end = s.top + slope * s.length
            enter, leave, face = _halfspace(
                oz + slope * u - end, dz + slope * du, SLOPE_EAST, enter, leave, face
            )
            enter, leave, face = _halfspace(
                oz - slope * u - end, dz - slope * du, SLOPE_WEST, enter, leave, face
            )
    else:
        enter, leave, face = _halfspace(oz - s.top, dz, TOP, enter, leave, face)
    if enter < leave and face != NO_FACE:
        return enter, face
    return FAR, NO_FACE


@kernel
def _hit_ellipsoid(s, ox, oy, oz, dx, dy, dz):
    half = 0.5 * (s.top - s.bottom)
    squash = s.length / half
    x, y, z = ox - s.x, oy - s.y, (oz - 0.5 * (s.top + s.bottom)) * squash
    dz = dz * squash
    a = dx * dx + dy * dy + dz * dz
    b = x * dx + y * dy + z * dz
    inside = b * b - a * (x * x + y * y + z * z - s.length * s.length)
    if inside <= 0:
        return FAR, NO_FACE
    t = (-b - math.sqrt(inside)) / a
    return (t, CURVED) if t > 0 else (FAR, NO_FACE)


@kernel
def _hit_cylinder(s, ox, oy, oz, dx, dy, dz):
    x, y = ox - s.x, oy - s.y
    a = dx * dx + dy * dy
    b = x * dx + y * dy
    inside = b * b - a * (x * x + y * y - s.length * s.length)
    if inside <= 0 or a < 1e-12:
        return FAR, NO_FACE
    t = (-b - math.sqrt(inside)) / a
    z = oz + t * dz
    return (t, CURVED) if t > 0 and s.bottom <= z <= s.top else (FAR, NO_FACE)


@kernel
def hit(s, ox, oy, oz, dx, dy, dz):
    """Where a ray enters a solid: its parameter t (`FAR`: it misses) and the face."""
    if s.shape == BOX:
        return _hit_box(s, ox, oy, oz, dx, dy, dz)
    if s.shape == ELLIPSOID:
        return _hit_ellipsoid(s, ox, oy, oz, dx, dy, dz)
    return _hit_cylinder(s, ox, oy, oz, dx, dy, dz)


@kernel
def crossing(s, ox, oy, dx, dy):
    """Where a horizontal ray (unit length) enters and leaves the outline of a solid seen from above."""
    x, y = ox - s.x, oy - s.y
    if s.shape == BOX:
        u, v = x * s.cos + y * s.sin, y * s.cos - x * s.sin
        du, dv = dx * s.cos + dy * s.sin, dy * s.cos - dx * s.sin
        enter, leave, _ = _halfspace(u - s.length, du, EAST, 0.0, FAR, NO_FACE)
        enter, leave, _ = _halfspace(-u - s.length, -du, WEST, enter, leave, NO_FACE)
        enter, leave, _ = _halfspace(v - s.width, dv, NORTH, enter, leave, NO_FACE)
        enter, leave, _ = _halfspace(-v - s.width, -dv, SOUTH, enter, leave, NO_FACE)
        return enter, leave
    b = x * dx + y * dy
    inside = b * b - x * x - y * y + s.length * s.length
    if inside <= 0:
        return 0.0, -1.0
    root = math.sqrt(inside)
    return max(-b - root, 0.0), -b + root


@kernel
def normal(s, face, x, y, z):
    """Outward unit normal of a solid at a point of one of its faces."""
    if face == CURVED:
        nx, ny, nz = (x - s.x) / s.length, (y - s.y) / s.length, 0.0
        if s.shape == ELLIPSOID:
            half = 0.5 * (s.top - s.bottom)
            nz = (z - 0.5 * (s.top + s.bottom)) / half * s.length / half
        size = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
        return nx / size, ny / size, nz / size
    if face == TOP:
        return 0.0, 0.0, 1.0
    nu, nv, nz = 0.0, 0.0, 0.0
    if face >= SLOPE_NORTH:
        slope = s.ridge / s.width
        nz = 1 / math.sqrt(1 + slope * slope)
    side = math.sqrt(1 - nz * nz)
    if face in (EAST, SLOPE_EAST):
        nu = side
    elif face in (WEST, SLOPE_WEST):
        nu = -side
    elif face in (NORTH, SLOPE_NORTH):
        nv = side
    else:
        nv = -side
    return nu * s.cos - nv * s.sin, nu * s.sin + nv * s.cos, nz
