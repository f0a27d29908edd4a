from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ucvgl.settings.dotted import Mistakes, dotted
from ucvgl.settings.experiment import Experiment
from ucvgl.settings.limits import check
from ucvgl.sweep.space import Space, draw, read_space

SPACES = sorted((Path(__file__).parents[2] / "tune_spaces").glob("*.yaml"))


def read(tmp_path: Path, text: str) -> Space:
    path = tmp_path / "space.yaml"
    path.write_text(text)
    return read_space(path, Experiment())


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_every_space_of_the_project_can_be_drawn(path: Path) -> None:
    trials = draw(read_space(path, Experiment()), Experiment())
    assert len(trials) > 2
    for trial in trials:
        assert check(trial.experiment) == []
        assert {name: dotted(trial.experiment)[name] for name in trial.changes} == trial.changes


def test_all_mistakes_are_told_at_once_with_suggestions(tmp_path: Path) -> None:
    with pytest.raises(Mistakes) as told:
        read(
            tmp_path,
            """
            settings:
              curriculum.min_margn: {uniform: [0, 1]}
              curriculum.final_margin: {uniform: [0.2, 0.1]}
              contrast.temperature: {log_uniform: [0, 1]}
              contrast.batch: {grid: [64, 7]}
              curriculum.rounds: {int: [2.5, 4]}
              model.aggregation: {choice: [safa, median]}
              curriculum.mutual: maybe
              resources.workers: {grid: [1, 2]}
            trials: 0
            scheduler: asher
            schedler: asha
            """,
        )
    lines = [line.partition("space.yaml: ")[2] for line in told.value.lines]
    assert lines == [
        "schedler: no such entry; did you mean scheduler?",
        "curriculum.min_margn: no such setting; did you mean curriculum.min_margin?",
        "curriculum.final_margin: uniform needs two numbers, the lower one first, not [0.2, 0.1]",
        "contrast.temperature: log_uniform needs numbers above 0, not [0, 1]",
        "contrast.batch: 7 is not allowed; it must be a multiple of 2 and at least 2",
        "curriculum.rounds: int needs whole numbers, not [2.5, 4]",
        "model.aggregation: 'median' is not one of safa, map, mean; did you mean mean?",
        "curriculum.mutual: 'maybe' is not a way to draw; write one of uniform, log_uniform, int, choice, grid, "
        "as {uniform: [0, 1]}",
        "resources.workers: resources change no result; give them as flags",
        "trials: 0 is not allowed; it must be a whole number from 1 on",
        "scheduler: 'asher' is not one of none, asha, median",
    ]


@pytest.mark.parametrize("text", ["", "- 1", "settings: {}", "trials: 3"])
def test_a_file_without_settings_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Mistakes, match="names no settings; write"):
        read(tmp_path, text)


def test_a_space_of_more_settings_than_there_are_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(Mistakes, match="names 2,000 settings, and there are"):
        read(tmp_path, "settings:\n" + "".join(f"  k{number}: {{int: [1, 2]}}\n" for number in range(2000)))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Mistakes, match=r"absent.yaml cannot be read: .*No such file"):
        read_space(tmp_path / "absent.yaml", Experiment())


def test_a_grid_holds_every_combination_and_draws_are_repeated_for_each() -> None:
    grid = {"curriculum.rounds": ("grid", [2, 3]), "curriculum.mutual": ("grid", [True, False])}
    trials = draw(Space(grid, trials=5), Experiment())
    assert [tuple(trial.changes.values()) for trial in trials] == [(2, True), (2, False), (3, True), (3, False)]
    assert [trial.number for trial in trials] == [0, 1, 2, 3]
    drawn = draw(Space(grid | {"contrast.temperature": ("uniform", [0.05, 0.1])}, trials=5), Experiment())
    assert len(drawn) == 20


def test_a_learning_rate_follows_the_batch_of_a_trial() -> None:
    base = Experiment()
    one, other = draw(Space({"contrast.batch": ("grid", [128, 512])}, trials=1), base)
    assert one.experiment == base
    assert other.experiment.contrast.learning_rate == 2 * base.contrast.learning_rate


@given(st.integers(0, 2**32), st.floats(0.001, 0.1), st.floats(0.2, 1.0), st.integers(1, 3), st.integers(4, 9))
def test_draws_lie_within_their_ends_and_are_the_same_every_time(seed, low, high, few, many) -> None:
    space = Space(
        {
            "contrast.temperature": ("log_uniform", [low, high]),
            "curriculum.rounds": ("int", [few, many]),
            "curriculum.min_margin": ("uniform", [low, high]),
        },
        trials=6,
        seed=seed,
    )
    trials = draw(space, Experiment())
    for trial in trials:
        temperature, rounds, margin = trial.changes.values()
        assert low * 0.999 <= temperature <= high * 1.001
        assert few <= rounds <= many and isinstance(rounds, int)
        assert low * 0.999 <= margin <= high * 1.001
    assert draw(space, Experiment()) == trials


def test_draws_that_contradict_themselves_are_drawn_again() -> None:
    margins = {name: ("uniform", [0.0, 1.0]) for name in ("curriculum.min_margin", "curriculum.final_margin")}
    for trial in draw(Space(margins, trials=30), Experiment()):
        assert trial.changes["curriculum.final_margin"] <= trial.changes["curriculum.min_margin"]


def test_a_space_without_any_allowed_trial_is_refused() -> None:
    impossible = {"curriculum.final_margin": ("grid", [0.5]), "curriculum.min_margin": ("grid", [0.1])}
    with pytest.raises(Mistakes, match="no trial of this space is allowed"):
        draw(Space(impossible), Experiment())


@pytest.mark.parametrize(
    "text",
    [
        "settings: {seed: {int: [0, 9]}}\ntrials: 1000000000",
        "settings:\n" + "\n".join(f"  {name}: {{grid: {list(range(1, 41))}}}" for name in
                                  ("curriculum.rounds", "curriculum.epochs_per_round", "contrast.batch", "seed")),
        "settings: {seed: {uniform: [0, .inf]}}",
        "settings: {seed: {int: [0, 1" + "0" * 300 + "]}}",
    ],
)  # fmt: skip
def test_a_space_without_an_end_is_refused_at_once(text: str, tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(text)
    with pytest.raises(Mistakes):
        read_space(tmp_path / "space.yaml", Experiment())


def test_points_of_a_grid_that_contradict_themselves_are_counted_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grid = {"curriculum.min_margin": ("grid", [0.01, 0.05]), "curriculum.final_margin": ("grid", [0.0, 0.02])}
    assert len(draw(Space(grid), Experiment())) == 3
    assert "1 points contradict themselves and are left out; the first: curriculum.min_margin 0.01" in caplog.text


@pytest.mark.parametrize("value", ["s3://key:s3cr3t@bucket/x", "gs://bucket/x?token=s3cr3t", "s3://", "a\x1b[2J"])
def test_a_value_that_is_refused_by_itself_is_refused_though_no_draw_may_take_it(value: str, tmp_path: Path) -> None:
    text = yaml.safe_dump({"settings": {"dataset.root": {"choice": ["data"] * 50 + [value]}}})
    with pytest.raises(Mistakes) as told:
        read(tmp_path, text)
    assert "dataset.root: " in str(told.value) and "s3cr3t" not in str(told.value)


def test_trials_of_a_space_that_draws_nothing_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(tmp_path, "settings: {seed: {grid: [1, 2]}}\ntrials: 99")
    assert "trials 99: nothing is drawn, and each of 2 grid points is tried once" in caplog.text
