"""The cost model against sums made by hand, and the tables of docs/cluster.md against the model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.cost_model import Plan, Units, dollars, seconds, shown, stages, table
from tests.clusters.machine_files import ROOT


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
    plan = Plan()
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
        units=Units(shared_gb_s=20),
    )
    assert table(large) in text
