import json

import pytest

from ucvgl.distributed.selection import keep, rounds_up_to_kept, worn_out


@pytest.mark.parametrize(
    ("recalls", "patience", "stops"),
    [
        ([0.5, 0.4, 0.3], 0, False),
        ([0.5, 0.4, 0.5], 2, True),
        ([0.5, 0.4, 0.51], 2, False),
        ([0.5, 0.4], 2, False),
        ([0.5], 1, False),
        ([0.5, 0.5], 1, True),
    ],
)
def test_training_stops_when_no_round_was_better_for_a_while(recalls, patience, stops):
    assert worn_out(recalls, patience) is stops


def test_the_first_of_the_best_rounds_is_kept_and_later_ones_are_not_looked_at(tmp_path):
    for number in range(4):
        (tmp_path / f"round_{number:02d}").mkdir()
        (tmp_path / f"round_{number:02d}" / "model.pt").touch()
    rounds = [tmp_path / f"round_{number:02d}" for number in range(4)]
    assert rounds_up_to_kept(tmp_path) == rounds
    assert keep(tmp_path, [0.1, 0.7, 0.7, 0.6]) == rounds[1]
    assert rounds_up_to_kept(tmp_path) == rounds[:2]
    assert json.loads((tmp_path / "kept.json").read_text())["judged_recalls"] == [0.1, 0.7, 0.7, 0.6]
