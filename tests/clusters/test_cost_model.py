"""The cost model against sums made by hand, and the tables of docs/cluster.md against the model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.cost_model import GB, Plan, Units, dollars, images, seconds, shown, stages, table
from tests.clusters.machine_files import ROOT
from ucvgl.settings.presets import folder


def stage_of(plan: Plan, name: str):
    (found,) = [stage for stage in stages(plan) if stage.name.endswith(name)]
    return found


def test_matching_costs_two_operations_per_pair_and_number() -> None:
    plan = Plan(queries=1000, references=2000, rounds=3, turns=1)
    length = 768 * 8 * 2  # channels x heads, seen as panorama and as fake
    assert stage_of(plan, "match").flop == 3 * 2 * 1000 * 4000 * length, "a decoy beside every tile"
    assert stage_of(plan, "match").read == 3 * (8 * 1000 + 4000) * length * 4, "the queries pass on every machine"
    some = replace(plan, gpu_nodes=2, search_rows=500)
    assert stage_of(some, "match").read == 3 * (4 * 2 * 1000 + 4000) * length * 4, "and again with every wave of shards"
    assert stage_of(plan, "embed").written == 3 * (1000 + 4000) * length * 4


def test_decoding_takes_the_measured_time_of_every_image() -> None:
    plan = Plan(queries=1000, references=500, units=Units(panorama_ms=20, tile_ms=10))
    assert stage_of(plan, "project").core_s == 25
    assert seconds(stage_of(plan, "project"), plan)["cores"] == 25 / (16 * 4)


def test_twice_the_machines_take_half_the_time_of_what_they_do_and_no_less_for_the_shared_folder() -> None:
    plan = Plan(shared=True)
    twice = replace(plan, gpu_nodes=16, cpu_nodes=8)
    for one, other in zip(stages(plan), stages(twice), strict=True):
        slow, fast = seconds(one, plan), seconds(other, twice)
        assert fast["GPUs"] == slow["GPUs"] / 2 and fast["cores"] == slow["cores"] / 2
        assert fast["shared folder"] >= slow["shared folder"], one.name


def test_an_hour_of_two_machines_and_the_head_costs_their_prices() -> None:
    units = Units(gpu_node_dollars_h=3, head_dollars_h=1, gpu_tflops=1, shared_gb_s=1e9, bucket_gb_s=1e9)
    plan = Plan(gpu_nodes=2, units=units)
    stage = replace(stage_of(plan, "train"), flop=2 * 3600 * 1e12)
    assert dollars(stage, plan) == pytest.approx(2 * 3 + 1)


def test_numbers_show_two_digits() -> None:
    numbers = (0, 0.04, 0.444, 4.44, 44.4, 4444)
    assert [shown(number) for number in numbers] == ["", "< 0.1", "0.4", "4.4", "44", "4,400"]


def test_the_tables_in_the_document_are_what_the_model_says() -> None:
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    assert table(Plan()) in text
    large = Plan(
        queries=10_000_000,
        references=10_000_000,
        gpu_nodes=64,
        cpu_nodes=16,
        turns=1,
        rounds=10,
        search_rows=400_000,
    )
    assert table(large) in text
    assert f"{shown(images(Plan()) / GB)} GB at VIGOR's size, {shown(images(large) / GB)} GB at ten million" in text
    assert table(replace(Plan(), shared=True)).splitlines()[-1].replace(" ", "") == "|all||||||120|64||"


def test_machines_fetch_every_image_once_and_every_round_the_descriptors_of_the_others() -> None:
    plan = Plan(queries=1000, references=600, gpu_nodes=4, rounds=3, turns=1, units=Units(bucket_gb_s=1, disk_gb_s=1e9))
    experiment, length = folder(), 768 * 8 * 2 * 4
    pixels = experiment.dataset.panorama_height * experiment.dataset.panorama_width
    trained = 3 * (1000 * (pixels + experiment.dataset.tile_size**2) + 600 * experiment.dataset.tile_size**2)
    assert images(plan) == trained
    assert seconds(stage_of(plan, "cold start"), plan)["bucket"] == pytest.approx(trained / 1e9)
    # Of 1000 queries and of the 300 that a machine holds among 600 tiles and as many decoys, a quarter is its own.
    assert seconds(stage_of(plan, "match"), plan)["bucket"] == pytest.approx(3 * (750 + 225) * length / 1e9)
    assert seconds(stage_of(plan, "embed"), plan)["bucket"] == pytest.approx(3 * (1000 + 1200) * length / 4e9)
    assert not seconds(stage_of(plan, "match"), plan)["shared folder"]
