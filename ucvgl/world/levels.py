"""How far apart the two views of a place are, per level."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Level:
    """The domain gap between panorama and tile; 0 everywhere means none.

    Args:
        position_jitter_m: standard deviation of the camera against the tile's centre, per axis.
        yaw_jitter_deg: standard deviation of the panorama's north.
        palette: 0, both views show the same colours; 1, another season and another sensor.
        shadow: how much of the sunlight a shadow takes away.
        field: amplitude of the cloud shadows, drawn for each image.
        tone: spread of exposure, contrast and white balance, drawn for each image.
        noise: sensor noise, grey levels.
        cars: share of the car places that are taken, drawn for each image.
        lean: metres that the top of a thing is displaced in a tile, per metre of its height.
        canopy: size of tree crowns against their usual size.
        spacing_m: distance between neighbouring places.
        litter: strength of the spots on the ground (damp, dust, leaves), drawn for each image.
        materials: spread of the brightness of each material (rain, drought), drawn for each image.
    """

    position_jitter_m: float
    yaw_jitter_deg: float
    palette: float
    shadow: float
    field: float
    tone: float
    noise: float
    cars: float
    lean: float
    canopy: float
    spacing_m: float
    litter: float
    materials: float


LEVELS = {
    "easy": Level(0.8, 2.0, 0.8, 0.5, 0.9, 0.5, 3.0, 0.4, 0.05, 1.0, 24.0, 0.55, 0.12),
    "medium": Level(1.2, 3.0, 1.0, 0.55, 0.95, 0.7, 4.0, 0.5, 0.1, 1.05, 24.0, 0.45, 0.15),
    "hard": Level(2.0, 4.0, 1.2, 0.6, 1.15, 0.9, 6.0, 0.6, 0.15, 1.2, 22.0, 0.75, 0.2),
}

NO_GAP = Level(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 24.0, 0.0, 0.0)
"""Both views show the same things in the same colours: for tests and for looking at the geometry."""
