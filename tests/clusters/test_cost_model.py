"""The cost model against sums made by hand, and the tables of docs/cluster.md against the model."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cost_units import Plan, Units, gets, puts, requests

from benchmarks.cost_model import GB, dollars, images, seconds, shown, stages, table
from tests.clusters.machine_files import ROOT
from ucvgl.settings.presets import folder


def stage_of(plan: Plan, name: str):
    (found,) = [stage for stage in stages(plan) if stage.name.rpartition(" x ")[2] == name]
    return found


COLUMNS = 1 * (768 * 8 + 1296) + 2 * (768 * 8 * 2 + 1296)
"""Of three rounds: channels x heads, and the structure; panoramas join after the first, beside their fakes."""


def test_matching_costs_two_operations_per_pair_and_number() -> None:
    plan = Plan(queries=1000, references=2000, rounds=3, turns=1)
    assert stage_of(plan, "match").flop == pytest.approx(2 * 1000 * 4000 * COLUMNS), "a decoy beside every tile"
    assert stage_of(plan, "match").read == pytest.approx((8 * 1000 + 4000) * COLUMNS * 4), "queries pass on every one"
    some = replace(plan, gpu_nodes=2, search_rows=500)
    assert stage_of(some, "match").read == pytest.approx((4 * 2 * 1000 + 4000) * COLUMNS * 4), "again with every wave"
    assert stage_of(plan, "embed").written == pytest.approx((1000 + 4000) * COLUMNS * 4)


def test_all_cores_describe_once_and_verify_in_every_round_which_waits_for_a_whitening() -> None:
    units = Units(describe_ms=5, verify_ms=20, verify_again=0.5, whiten_s=16)
    plan = Plan(queries=1000, references=2000, rounds=3, turns=1, units=units)
    described, verified = (stage_of(plan, name) for name in ("describe, whiten", "verify"))
    assert described.core_s == 5000 * 0.005 and verified.core_s == (1 + 2 * 0.5) * 1000 * 0.02
    assert described.written == 5000 * 4 * (COLUMNS + 1296) and described.read == 5000 * 4 * (COLUMNS + 2 * 1296)
    assert described.alone_s == 3 * 16, "each look on a machine of its own"
    assert stage_of(replace(plan, gpu_nodes=1), "describe, whiten").alone_s == (2 + 3 + 3) * 16
    assert seconds(described, plan)["cores"] == pytest.approx(25 / 128 + 48)


def test_decoding_takes_the_measured_time_of_every_image() -> None:
    plan = Plan(queries=1000, references=500, units=Units(panorama_ms=20, tile_ms=10))
    assert stage_of(plan, "project").core_s == 25
    assert seconds(stage_of(plan, "project"), plan)["cores"] == 25 / (16 * 4)


def test_twice_the_machines_take_half_the_time_of_what_they_do_and_no_less_for_the_shared_folder() -> None:
    plan = Plan(shared=True)
    twice = replace(plan, gpu_nodes=16, cpu_nodes=8)
    for one, other in zip(stages(plan), stages(twice), strict=True):
        slow, fast = seconds(one, plan), seconds(other, twice)
        assert fast["GPUs"] == slow["GPUs"] / 2
        shared = slow["cores"] - one.alone_s
        assert fast["cores"] == pytest.approx(shared / 2 + other.alone_s) and other.alone_s <= one.alone_s
        assert fast["shared folder"] >= slow["shared folder"], one.name


def test_an_hour_of_two_machines_and_the_head_costs_their_prices() -> None:
    units = Units(gpu_node_dollars_h=3, head_dollars_h=1, train_tflops=1, shared_gb_s=1e9, bucket_gb_s=1e9)
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
    assert table(replace(large, cache_gb=1000)) in text
    assert table(replace(Plan(), shared=True)).splitlines()[-1].replace(" ", "") == "|all|||||||170|92||"


def test_machines_fetch_every_image_once_and_every_round_the_descriptors_of_the_others() -> None:
    plan = Plan(queries=1000, references=600, gpu_nodes=4, rounds=3, turns=1, units=Units(bucket_gb_s=1, disk_gb_s=1e9))
    experiment, length = folder(), COLUMNS * 4
    pixels = experiment.dataset.panorama_height * experiment.dataset.panorama_width
    trained = 3 * (1000 * (pixels + experiment.dataset.tile_size**2) + 600 * experiment.dataset.tile_size**2)
    assert images(plan) == trained
    assert seconds(stage_of(plan, "cold start"), plan)["bucket"] == pytest.approx(trained / 1e9)
    # Of 1000 queries and of the 300 that a machine holds among 600 tiles and as many decoys, a quarter is its own.
    assert seconds(stage_of(plan, "match"), plan)["bucket"] == pytest.approx((750 + 225) * length / 1e9)
    assert seconds(stage_of(plan, "embed"), plan)["bucket"] == pytest.approx((1000 + 1200) * length / 4e9)
    assert not seconds(stage_of(plan, "match"), plan)["shared folder"]


def test_a_shard_takes_a_request_for_every_8_mib_and_those_that_begin_and_end_it() -> None:
    size = 2**20
    assert puts(40, size, 20) == 2 * 4 + 5 and gets(40, size, 20) == 2 * 1 + 5


def test_requests_are_paid_for_and_waited_for() -> None:
    units = Units(puts_dollars_million=5, gets_dollars_million=1, request_s=0.032, bucket_gets_s=4000)
    plan = Plan(gpu_nodes=2, units=replace(units, gpu_node_dollars_h=0, head_dollars_h=0))
    stage = replace(stage_of(plan, "train"), puts=1e6, gets=2e6, read=0, flop=0)
    assert dollars(stage, plan) == pytest.approx(5 + 2)
    assert seconds(stage, plan)["requests"] == pytest.approx(2e6 * 0.032 / 32 / 2)
    many = replace(plan, gpu_nodes=8)
    assert seconds(stage, many)["requests"] == pytest.approx(2e6 / 4000), "what the bucket gives to all of them"
    assert requests(stage, replace(plan, shared=True)) == (0, 0)


def test_images_that_no_cache_holds_are_fetched_whenever_they_are_due() -> None:
    plan = Plan(queries=10_000, references=6_000, gpu_nodes=4, rounds=3, turns=1)
    held, small = images(plan) / GB, replace(plan, cache_gb=images(plan) / GB - 0.1)
    assert images(small) == images(plan)
    assert list(stages(replace(plan, cache_gb=held + 0.1))) == list(stages(plan))
    for name in ("cold start", "train"):
        kept, anew = stage_of(plan, name), stage_of(small, name)
        assert anew.fetched * 4 == pytest.approx(kept.read) and anew.read == 0
    experiment = folder()
    assert experiment.curriculum.with_fakes, "a tile and a fake, and both beside a panorama"
    assert stage_of(small, "train").gets == 2 * 20_000 + 2 * (20_000 + 30_000) and stage_of(plan, "train").gets == 0
    assert stage_of(small, "embed").fetched * 4 == pytest.approx(3 * images(plan)), "in shards, once per round"
    assert stage_of(small, "embed").gets < 2 * stage_of(small, "train").gets


def test_queries_that_no_cache_holds_come_anew_for_every_wave_of_shards() -> None:
    plan = Plan(queries=10_000, references=8_000, gpu_nodes=2, rounds=1, turns=1, search_rows=1000)
    vectors = 10_000 * (768 * 8 * 2 + 1296) * 4 / GB
    one, eight = (stage_of(replace(plan, cache_gb=size), "match") for size in (vectors + 0.1, vectors - 0.1))
    assert one.fetched == stage_of(plan, "match").fetched
    assert eight.fetched - one.fetched == pytest.approx(7 * 0.5 * vectors * GB)
    assert eight.gets > 4 * one.gets
