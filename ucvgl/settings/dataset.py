"""Settings of the images: which they are, where they lie, and how a panorama becomes a bird's-eye view."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt

from ucvgl.settings.ranges import BelowOne, Count, CountOrNone, Elevation, NotNegative, Pixels, Share


@dataclass(frozen=True)
class WorldLook:
    """What kind of world is rendered, and by what camera; the level says how far its two views are apart."""

    camera_height_m: Annotated[float, Ge(1), Le(8)] = 2.0
    """Of the panorama's camera above the ground."""
    tile_side_m: Annotated[float, Ge(16), Le(100)] = 4 * math.tan(math.radians(85))
    """Side of the ground that a tile shows: what a BEV with a field of view of 170 degrees shows from 2 m."""
    top_elevation_deg: Elevation = 90.0
    """Of the panorama's first row; below 90 the sky is cropped away."""
    bottom_elevation_deg: Annotated[float, Ge(-90), Lt(0)] = -90.0
    """Of the panorama's last row; above -90 the ground below the camera is cropped away."""
    off_centre_m: Annotated[float, Ge(0), Le(10)] = 0.0
    """Standard deviation per axis of the camera from the tile's centre, beside the level's."""
    seamless: bool = False
    """Tiles lie half their side from each other and leave no gap, as VIGOR's: cameras stand anywhere in the central
    half of theirs, several may share one, and three more tiles show where each stands."""
    off_north_deg: Annotated[float, Ge(0), Le(45)] = 0.0
    """Standard deviation of the panorama's north, beside the level's."""
    photo_fov_deg: Annotated[float, Ge(0), Le(120)] = 0.0
    """Angle across photos, four wide and three high, that look anywhere and take the place of panoramas
    (`dataset.camera`); 0: panoramas."""
    any_heading: bool = False
    """Panoramas and photos begin anywhere: the middle of each looks where nobody tells (`contrast.heading`)."""
    land: Literal["town", "city", "country"] = "town"
    """`city`: blocks, squares and little green, close together. `country`: fields, parks and few houses."""
    season: Literal["autumn", "winter"] = "autumn"
    """Of the tiles, where panoramas show summer. `winter`: snow on whatever nobody clears."""
    inversion: Share = 0.0
    """Of the tiles' brightness. 0: what is bright from the ground is bright from above; 1: it is dark."""
    texture: Annotated[float, Ge(0), Le(5)] = 1.0
    """How uneven the ground is, against what is usual."""
    visibility_m: Annotated[float, Ge(20)] = 420.0
    """Distance at which haze has taken two thirds of a panorama's colours."""
    veil: Annotated[float, Ge(0), Le(0.6)] = 0.0
    """Share of a tile's colours that haze has taken, on average; from half to one and a half of it."""


@dataclass(frozen=True)
class Lens:
    """How photos become parts of panoramas (`ucvgl.projection.photo`).

    Args:
        fov_deg: angle across a photo's longer side; 0: as its EXIF says.
        top_elevation_deg: of the panorama's first row.
        bottom_elevation_deg: of its last row.

    Raises:
        ValueError: there is no such lens.
    """

    WIDEST: ClassVar[float] = 150.0

    fov_deg: float
    top_elevation_deg: float
    bottom_elevation_deg: float

    def __post_init__(self) -> None:
        if not (0 <= self.fov_deg <= self.WIDEST and -90 <= self.bottom_elevation_deg < self.top_elevation_deg <= 90):
            raise ValueError(f"a lens sees up to {self.WIDEST:g} degrees, and its top is above its bottom: not {self}")


@dataclass(frozen=True)
class Synthetic:
    """The embedded world (`ucvgl/world`)."""

    level: Literal["easy", "medium", "hard"] = "medium"
    look: WorldLook = field(default_factory=WorldLook)
    seed: CountOrNone = 0
    """World seed. The training worlds are derived from it, the validation world too, and they share no place."""
    train_places: Annotated[int, Ge(2)] = 4000
    validation_places: Annotated[int, Ge(2)] = 500
    panorama_height: Pixels = 128
    """Rows of the rendered panorama, pixels."""
    panorama_width: Pixels = 512
    tile_size: Pixels = 128
    """Side of the rendered tile and of a drone's picture, pixels."""
    queries_without_reference: BelowOne = 0.0
    """Open world: share of panoramas whose tile is left out of the pool."""
    references_without_query: BelowOne = 0.0
    """Open world: share of tiles whose panorama is left out of the pool."""


@dataclass(frozen=True)
class Drone:
    """Flights over the embedded world (`synthetic_drone`): the places are buildings."""

    views: Annotated[int, Ge(1), Le(99)] = 9
    """Pictures of each building, on a spiral around it from high to low."""
    distractor_places: CountOrNone = 180
    """Buildings of the searched pool that no query shows, beside `synthetic.validation_places`."""


RENDERED = ("synthetic", "synthetic_drone")
"""Data sets whose images are rendered here, and not found."""

PROTOCOLS = {
    "synthetic": (),
    "synthetic_drone": (
        "drone_to_satellite",
        "satellite_to_drone",
        "street_to_satellite",
        "satellite_to_street",
    ),
    "folder": (),
    "cvusa": (),
    "cvact": ("validation", "test"),
    "vigor": ("same_area", "cross_area"),
    "university1652": (
        "drone_to_satellite",
        "satellite_to_drone",
        "street_to_satellite",
        "satellite_to_street",
        "drone_to_satellite_160k",
    ),
    "sues200": ("drone_to_satellite", "satellite_to_drone"),
    "denseuav": ("drone_to_satellite", "satellite_to_drone"),
}
"""What a data set can be used for, the default first; nothing where there is no choice."""


@dataclass(frozen=True)
class Dataset:
    """Which images, where they lie, and the size at which the networks see them."""

    name: Literal[
        "synthetic",
        "synthetic_drone",
        "folder",
        "cvusa",
        "cvact",
        "vigor",
        "university1652",
        "sues200",
        "denseuav",
    ] = "synthetic"
    root: str = "data"
    """Folder of the images, or their place in a bucket (of the rendered worlds, for `synthetic` and
    `synthetic_drone`)."""
    protocol: Literal[
        "default",
        "validation",
        "test",
        "same_area",
        "cross_area",
        "drone_to_satellite",
        "satellite_to_drone",
        "street_to_satellite",
        "satellite_to_street",
        "drone_to_satellite_160k",
    ] = "default"
    """Which images train and which are searched, where a data set has several uses (`docs/data.md`)."""
    flight_height_m: Count = 150
    """`sues200` only: the height of the drone, 150, 200, 250 or 300; each is a protocol of its own."""
    queries: str = ""
    """`folder` only: folder or glob of the query images, below the root; empty: by the folders' names."""
    references: str = ""
    """`folder` only: the same for the tiles."""
    camera: Literal["panorama", "photo"] = "panorama"
    """`photo`: the queries are pictures of an ordinary camera, each a part of a panorama."""
    fov_deg: Annotated[float, Ge(0), Le(Lens.WIDEST)] = 0.0
    """`photo` only: angle across the longer side of the photos; 0: as the EXIF of each says."""
    tilt: Literal["estimated", "none"] = "estimated"
    """`photo` only: how far from level a hand held the camera is told by a network that learns it from the photos
    (`ucvgl.training.fit_level`); `none`: all were level, as on a tripod."""
    synthetic: Synthetic = field(default_factory=Synthetic)
    drone: Drone = field(default_factory=Drone)
    panorama_height: Pixels = 48
    """Network input, pixels."""
    panorama_width: Pixels = 192
    tile_size: Pixels = 64
    """Network input for tiles, BEVs and fakes, pixels."""
    max_bad_share: Share = 0.01
    """The job stops when a larger share of the images than this cannot be read."""

    def lens(self, projection: Projection) -> Lens | None:
        """How photos become parts of panoramas; None where the queries are panoramas."""
        elevations = projection.top_elevation_deg, projection.bottom_elevation_deg
        return Lens(self.fov_deg, *elevations) if self.camera == "photo" else None

    @property
    def levelled(self) -> bool:
        """Whether it is learned how far from level the queries were taken."""
        return self.camera == "photo" and self.tilt == "estimated"

    @property
    def rendered(self) -> bool:
        """Whether the images are rendered here, and not found."""
        return self.name in RENDERED

    @property
    def chosen_protocol(self) -> str:
        """The protocol with `default` resolved; empty where the data set has no choice."""
        return "".join(PROTOCOLS[self.name][:1]) if self.protocol == "default" else self.protocol

    @property
    def reverse_protocol(self) -> str:
        """The protocol that asks the other way round, with pools of its own; empty where there is none."""
        asked, _, searched = self.chosen_protocol.removesuffix("_160k").partition("_to_")
        reverse = f"{searched}_to_{asked}"
        return reverse if reverse in PROTOCOLS[self.name] else ""


@dataclass(frozen=True)
class Projection:
    """Panorama to bird's-eye view (UCVGL section 3.1.1, equation 2 corrected)."""

    bev: bool = True
    """Off: the squashed panorama stands in for the BEV (Table 2, row a)."""
    fov_deg: Annotated[float, Gt(0), Lt(180)] = 170.0
    """Field of view of the nadir camera; the BEV's edge is fov/2 from straight down."""
    metres_per_pixel: NotNegative = 0.0
    """Ground metres per BEV pixel, as of the tiles at `dataset.tile_size`: with the camera's height it sets the scale
    in place of the field of view. 0: the field of view does."""
    camera_height_m: NotNegative = 0.0
    """Of the panorama's camera above the ground; needed with `metres_per_pixel` only."""
    top_elevation_deg: Elevation = 90.0
    """Elevation of the panorama's first row; below 90 the sky was cropped away."""
    bottom_elevation_deg: Elevation = -90.0
    """Elevation of the panorama's last row; above -90 the nadir was cropped away."""
