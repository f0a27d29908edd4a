"""The colour of what a ray meets: ground, facades, roofs, leaves, sky."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ucvgl.compiled import kernel
from ucvgl.world.draft import CELL
from ucvgl.world.noise import hashed, value_noise
from ucvgl.world.palette import PAINT as PAINT_COLOURS
from ucvgl.world.palette import ROOF as ROOF_COLOURS
from ucvgl.world.palette import SUMMER, SUMMER_LEAF, Material
from ucvgl.world.palette import WALL as WALL_COLOURS
from ucvgl.world.solids import (
    BLOCK,
    CABIN,
    CAR,
    CURVED,
    EAST,
    HEDGE,
    HOUSE,
    LAMP,
    LEAVES,
    SHED,
    SLOPE_NORTH,
    TOP,
    TRUNK,
    WEST,
    normal,
)  # fmt: skip

WATER, BEYOND = int(Material.WATER), int(Material.MEADOW)
GRAIN = np.array(
    [0.16, 0.2, 0.18, 0.2, 0.12, 0.06, 0.06, 0.07, 0.07, 0.05, 0.06, 0.03, 0.08, 0.06, 0.08, 0.4, 0.05, 0.05]
)
"""How uneven each material is."""
AMBIENT, DIRECT = 0.62, 0.5
HAZE = (206.0, 218.0, 230.0)
LEAFS, ROOFS, WALLS, PAINTS = len(SUMMER_LEAF), len(ROOF_COLOURS), len(WALL_COLOURS), len(PAINT_COLOURS)
LEAF = len(SUMMER)
ROOF = LEAF + LEAFS
WALL = ROOF + ROOFS
PAINT = WALL + WALLS
"""Where the colours of each kind of thing begin in a scene's palette."""


class Light(NamedTuple):
    """Sun and weather of one image.

    Args:
        sun_x: with `sun_y, sun_z` the unit vector towards the sun.
        shadow: share of the light that a shadow takes away.
        field: amplitude of cloud shadows on the ground.
        seed: of the clouds.
        clouds: how much of the sky is covered.
        visibility_m: distance at which haze has taken most of the colour; 0 for none.
        west: with `south` the corner of the shade raster, metres; `cell` is the side of its cells.
        texture: seed of what the ground looks like, the same in all images of a world.
        rough: how uneven the ground is, against `GRAIN`.
        litter: how strongly wet spots, dry spots and leaves change the ground, new in each image.
    """

    sun_x: float
    sun_y: float
    sun_z: float
    shadow: float
    field: float
    seed: int
    clouds: float
    visibility_m: float
    west: float
    south: float
    cell: float
    texture: int
    rough: float
    litter: float


class Scene(NamedTuple):
    """What rays can meet; `palette` holds the colours of `Palette` one after the other.

    `shade` is the share of the sun's light that each cell of ground around the camera lacks.
    """

    ground: np.ndarray
    solids: np.ndarray
    palette: np.ndarray
    shade: np.ndarray
    light: Light


@kernel
def _field(light, x, y):
    """Shadows of thin clouds: slow changes of brightness over the ground, new in each image."""
    if light.field == 0:
        return 1.0
    slow = value_noise(x / 13, y / 13, light.seed) - 0.5
    fast = value_noise(x / 6, y / 6, light.seed + 1) - 0.5
    return math.exp(light.field * (1.5 * slow + 0.8 * fast))


@kernel
def _shade_at(s, light, x, y):
    column = (x - light.west) / light.cell - 0.5
    row = (y - light.south) / light.cell - 0.5
    i, j = int(math.floor(row)), int(math.floor(column))
    if i < 0 or j < 0 or i + 1 >= len(s) or j + 1 >= len(s):
        return 0.0
    a, b = row - i, column - j
    return (s[i, j] * (1 - b) + s[i, j + 1] * b) * (1 - a) + (s[i + 1, j] * (1 - b) + s[i + 1, j + 1] * b) * a


@kernel
def material_at(ground, x, y):
    """Material at a point, dithered between neighbouring cells so that their edges do not show as stairs."""
    i, j = int(math.floor(x * 48)), int(math.floor(y * 48))
    column = int(math.floor(x / CELL + hashed(i, j, 1) - 0.5))
    row = int(math.floor(y / CELL + hashed(i, j, 2) - 0.5))
    if 0 <= row < len(ground) and 0 <= column < len(ground):
        return int(ground[row, column])
    return BEYOND


@kernel
def _ground(ground, palette, shade, light, x, y, out):
    """Add the colour of the ground at a point to `out`."""
    material = material_at(ground, x, y)
    texture = value_noise(x * 0.3, y * 0.3, light.texture) + 0.7 * value_noise(
        x * 2.7, y * 2.7, light.texture + 1
    )
    texture = light.rough * (texture + 0.7 * hashed(int(x * 8), int(y * 8), light.texture) - 1.2)
    if light.litter > 0:
        spot = value_noise(x / 3.1, y / 3.1, light.seed + 2) + 0.7 * value_noise(
            x / 1.3, y / 1.3, light.seed + 3
        )
        texture += light.litter / GRAIN[material] * min(max(2.2 * (spot - 0.85), -0.6), 0.6)
    factor = (
        (1 + GRAIN[material] * texture)
        * _field(light, x, y)
        * (1 - light.shadow * _shade_at(shade, light, x, y))
    )
    for k in range(3):
        out[k] += palette[material, k] * factor
    return material


@kernel
def likeness(ground, solids, x, y, which, face):
    """A number that rays of one pixel share when shading one of them will do for all; -1 when it will not."""
    if which == -2:
        return 0
    if which == -1:
        return 1 + material_at(ground, x, y)
    style = solids[which].style
    if style in (HOUSE, BLOCK) and face < TOP:
        return -1
    return 64 + 16 * which + face


@kernel
def _window(u, z, bay, storey, seed):
    """Whether a facade has glass at metres `u` along and `z` up, and how bright its pane is."""
    a, b = u / bay - math.floor(u / bay), z / storey - math.floor(z / storey)
    if 0.28 < a < 0.76 and 0.3 < b < 0.8:
        return hashed(int(math.floor(u / bay)), int(z / storey), seed)
    return -1.0


@kernel
def _facade(palette, s, face, x, y, z, out):
    colour = palette[WALL + s.seed % WALLS]
    along = (x - s.x) * s.cos + (y - s.y) * s.sin
    length = s.length
    if face in (EAST, WEST):
        along = (y - s.y) * s.cos - (x - s.x) * s.sin
        length = s.width
    along += length
    bays = max(1.0, math.floor(2 * length / (2.4 + 1.4 * hashed(s.seed, 3, 0))))
    bay, storey = 2 * length / bays, 3.1 if s.style == BLOCK else 2.8
    brick = 1 + 0.07 * (hashed(int(along * 4 + 2 * int(z * 8)), int(z * 8), s.seed) - 0.5)
    pane = _window(along, z - (0.4 if s.style == BLOCK else 0.15), bay, storey, s.seed)
    if s.style == BLOCK and z > s.top - 0.6:
        brick, pane = 1.12, -1.0
    if z < 0.45:
        brick *= 0.72
    door = s.style == HOUSE and z < 2.2 and abs(along - bay * 0.5) < 0.5 and face > WEST
    shop = s.style == BLOCK and s.seed % 3 == 0 and 0.5 < z < 2.7 and (along / bay * 1.5) % 1 > 0.1
    for k in range(3):
        if door:
            out[k] = palette[PAINT + s.seed % PAINTS, k] * 0.8
        elif shop:
            out[k] = (74.0, 88.0, 98.0)[k] + 26 * hashed(int(along * 1.3), k, s.seed)
        elif pane >= 0 and s.style != SHED:
            out[k] = (62.0, 76.0, 92.0)[k] + 62 * pane
        else:
            out[k] = colour[k] * brick


@kernel
def _roof(palette, s, face, x, y, z, out):
    colour = palette[ROOF + (s.seed // 16) % ROOFS]
    u, v = (x - s.x) * s.cos + (y - s.y) * s.sin, (y - s.y) * s.cos - (x - s.x) * s.sin
    if face == TOP:
        rim = max(abs(u) - s.length, abs(v) - s.width) > -0.45
        factor = 1.16 if rim else 0.94 + 0.12 * value_noise(u * 0.5, v * 0.5, s.seed)
    else:
        factor = 0.93 + 0.14 * hashed(int(u * 3 + 100), int(v * 3 + 100), s.seed)
    for k in range(3):
        out[k] = colour[k] * factor


@kernel
def _solid(palette, light, s, face, x, y, z, out):
    """Set `out` to the colour of a solid at a point of it, lit."""
    nx, ny, nz = normal(s, face, x, y, z)
    wrap = 0.35 if s.style == LEAVES or s.style == HEDGE else 0.0
    direct = nx * light.sun_x + ny * light.sun_y + nz * light.sun_z
    lit = AMBIENT + DIRECT * max(0.0, (direct + wrap) / (1 + wrap)) - 0.06 * (1 - nz)
    factor = lit / (AMBIENT + DIRECT * light.sun_z) * _field(light, x, y)
    if s.style == LEAVES or s.style == HEDGE:
        colour = palette[LEAF + s.seed % LEAFS]
        clump = value_noise(x * 2.2 + z, y * 2.2 - z, s.seed) + 0.8 * hashed(
            int(x * 7), int(y * 7) + 31 * int(z * 7), 5
        )
        factor *= (0.78 + 0.26 * clump) * (1.0 if s.style == HEDGE else 0.9 + 0.1 * nz)
        for k in range(3):
            out[k] = colour[k] * (0.92 + 0.16 * hashed(s.seed, 2, k))
    elif s.style == TRUNK:
        factor *= 0.85 + 0.3 * hashed(int(math.atan2(ny, nx) * 5 + 20), int(z * 3), s.seed)
        out[0], out[1], out[2] = 104.0, 84.0, 66.0
    elif s.style == LAMP:
        out[0], out[1], out[2] = 120.0, 124.0, 128.0
    elif s.style == CAR or s.style == CABIN:
        colour = palette[PAINT + s.seed % PAINTS]
        glass = s.style == CABIN and face < TOP
        wheel = s.style == CAR and z < 0.32
        for k in range(3):
            out[k] = 58.0 + 5 * k if glass else (44.0 if wheel else colour[k])
    elif face == TOP or face >= SLOPE_NORTH and face != CURVED:
        _roof(palette, s, face, x, y, z, out)
    else:
        _facade(palette, s, face, x, y, z, out)
    for k in range(3):
        out[k] *= factor


@kernel
def _sky(light, dx, dy, dz, out):
    up = max(dz, 0.0)
    rise = 1 - math.exp(-up * 3.2)
    px, py = dx / (up + 0.12) * 1.1, dy / (up + 0.12) * 1.1
    cloud = 0.55 * value_noise(px, py, light.seed + 5) + 0.28 * value_noise(
        px * 2.3, py * 2.3, light.seed + 6
    )
    cloud += 0.17 * value_noise(px * 5.1, py * 5.1, light.seed + 7)
    cloud = min(max((cloud - 0.72 + 0.5 * light.clouds) * 3.2, 0.0), 1.0) * min(up * 6, 1.0)
    glow = max(dx * light.sun_x + dy * light.sun_y + dz * light.sun_z, 0.0) ** 24
    out[0] = 206 - 96 * rise
    out[1] = 218 - 66 * rise
    out[2] = 230 - 20 * rise
    for k in range(3):
        out[k] += cloud * ((240.0, 240.0, 243.0)[k] - out[k])
        out[k] += 0.6 * glow * (254 - out[k])


@kernel
def colour(ground, solids, palette, shade, light, ox, oy, oz, dx, dy, dz, t, which, face, footprint, out):
    """Set `out` to the RGB that a ray brings back.

    `footprint` is how far one ray's ground patch stretches along the ray, metres; long ones are averaged.
    """
    if which == -2:
        _sky(light, dx, dy, dz, out)
        return
    x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
    if which >= 0:
        _solid(palette, light, solids[which], face, x, y, z, out)
    else:
        for k in range(3):
            out[k] = 0.0
        count = min(max(int(footprint / 0.35), 1), 8)
        flat = math.hypot(dx, dy) + 1e-9
        water = 0
        for k in range(count):
            shift = ((k + 0.5) / count - 0.5) * footprint / flat
            water += _ground(ground, palette, shade, light, x + shift * dx, y + shift * dy, out) == WATER
        for k in range(3):
            out[k] /= count
        if water and dz > -0.999:
            mirror = 0.65 * water / count * (1 + dz) ** 2
            for k in range(3):
                out[k] += mirror * ((168.0, 190.0, 212.0)[k] - out[k])
    if light.visibility_m > 0:
        mist = 1 - math.exp(-t / light.visibility_m)
        for k in range(3):
            out[k] += mist * (HAZE[k] - out[k])
