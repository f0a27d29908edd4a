"""The road network: bent grid lines with gaps and short cuts, their markings, crossings and roundabouts."""

from __future__ import annotations

# pyright: reportCallIssue=false
# It cannot know how many numbers an array unpacks to.
from dataclasses import dataclass

import numpy as np

from ucvgl.world.draft import ROAD, Draft, rectangle
from ucvgl.world.palette import Material


@dataclass(frozen=True)
class Road:
    """One stretch between two junctions; `points` lie 1 m apart, with unit `normals` to the left."""

    points: np.ndarray
    normals: np.ndarray
    width: float
    sidewalk: float
    surface: Material
    lanes: int
    ends: tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Network:
    """Junctions on a bent grid, [rows, columns, 2] in metres, and the roads between them."""

    junctions: np.ndarray
    roads: list[Road]


# width, sidewalk, surface, lanes: from the main road to the footpath
CLASSES = (
    (13.5, 2.6, Material.ASPHALT, 4),
    (9.0, 2.2, Material.ASPHALT, 2),
    (7.0, 1.8, Material.ASPHALT, 2),
    (6.0, 0.0, Material.TARMAC, 0),
    (3.6, 0.0, Material.GRAVEL, 0),
    (4.4, 0.0, Material.PAVING, 0),
)


def lay_out(rng: np.random.Generator, side_m: float, pitch_m: float) -> Network:
    """Choose junctions and roads; nothing is drawn yet."""
    n = int(side_m / pitch_m) + 5
    grid = np.stack(np.meshgrid(np.arange(n), np.arange(n)), -1) * pitch_m - (n - 1) * pitch_m / 2
    grid = grid + rng.normal(0, 0.17 * pitch_m, grid.shape)
    turn = rng.uniform(0, np.pi / 2)
    grid = grid @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    wave, phase = rng.uniform(250, 420, 2), rng.uniform(0, 6.28, 2)
    bend = 30 * np.stack(
        [np.sin(6.28 * grid[..., 1] / wave[0] + phase[0]), np.sin(6.28 * grid[..., 0] / wave[1] + phase[1])],
        -1,
    )
    junctions = grid + bend + side_m / 2
    roads: list[Road] = []
    for across in (False, True):
        for line in range(n):
            kind = int(rng.choice(len(CLASSES), p=[0.14, 0.26, 0.32, 0.12, 0.1, 0.06]))
            keep = rng.random(n) > (0.0 if kind == 0 else 0.2)
            for step in range(n - 1):
                at = [(line, k) if across else (k, line) for k in range(step - 1, step + 3)]
                if keep[step]:
                    _add(roads, junctions, at, kind, side_m)
    for _ in range(n * n // 7):
        row, column = rng.integers(1, n - 2, 2).tolist()
        ends = (
            ((row, column), (row + 1, column + 1))
            if rng.random() < 0.5
            else ((row, column + 1), (row + 1, column))
        )
        _add(roads, junctions, [ends[0], *ends, ends[1]], int(rng.integers(2, 6)), side_m)
    return Network(junctions, roads)


def _add(roads: list[Road], junctions: np.ndarray, at: list, kind: int, side_m: float) -> None:
    """A Catmull-Rom curve through the two middle junctions of four."""
    end = len(junctions) - 1
    p = np.array([junctions[min(max(r, 0), end), min(max(c, 0), end)] for r, c in at])
    t = np.linspace(0, 1, 200)[:, None]
    curve = 0.5 * (
        2 * p[1] + (p[2] - p[0]) * t + (2 * p[0] - 5 * p[1] + 4 * p[2] - p[3]) * t**2
        + (3 * p[1] - p[0] - 3 * p[2] + p[3]) * t**3
    )  # fmt: skip
    if curve.max() < -30 or curve.min() > side_m + 30:
        return
    if (curve.max(0) < -30).any() or (curve.min(0) > side_m + 30).any():
        return
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    steps = np.arange(0, along[-1], 1.0)
    points = np.stack([np.interp(steps, along, curve[:, k]) for k in (0, 1)], 1)
    tangent = np.gradient(points, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    normals = np.stack([-tangent[:, 1], tangent[:, 0]], 1)
    width, sidewalk, surface, lanes = CLASSES[kind]
    roads.append(Road(points, normals, width, sidewalk, surface, lanes, (tuple(at[1]), tuple(at[2]))))


def draw_roads(draft: Draft, network: Network) -> None:
    """Draw the network, and reserve its ground."""
    for road in network.roads:
        if road.sidewalk:
            draft.stroke(road.points, road.width + 2 * road.sidewalk, Material.SIDEWALK)
        draft.take_line(road.points, road.width + 2 * road.sidewalk + 2, ROAD)
    for road in sorted(network.roads, key=lambda road: road.width):
        draft.stroke(road.points, road.width, road.surface)
    for road in network.roads:
        _mark(draft, road)
    _junctions(draft, network)


def _mark(draft: Draft, road: Road) -> None:
    rng = draft.rng
    n = len(road.points)
    if not road.lanes:
        return
    if road.lanes == 4:
        for offset in (-0.2, 0.2):
            draft.stroke(road.points + offset * road.normals, 0.16, Material.YELLOW)
        offsets = (-road.width / 4, road.width / 4)
    else:
        offsets = (0.0,)
    dash, gap = (3, 6) if rng.random() < 0.7 else (2, 3)
    for offset in offsets:
        for start in range(0, n - dash, dash + gap):
            draft.stroke(
                (road.points + offset * road.normals)[start : start + dash + 1], 0.16, Material.MARKING
            )
    if road.width > 8:
        for side in (-1, 1):
            draft.stroke(road.points + side * (road.width / 2 - 0.45) * road.normals, 0.14, Material.MARKING)
    angle = np.arctan2(-road.normals[:, 0], road.normals[:, 1])
    parked = rng.random() < 0.6
    for start in range(14, n - 14, 7):
        for side in (-1, 1):
            offset = side * (road.width / 2 - 1.1 if parked else road.width / 4)
            x, y = road.points[start] + offset * road.normals[start]
            if rng.random() < (0.7 if parked else 0.25):
                draft.car_places.append(
                    (float(x), float(y), float(angle[start] + (np.pi if side > 0 else 0)))
                )


def _junctions(draft: Draft, network: Network) -> None:
    rng = draft.rng
    meeting: dict[tuple[int, int], list[tuple[Road, bool]]] = {}
    for road in network.roads:
        for end in (0, 1):
            meeting.setdefault(road.ends[end], []).append((road, end == 1))
    for place, arms in meeting.items():
        x, y = network.junctions[place]
        width = max(road.width for road, _ in arms)
        surface = max(arms, key=lambda arm: arm[0].width)[0].surface
        if len(arms) > 1:
            draft.disc(x, y, width * 0.62, surface)
        if len(arms) > 2 and width > 6.5 and rng.random() < 0.12:
            draft.disc(x, y, 17, Material.SIDEWALK)
            draft.disc(x, y, 14.5, surface)
            draft.disc(x, y, 7.5, Material.PAVING)
            draft.disc(x, y, 6, draft.pick(Material.GRASS, Material.FLOWERS, Material.MEADOW))
            draft.take(rectangle(x, y, 34, 34, 0), ROAD)
            continue
        for road, reverse in arms:
            if road.lanes and len(arms) > 2 and rng.random() < 0.5:
                _crossing(draft, road, reverse, int(width * 0.62) + 2)


def _crossing(draft: Draft, road: Road, reverse: bool, distance: int) -> None:
    """Zebra stripes, and the line where cars stop for them."""
    if len(road.points) < distance + 8:
        return
    step = -1 if reverse else 1
    points, normals = road.points[::step], road.normals[::step]
    centre, normal = points[distance + 1], normals[distance + 1]
    along = np.array([normal[1], -normal[0]]) * step
    angle = float(np.arctan2(along[1], along[0]))
    draft.fill(rectangle(*centre, 3.6, road.width - 0.2, angle), road.surface)
    for offset in np.arange(-road.width / 2 + 0.7, road.width / 2 - 0.4, 1.1):
        draft.fill(rectangle(*(centre + offset * normal), 3.2, 0.55, angle), Material.MARKING)
    stop = points[distance + 4] + normals[distance + 4] * road.width / 4 * step
    draft.fill(rectangle(*stop, 0.4, road.width / 2 - 0.6, angle), Material.MARKING)
