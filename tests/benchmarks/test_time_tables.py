"""When R@1 reached a level, from what runs said."""

import json

import pytest
import time_tables

LOG = [
    {"stage": "translate", "cpu_seconds": 5},
    {"stage": "cold_start_intra", "step": 3, "cpu_seconds": 8},
    {"stage": "cold_start_intra", "step": 9, "cpu_seconds": 20},
    {"stage": "curriculum", "step": 0, "cpu_seconds": 26},
    {"stage": "round_00", "step": 4, "cpu_seconds": 30},
    {"stage": "curriculum", "step": 1, "cpu_seconds": 37},
    {"stage": "round_01", "step": 4, "cpu_seconds": 41},
]


def line(row: str, seed: int, *r1: float, spent: dict[str, float]) -> dict:
    names = ["cold", *(f"round_{number:02d}" for number in range(len(r1) - 1))]
    rounds = [{"name": name, "r1": reached} for name, reached in zip(names, r1, strict=True)]
    return {"row": row, "world": "b", "seed": seed, "r1": r1[-1], "spent": spent, "rounds": rounds}


def test_a_stage_ends_with_the_last_that_it_said_and_a_round_is_a_scan_and_a_training():
    found = time_tables.spent(LOG)
    assert found == {
        "translate": 5, "cold_start_intra": 20, "scan_00": 26, "round_00": 30, "scan_01": 37, "round_01": 41,
    }  # fmt: skip
    assert [*time_tables.spent([*LOG[:5], {**LOG[2], "cpu_seconds": 33}, *LOG[5:]])][-3] == "cold_start_intra"


@pytest.mark.parametrize(("level", "seconds"), [(0.1, 20), (0.3, 30), (0.5, 41), (0.9, None)])
def test_a_level_is_reached_at_the_end_of_the_first_round_that_has_it(level, seconds):
    reached = line("default", 0, 0.2, 0.4, 0.5, spent=time_tables.spent(LOG))
    assert time_tables.seconds_to(reached, level) == seconds


def test_a_table_has_the_median_of_the_seeds_and_says_what_was_not_reached_and_what_stopped(tmp_path):
    spent = time_tables.spent(LOG)
    slow = {name: 10 * seconds for name, seconds in spent.items()}
    lines = [line("default", seed, 0.2, 0.65, 0.9, spent=times) for seed, times in enumerate((spent, spent, slow))]
    lines += [line("paper", seed, 0.2, 0.45, spent=spent) | {"stopped": "too few labels"} for seed in range(2)]
    file = tmp_path / "times.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in lines))
    rows = [row.strip("| ").split(" | ") for row in time_tables.time_to_recall(str(file)).splitlines()]
    assert rows[2] == ["b", "`default`", "3", "30", "30", "41", "41", "41", "90.0 after 41"]
    assert rows[3] == ["b", "`paper`", "2", "30", "-", "-", "-", "-", "45.0 after 41, stopped"]
    stages = time_tables.time_by_stage(str(file)).splitlines()
    assert stages[2] == "| b | `default` | 0 | 5 | 15 | 13 | 8 | 41 |"
