"""Pictures of a pinhole camera: what a drone sees, or somebody in the street."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int, Shaped

from ucvgl.compiled import kernel
from ucvgl.world.camera import Camera
from ucvgl.world.shade import Scene, colour, likeness
from ucvgl.world.solids import BOX, FAR
from ucvgl.world.visibility import GROUND, SKY, meets

SUPERSAMPLE = 2
NEAR_M = 0.1


def photograph(scene: Scene, camera: Camera, size: int) -> Float[np.ndarray, "s s 3"]:
    """Colours of the square picture that a camera takes of a scene."""
    eye = np.array([camera.x, camera.y, camera.z])
    away = np.hypot(scene.solids["x"] - camera.x, scene.solids["y"] - camera.y) - scene.solids["reach"]
    scene = scene._replace(solids=scene.solids[np.argsort(away, kind="stable")])
    pixels = SUPERSAMPLE * size
    rays = _rays(camera.axes, camera.focal(pixels), pixels)
    seen = _look(scene.solids, eye, camera.axes, camera.focal(pixels), rays)
    return _colours(scene, eye, rays, camera.focal(size), *seen)


def first_met(solids: Shaped[np.ndarray, " n"], camera: Camera, pixels: int) -> Int[np.ndarray, "p p"]:
    """Row of the solid that each ray of a square picture meets first, or `GROUND` or `SKY`."""
    eye, focal = np.array([camera.x, camera.y, camera.z]), camera.focal(pixels)
    return _look(solids, eye, camera.axes, focal, _rays(camera.axes, focal, pixels))[1]


@kernel
def _rays(axes, focal, pixels):
    """Unit directions of the rays through the middles of all pixels."""
    rays = np.empty((pixels, pixels, 3))
    for r in range(pixels):
        up = pixels / 2 - (r + 0.5)
        for c in range(pixels):
            right = (c + 0.5) - pixels / 2
            length = math.sqrt(right * right + up * up + focal * focal)
            for k in range(3):
                rays[r, c, k] = (right * axes[0, k] + up * axes[1, k] + focal * axes[2, k]) / length
    return rays


@kernel
def _frame(s, eye, axes, focal, pixels):
    """The rows and columns in which a solid can appear: first row, last row, first column, last column."""
    half = 0.5 * (s.top + s.ridge - s.bottom)
    east, north, up = s.x - eye[0], s.y - eye[1], s.bottom + half - eye[2]
    ahead = east * axes[2, 0] + north * axes[2, 1] + up * axes[2, 2]
    radius, edge = math.hypot(s.reach, half), pixels / 2
    slack = radius * math.hypot(edge, focal)
    for k in range(2):
        aside = abs(east * axes[k, 0] + north * axes[k, 1] + up * axes[k, 2])
        if ahead < -radius or focal * aside - edge * ahead > slack:
            return 0, -1, 0, -1
    ux, uy, vx, vy = s.length, 0.0, 0.0, s.width
    if s.shape == BOX:
        ux, uy, vx, vy = s.length * s.cos, s.length * s.sin, -s.width * s.sin, s.width * s.cos
    low_r, high_r, low_c, high_c = 1e9, -1e9, 1e9, -1e9
    for corner in range(8):
        a, b = 2 * (corner & 1) - 1, (corner & 2) - 1
        x, y = east + a * ux + b * vx, north + a * uy + b * vy
        z = up + half * (2 * (corner >> 2) - 1)
        forward = x * axes[2, 0] + y * axes[2, 1] + z * axes[2, 2]
        if forward < NEAR_M:
            return 0, pixels - 1, 0, pixels - 1
        c = edge + focal / forward * (x * axes[0, 0] + y * axes[0, 1] + z * axes[0, 2])
        r = edge - focal / forward * (x * axes[1, 0] + y * axes[1, 1] + z * axes[1, 2])
        low_r, high_r, low_c, high_c = min(low_r, r), max(high_r, r), min(low_c, c), max(high_c, c)
    return (
        max(int(low_r - 0.5), 0),
        int(min(high_r + 0.5, pixels - 1.0)),
        max(int(low_c - 0.5), 0),
        int(min(high_c + 0.5, pixels - 1.0)),
    )


@kernel
def _look(solids, eye, axes, focal, rays):
    """Depth, solid and face of every ray; quick where `solids` are sorted from near to far."""
    pixels = len(rays)
    depth = np.empty((pixels, pixels), np.float32)
    which = np.empty((pixels, pixels), np.int32)
    face = np.zeros((pixels, pixels), np.uint8)
    for r in range(pixels):
        for c in range(pixels):
            falls = rays[r, c, 2] < 0
            depth[r, c] = -eye[2] / rays[r, c, 2] if falls else FAR
            which[r, c] = GROUND if falls else SKY
    for k in range(len(solids)):
        s = solids[k]
        top, bottom, left, right = _frame(s, eye, axes, focal, pixels)
        half = 0.5 * (s.top + s.ridge - s.bottom)
        middle = (s.x - eye[0]) ** 2 + (s.y - eye[1]) ** 2 + (s.bottom + half - eye[2]) ** 2
        nearest = math.sqrt(middle) - math.hypot(s.reach, half)
        for r in range(top, bottom + 1):
            for c in range(left, right + 1):
                if depth[r, c] > nearest:
                    t, side = meets(s, eye[0], eye[1], eye[2], rays[r, c, 0], rays[r, c, 1], rays[r, c, 2])
                    if t < depth[r, c]:
                        depth[r, c], which[r, c], face[r, c] = t, k, side
    return depth, which, face


@kernel
def _colours(scene, eye, rays, focal, depth, which, face):
    """Mean colour of each pixel's `SUPERSAMPLE` squared rays; like rays are shaded once."""
    size = len(depth) // SUPERSAMPLE
    image = np.zeros((size, size, 3), np.float32)
    out = np.empty(3)
    ground, solids, palette, shade, light = scene
    ox, oy, oz = eye
    for row in range(size):
        for column in range(size):
            before = -1
            for r in range(row * SUPERSAMPLE, (row + 1) * SUPERSAMPLE):
                for c in range(column * SUPERSAMPLE, (column + 1) * SUPERSAMPLE):
                    t, dx, dy, dz = depth[r, c], rays[r, c, 0], rays[r, c, 1], rays[r, c, 2]
                    like = likeness(ground, solids, ox + t * dx, oy + t * dy, which[r, c], face[r, c])
                    if like < 0 or like != before:
                        footprint = min(t * t / oz / focal, 40.0)
                        colour(
                            ground, solids, palette, shade, light, ox, oy, oz, dx, dy, dz, t,
                            which[r, c], face[r, c], footprint, out,
                        )  # fmt: skip
                        before = like
                    for k in range(3):
                        image[row, column, k] += out[k]
    return image / np.float32(SUPERSAMPLE**2)
