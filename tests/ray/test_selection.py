import json

from ucvgl.distributed.selection import keep, rounds_up_to_kept


def test_the_first_of_the_best_rounds_is_kept_and_later_ones_are_not_looked_at(tmp_path):
    for number in range(4):
        (tmp_path / f"round_{number:02d}").mkdir()
        (tmp_path / f"round_{number:02d}" / "model.pt").touch()
    rounds = [tmp_path / f"round_{number:02d}" for number in range(4)]
    assert rounds_up_to_kept(tmp_path) == rounds
    assert keep(tmp_path, [0.1, 0.7, 0.7, 0.6]) == rounds[1]
    assert rounds_up_to_kept(tmp_path) == rounds[:2]
    assert json.loads((tmp_path / "kept.json").read_text())["judged_recalls"] == [0.1, 0.7, 0.7, 0.6]
