import math

import pytest
from small_runs import agree, link_nothing

from ucvgl.config import Curriculum, Experiment, Resources
from ucvgl.distributed.sweep import Outcome, run_trials, trial_folder, trials_at_once
from ucvgl.sweep.space import Space, draw

MARGINS = {"curriculum.min_margin": ("grid", [0.02, 0.05, 0.6, 0.2])}
BASE = Experiment(curriculum=Curriculum(rounds=4))


def sweep(folder, **how) -> list[Outcome]:
    space = Space(MARGINS, **how)
    return run_trials(draw(space, BASE), folder, agree, link_nothing, space)


def built(folder, number: int) -> int:
    file = trial_folder(folder, number) / "built"
    return len(file.read_text()) if file.exists() else 0


def test_every_trial_is_a_run_and_one_that_fails_does_not_stop_the_others(cluster, tmp_path):
    outcomes = sweep(tmp_path)
    assert [outcome.number for outcome in outcomes] == [0, 1, 2, 3]
    assert [outcome.finished for outcome in outcomes] == [True, True, False, True]
    assert [outcome.agreement for outcome in outcomes[:2]] == [pytest.approx(0.87), pytest.approx(0.9)]
    assert math.isnan(outcomes[2].agreement)
    assert outcomes[2].error.endswith("curriculum.min_margin 0.6 leaves no label")
    # The same sweep again does no finished trial a second time.
    again = sweep(tmp_path)
    assert [outcome.agreement for outcome in again[:2]] == [outcome.agreement for outcome in outcomes[:2]]
    assert [built(tmp_path, number) for number in range(4)] == [1, 1, 0, 1]


def test_trials_that_fall_behind_are_stopped_early(cluster, tmp_path):
    outcomes = sweep(tmp_path, scheduler="asha", patience_rounds=1)
    assert outcomes[1].finished and outcomes[1].agreement == pytest.approx(0.9)
    assert not outcomes[3].finished and not outcomes[3].error
    assert 1 <= outcomes[3].rounds < 4


def test_as_many_trials_run_at_once_as_their_workers_fit():
    needs_five = Resources(train_workers=1, train_cpus=2, model_workers=1, search_workers=1)
    assert trials_at_once(needs_five, {"CPU": 16}) == 3
    assert trials_at_once(needs_five, {"CPU": 2}) == 1
    assert trials_at_once(needs_five, {"CPU": 64, "GPU": 2}) == 2
    assert trials_at_once(needs_five, {"CPU": 64, "GPU": 2, "TPU": 1}) == 2
