import math

import numpy as np
import pytest

from tests.world.hand_built import USUAL, meadow
from ucvgl.world.camera import Camera, aimed
from ucvgl.world.draft import Draft
from ucvgl.world.levels import NO_GAP
from ucvgl.world.palette import Material
from ucvgl.world.perspective import first_met, photograph
from ucvgl.world.solids import BLOCK, HOUSE, LAMP, box, cylinder, hit
from ucvgl.world.surroundings import draw_light, surroundings
from ucvgl.world.visibility import SKY
from ucvgl.world.world import World, finished

SIZE = 64
CAMERAS = [
    aimed((50 + 40 * math.sin(turn), 50 + 40 * math.cos(turn), height), (50.0, 50.0, 2.0), math.radians(46))
    for turn, height in [(0.0, 50.0), (1.0, 35.0), (2.5, 60.0), (4.0, 30.0), (5.5, 2.0)]
]


def picture(world: World, camera: Camera) -> np.ndarray:
    rng = np.random.default_rng(0)
    light = draw_light(world, rng, azimuth=(90, 90), elevation=(45, 45), visibility_m=0.0)
    scene = surroundings(world, 50.0, 50.0, rng, world.below, light, reach_m=80, shade_reach_m=40, clear_m=0)
    return photograph(scene, camera, SIZE)


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("spot", [(50.0, 50.0), (57.0, 46.0), (44.0, 55.0)])
def test_a_mark_on_the_ground_appears_where_the_camera_equation_puts_it(camera: Camera, spot):
    draft = Draft(100, np.random.default_rng(0))
    plain = picture(finished(draft, 0, NO_GAP, USUAL), camera)
    draft.disc(spot[0], spot[1], 1.5, Material.MARKING)
    changed = np.abs(picture(finished(draft, 0, NO_GAP, USUAL), camera) - plain).sum(2)
    row, column = (np.indices(changed.shape) + 0.5).reshape(2, -1) @ changed.ravel() / changed.sum()
    expected = camera.pixel_of(np.array([(*spot, 0.0)]), SIZE, SIZE)[0]
    np.testing.assert_allclose((column, row), expected, atol=0.6)


@pytest.mark.parametrize("camera", CAMERAS[:4])
def test_the_top_of_a_pole_appears_where_the_camera_equation_puts_it(camera: Camera):
    pole = cylinder(LAMP, 52, 49, 0.25, 11, 12, 0)
    row, column = np.nonzero(first_met(meadow(pole).solids, camera, 256) == 0)
    expected = camera.pixel_of(np.array([(52, 49, 11.5)]), 256, 256)[0]
    np.testing.assert_allclose((column.mean() + 0.5, row.mean() + 0.5), expected, atol=1.0)


@pytest.mark.parametrize("camera", CAMERAS)
def test_every_ray_meets_what_is_nearest_of_all_solids(camera: Camera):
    """The oracle cuts every ray with every solid; nothing may be lost by looking only where a solid can appear."""
    rng = np.random.default_rng(1)
    things = []
    for x, y, turn in rng.uniform((30, 30, 0), (70, 70, 3), (6, 3)):
        things.append(box(HOUSE, x, y, 9, 6, turn, 0, 4, 1, 2.0, True))
        things.append(box(BLOCK, y, x, 6, 4, turn, 0, 9, 1))
        things.append(cylinder(LAMP, x - 5, y + 4, 0.4, 0, 8, 0))
    solids, pixels = meadow(*things).solids, 24  # no ellipsoid: light comes through their rims
    eye, focal = np.array([camera.x, camera.y, camera.z]), camera.focal(pixels)
    met = first_met(solids, camera, pixels)
    assert len(np.unique(met)) > 4
    for row in range(pixels):
        for column in range(pixels):
            ray = np.array([column + 0.5 - pixels / 2, pixels / 2 - row - 0.5, focal]) @ camera.axes
            ray /= np.linalg.norm(ray)
            depths = [hit(solid, *eye, *ray)[0] for solid in solids]
            ground = -eye[2] / ray[2] if ray[2] < 0 else 1e9
            depths += [1e9, ground]  # SKY is -2, GROUND is -1
            assert depths[met[row, column]] == pytest.approx(min(depths), rel=1e-5), (row, column)


def test_a_camera_that_looks_up_sees_the_sky_only():
    camera = Camera(50, 50, 2, 0.3, math.radians(50), math.radians(60))
    assert (first_met(meadow(box(BLOCK, 50, 40, 6, 6, 0, 0, 9, 1)).solids, camera, 32) == SKY).all()
