import math
from pathlib import Path

import pytest

from ucvgl.run.run_dir import RunDir
from ucvgl.settings.experiment import Curriculum, Experiment
from ucvgl.sweep.home import Home
from ucvgl.sweep.outcome import Outcome, judged_of_rounds, outcome_of
from ucvgl.sweep.space import Trial

TRIAL = Trial(3, {}, Experiment(curriculum=Curriculum(rounds=5)))


def test_a_trial_is_what_its_folder_says(tmp_path: Path) -> None:
    sweep = Home(str(tmp_path))
    folder = sweep.trial(3).folder
    nothing = outcome_of(sweep, TRIAL)
    assert (nothing.rounds, nothing.error, nothing.finished) == (0, "", False) and math.isnan(nothing.judged)
    with RunDir(folder, TRIAL.experiment) as run:
        for step, judged in [(0, 0.1), (1, 0.0), (2, 0.3), (2, 0.4)]:
            run.log(stage="curriculum", step=step, judged=judged)
        run.log(stage="round_02", step=7, loss=1.0)
        assert judged_of_rounds(folder) == {1: 0.0, 2: 0.4}, "the cold start is no round"
        assert outcome_of(sweep, TRIAL) == Outcome(3, 0.4, 2, "", False)
        (folder / "failure.txt").write_text("Traceback\n  File\nValueError: no label.\n")
        assert outcome_of(sweep, TRIAL) == Outcome(3, 0.4, 2, "ValueError: no label", False)
        run.make("6_evaluate", lambda folder: {"judged": 0.6}, settings={})
    assert outcome_of(sweep, TRIAL) == Outcome(3, 0.6, 5, "", True), "what failed before does not count"


def test_what_a_trial_cannot_have_written_is_no_number_of_its(tmp_path: Path) -> None:
    sweep = Home(str(tmp_path))
    folder = sweep.trial(3).folder
    with RunDir(folder, TRIAL.experiment) as run:
        run.log(stage="curriculum", step=1, judged=0.2)
        lines = ('{"judged": 0.5}', '{"judged": "much", "step": 2}', '{"judged": 0.5, "step": "last"}', "\0\0")
        with (folder / "metrics.jsonl").open("a") as file:
            file.write("\n".join(lines))
        (folder / "failure.txt").write_bytes(b"Traceback\n\xff: no label")
        assert outcome_of(sweep, TRIAL) == Outcome(3, 0.2, 1, "\ufffd: no label", False)
        run.make("6_evaluate", lambda folder: {"judged": ["much"]}, settings={})
    with pytest.raises(ValueError, match=r"evaluate/DONE.json is damaged: \['much'\] is no number; remove .*003, and"):
        outcome_of(sweep, TRIAL)
