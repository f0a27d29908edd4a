import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from one_job import ROOT, processes_with, wait_until
from small_runs import agree, agree_on_most_cpus, share_nothing, trial_folder

from ucvgl.distributed.placement import Placement
from ucvgl.distributed.trials import run_trials, trials_at_once
from ucvgl.settings.experiment import Curriculum, Experiment
from ucvgl.sweep import tuning
from ucvgl.sweep.home import Home
from ucvgl.sweep.outcome import Outcome
from ucvgl.sweep.space import Space, draw

MARGINS = {"curriculum.min_margin": ("grid", [0.02, 0.05, 0.6, 0.2])}
BASE = Experiment(curriculum=Curriculum(rounds=4))


def sweep(folder, work=agree, **how) -> list[Outcome]:
    space = Space(MARGINS, **how)
    return run_trials(draw(space, BASE), Home(str(folder)), work, share_nothing, space)


def built(folder, number: int) -> int:
    file = trial_folder(folder, number) / "built"
    return len(file.read_text()) if file.exists() else 0


def test_every_trial_is_a_run_and_one_that_fails_does_not_stop_the_others(cluster, tmp_path):
    outcomes = sweep(tmp_path)
    assert [outcome.number for outcome in outcomes] == [0, 1, 2, 3]
    assert [outcome.finished for outcome in outcomes] == [True, True, False, True]
    assert [outcome.judged for outcome in outcomes[:2]] == [pytest.approx(0.87), pytest.approx(0.9)]
    assert math.isnan(outcomes[2].judged)
    assert outcomes[2].error.endswith("curriculum.min_margin 0.6 leaves no label")
    assert not (trial_folder(tmp_path, 2) / "tried_again").exists(), "a mistake is not tried again"
    # The same sweep again does no finished trial a second time.
    again = sweep(tmp_path)
    assert [outcome.judged for outcome in again[:2]] == [outcome.judged for outcome in outcomes[:2]]
    assert [built(tmp_path, number) for number in range(4)] == [1, 1, 0, 1]


def test_a_trial_whose_workers_died_is_tried_again(cluster, tmp_path):
    space = Space({"curriculum.min_margin": ("grid", [0.31])})
    (outcome,) = run_trials(draw(space, BASE), Home(str(tmp_path)), agree, share_nothing, space)
    assert outcome.finished and outcome.error == "" and outcome.judged == pytest.approx(0.64)
    assert (trial_folder(tmp_path, 0) / "tried_again").exists()


def test_trials_that_fall_behind_are_stopped_early(cluster, tmp_path):
    outcomes = sweep(tmp_path, scheduler="asha", patience_rounds=1)
    assert outcomes[1].finished and outcomes[1].judged == pytest.approx(0.9)
    assert not outcomes[3].finished and not outcomes[3].error
    assert 1 <= outcomes[3].rounds < 4


def test_a_trial_that_was_stopped_leaves_its_cpus_to_the_next(cluster, tmp_path):
    outcomes = sweep(tmp_path, agree_on_most_cpus, scheduler="asha", patience_rounds=1)
    assert [outcome.rounds for outcome in outcomes] == [4, 4, 0, 1]


SMALL = """
settings:
  curriculum.min_margin: {grid: [0.1, 0.05, 0.6, 0.3]}
scheduler: asha
patience_rounds: 1
"""


def test_a_sweep_that_was_killed_ends_as_an_undisturbed_one(cluster, tmp_path, monkeypatch, request):
    """The killed one has a Ray of its own; what goes on with it, and the undisturbed one, have that of all tests."""
    monkeypatch.chdir(tmp_path)
    Path("space.yaml").write_text(SMALL)
    ray = Path(tempfile.mkdtemp(prefix="ucvgl"))  # short: Ray puts sockets there
    request.addfinalizer(lambda: shutil.rmtree(ray, ignore_errors=True))
    # With so many CPUs for images there is room for one trial at a time, in either Ray, so their order is known.
    words = ["space.yaml", "tiny", "--curriculum.rounds", "4", "--resources.workers=1", "--resources.image-cpus=6"]

    def finish(name: str) -> None:
        ended = tuning.main([*words, "--run", name], agree, run_trials=run_trials, connect=lambda resources: None)
        assert ended == 0

    mine = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    paths = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    with Path("printed").open("w") as printed:
        killed = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("small_sweep.py")), *words, "--run", "killed"],
            env=mine | {"PYTHONPATH": paths, "RAY_TMPDIR": str(ray), "RAY_AUTH_MODE": "disabled"},
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
    wait_until(lambda: killed.poll() is not None or built(tmp_path / "killed", 1) == 1)
    ended = killed.poll() is not None
    killed.kill()
    killed.wait()
    assert not ended, f"it ended before the moment to kill it\n{Path('printed').read_text()}"
    finish("killed")
    finish("undisturbed")
    results = [json.loads((tmp_path / name / "results.json").read_text()) for name in ("undisturbed", "killed")]
    assert results[0] == results[1]
    assert [row["rounds"] for row in results[0]] == [4, 4, 0, 1]
    assert built(tmp_path / "killed", 0) == 1, "a finished trial was done again"
    best = [(tmp_path / name / "best.yaml").read_text() for name in ("undisturbed", "killed")]
    assert best[0] == best[1] and "min_margin: 0.05" in best[0]
    wait_until(lambda: not processes_with(f"RAY_TMPDIR={ray}"))


def test_as_many_trials_run_at_once_as_their_workers_fit():
    on_cpus, on_gpus = Placement(2, 2, 0, 5), Placement(2, 4, 1, 5)
    assert trials_at_once(on_cpus, {"CPU": 16}) == 3
    assert trials_at_once(on_cpus, {"CPU": 2}) == 1
    assert trials_at_once(on_gpus, {"CPU": 64, "GPU": 4}) == 2
    assert trials_at_once(on_gpus, {"CPU": 64, "GPU": 4, "TPU": 1}) == 2
