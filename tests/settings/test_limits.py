"""Values that no experiment can mean are refused before anything starts."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ucvgl.settings.dotted import with_changes
from ucvgl.settings.experiment import Experiment
from ucvgl.settings.limits import check, ranges
from ucvgl.settings.ranges import BelowOne, Positive, Share, holds, in_words


def mistakes(changes: dict[str, Any]) -> list[str]:
    experiment, wrong = with_changes(Experiment(), changes)
    assert not wrong
    return check(experiment)


def test_every_number_among_the_settings_has_a_range() -> None:
    bare = {name for name, range_ in ranges().items() if range_ in (int, float)}
    assert bare == set(), "the range stands at the field, as a type of ucvgl.settings.ranges"


def test_values_out_of_range_are_all_told_with_the_range() -> None:
    assert mistakes(
        {
            "curriculum.min_margin": -0.1,
            "projection.fov_deg": 180.0,
            "dataset.tile_size": 60,
            "dataset.panorama_width": 32_768,
            "contrast.batch": 7,
            "contrast.temperature": 0.0,
            "dataset.max_bad_share": 1.5,
        }
    ) == [
        "dataset.panorama_width: 32768 is not allowed; it must be a multiple of 8 and at least 8 and at most 32760",
        "dataset.tile_size: 60 is not allowed; it must be a multiple of 8 and at least 8 and at most 32760",
        "dataset.max_bad_share: 1.5 is not allowed; it must be at least 0 and at most 1",
        "projection.fov_deg: 180.0 is not allowed; it must be more than 0 and less than 180",
        "contrast.batch: 7 is not allowed; it must be a multiple of 2 and at least 2",
        "contrast.temperature: 0.0 is not allowed; it must be at least 0.0001 and at most 10000",
        "curriculum.min_margin: -0.1 is not allowed; it must be at least 0 and at most 2",
    ]


def test_settings_that_contradict_each_other_are_refused() -> None:
    assert mistakes(
        {
            "curriculum.min_margin": 0.01,
            "curriculum.final_margin": 0.02,
            "projection.top_elevation_deg": 0.0,
            "projection.bottom_elevation_deg": 0.0,
            "translation.batch": 1,
            "resources.workers": 2,
            "resources.workers_at_least": 3,
            "contrast.batch": 128,
            "dataset.synthetic.train_places": 100,
            "dataset.synthetic.queries_without_reference": 0.5,
            "dataset.synthetic.references_without_query": 0.5,
        }
    ) == [
        "projection.top_elevation_deg: 0 is not above projection.bottom_elevation_deg, 0",
        "curriculum.final_margin: 0.02 is above curriculum.min_margin, 0.01; "
        "the threshold falls from the second to the first",
        "translation.batch: 1 is less than resources.workers, 2",
        "resources.workers_at_least: 3 is more than resources.workers, 2",
        "dataset.synthetic.references_without_query: together with queries_without_reference it makes 1, "
        "which leaves no pair; their sum must be less than 1",
        "contrast.batch: 128 is more than there are images, dataset.synthetic.train_places, 100",
    ]


def test_a_scale_in_metres_needs_the_height_of_the_camera_and_a_protocol_its_data_set() -> None:
    assert mistakes({"projection.metres_per_pixel": 0.3, "dataset.protocol": "test"}) == [
        "projection.metres_per_pixel: 0.3 and projection.camera_height_m, 0, set the scale together; "
        "give both, or neither to use projection.fov_deg",
        "dataset.protocol: 'test' is no protocol of synthetic; it has no choice: leave it at default",
    ]
    assert mistakes({"dataset.name": "vigor", "dataset.protocol": "test"}) == [
        "dataset.protocol: 'test' is no protocol of vigor; there are same_area, cross_area"
    ]
    assert mistakes({"dataset.name": "cvact", "dataset.protocol": "test"}) == []


def test_views_are_verified_where_they_look_down_and_a_thousand_candidates_at_most() -> None:
    asked = {"curriculum.verified": 10, "evaluation.verified": 1}
    assert mistakes(asked) == []
    flags = "curriculum.verified and evaluation.verified"
    assert mistakes(asked | {"contrast.heading": "unknown"}) == []
    assert mistakes(asked | {"projection.bev": False, "contrast.heading": "unknown"}) == [
        f"projection.bev: off rules out {flags}, which compare bird's-eye views; set them to 0",
    ]
    assert mistakes({"curriculum.verified": -1, "evaluation.verified": 1001}) == [
        "curriculum.verified: -1 is not allowed; it must be at least 0 and at most 1000",
        "evaluation.verified: 1001 is not allowed; it must be at least 0 and at most 1000",
    ]


def test_globs_come_in_twos_and_for_folders_only() -> None:
    assert mistakes({"dataset.name": "folder", "dataset.queries": "a"}) == [
        "dataset.queries: it goes with dataset.references; give both, or neither"
    ]
    assert mistakes({"dataset.name": "cvusa", "dataset.queries": "a", "dataset.references": "b"}) == [
        "dataset.queries: cvusa knows where its images lie; leave it empty"
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("range_", [float, Positive, Share])
def test_no_range_lets_a_value_through_that_is_not_finite(value: float, range_: Any) -> None:
    assert not holds(value, range_)


def test_a_closed_end_belongs_to_the_range_and_an_open_one_does_not() -> None:
    assert holds(0, Share) and holds(1, Share) and in_words(Share) == "at least 0 and at most 1"
    assert not holds(0.0, Positive) and in_words(Positive) == "more than 0"
    assert not holds(1.0, BelowOne) and in_words(BelowOne) == "at least 0 and less than 1"
    assert in_words(float) == "a finite number"


def test_an_adaptation_asks_for_what_its_model_has() -> None:
    assert mistakes({"adaptation.first_threshold": 0.1, "adaptation.final_threshold": 0.2}) == [
        "adaptation.final_threshold: 0.2 is above adaptation.first_threshold, 0.1; the threshold falls from the "
        "second to the first"
    ]
    assert mistakes({"adaptation.towers": "two"}) == [
        "adaptation.towers: two encoders are those of a run; name it in adaptation.source"
    ]
    for wrong in ({"adaptation.layer": 3}, {"adaptation.pooling": "cls"}):
        (line,) = mistakes({"adaptation.source": "run", **wrong})
        assert line.startswith("adaptation.source: the encoders of a run have no blocks and no class token")
    assert mistakes({"adaptation.source": "run", "adaptation.towers": "two", "adaptation.pooling": "gem"}) == []


def test_a_root_that_is_not_utf8_is_told_before_anything_starts():
    assert not mistakes({"dataset.name": "folder", "dataset.root": "/data/café"})
    (told,) = mistakes({"dataset.name": "folder", "dataset.root": "/data/caf\udce9"})
    assert told == r"dataset.root: '/data/caf\udce9' is not UTF-8; rename it, or link to it"


@pytest.mark.parametrize("root", ["s3://", "s3:///a", "http://host/a", ""])
def test_a_root_at_which_nothing_can_lie_is_told_before_anything_starts(root: str) -> None:
    (told,) = mistakes({"dataset.name": "folder", "dataset.root": root})
    assert told.startswith("dataset.root: ")


def test_photos_are_used_up_to_45_degrees_unless_something_else_is_set() -> None:
    photos, _ = with_changes(Experiment(), {"dataset.camera": "photo"})
    again, _ = with_changes(photos, {"projection.bottom_elevation_deg": -30.0})
    assert (photos.projection.top_elevation_deg, photos.projection.bottom_elevation_deg) == (45, -45)
    assert (again.projection.top_elevation_deg, again.projection.bottom_elevation_deg) == (45, -30)
    assert (photos.curriculum.panoramas_after, Experiment().curriculum.panoramas_after) == (1, 0)
    assert (photos.model.aggregation, Experiment().model.aggregation) == ("map", "safa")
    assert with_changes(photos, {"model.aggregation": "mean"})[0].model.aggregation == "mean"
    assert Experiment().dataset.lens(Experiment().projection) is None
    lens = again.dataset.lens(again.projection)
    assert lens is not None and (lens.top_elevation_deg, lens.bottom_elevation_deg) == (45, -30)


def test_a_camera_and_what_is_rendered_go_together() -> None:
    assert mistakes({"dataset.fov_deg": 60.0}) == [
        "dataset.fov_deg: panoramas show all around; set dataset.camera to photo, or leave it at 0"
    ]
    (told,) = mistakes({"dataset.camera": "photo"})
    assert told.startswith("dataset.camera: photo, but dataset.synthetic.look.photo_fov_deg is 0; rendered photos")
    (told,) = mistakes({"dataset.synthetic.look.photo_fov_deg": 90.0})
    assert told.startswith("dataset.camera: panorama, but")
    photos = {"dataset.camera": "photo", "dataset.synthetic.look.photo_fov_deg": 90.0}
    assert mistakes(photos) == [] and mistakes({"dataset.name": "folder", "dataset.camera": "photo"}) == []
    (told,) = mistakes(photos | {"dataset.synthetic.look.top_elevation_deg": 40.0})
    assert "photos are cut from whole spheres" in told


@pytest.mark.parametrize("text", ["a\nfaked: done", "a\x1b[2J", "a\0b", "a\u202eb"])
def test_a_setting_that_would_forge_a_line_or_clear_a_terminal_is_refused_and_shown_escaped(text):
    for name in ("dataset.root", "dataset.queries", "model.checkpoint", "seed"):
        _, (told,) = with_changes(Experiment(), {name: text})
        assert told.startswith(f"{name}: {ascii(text)} holds a control character") and told.isprintable()
