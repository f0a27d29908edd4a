"""The benchmark over the suite of worlds: what it asks of jobs, and what it makes of their files. No job runs here."""

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import worlds
from suite import SUITE

from ucvgl.commands.invocation import resolve
from ucvgl.settings.experiment import Experiment
from ucvgl.settings.limits import changed

RAW = {"colour": 0.05, "edges": 0.04}


@pytest.mark.parametrize("world", SUITE)
def test_a_world_is_settings_that_a_preset_takes(world: str):
    changed(Experiment(), SUITE[world])


@pytest.mark.parametrize("world", [name for name in SUITE if name not in ("b", "flights")])
def test_the_birds_eye_view_of_a_rendered_world_covers_its_tile_and_knows_its_crop(world: str):
    experiment = changed(Experiment(), SUITE[world])
    look, projection = experiment.dataset.synthetic.look, experiment.projection
    covered = 2 * look.camera_height_m * math.tan(math.radians(projection.fov_deg) / 2)
    assert covered == pytest.approx(look.tile_side_m, rel=1e-3)
    photos = experiment.dataset.camera == "photo"  # they are cut from the whole sphere, and used up to 45 degrees
    expected = (45.0, -45.0) if photos else (look.top_elevation_deg, look.bottom_elevation_deg)
    assert (projection.top_elevation_deg, projection.bottom_elevation_deg) == expected


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Every job succeeds at once, and reaches 0.6 by pseudo-labels and 0.8 by true pairs; the commands so far."""
    commands: list[list[str]] = []

    def run(command: list[str]) -> int:
        commands.append(command)
        resolve(command[2:])  # a command that its job would refuse is refused here
        if "--seed=13" in command:
            return 1
        scored = Path(command[command.index("--run") + 1]) / "6_evaluate"
        scored.mkdir(parents=True)
        r1 = 0.8 if command[1] == "jobs/supervised.py" else 0.6
        (scored / "recall.json").write_text(json.dumps({"recall": {"r1": r1}, "raw_pixels": RAW}))
        pq.write_table(pa.table({"name": ["cold", "round_01"], "r1": [0.1, r1]}), scored / "rounds.parquet")
        return 0

    monkeypatch.setattr(worlds, "run_job", run)
    return commands


def arguments(folder: Path, *more: str) -> list[str]:
    return ["--out", str(folder / "worlds.jsonl"), "--runs", str(folder / "runs"), *more]


def test_a_line_is_written_for_each_run_and_a_finished_one_is_not_run_again(tmp_path: Path, jobs: list[list[str]]):
    command = arguments(tmp_path, "--worlds", "medium,winter", "--seeds", "0,1", "--set", "translation.fake=false")
    assert worlds.main(command) == 0
    assert len(jobs) == 8
    assert worlds.main(command) == 0
    assert len(jobs) == 8
    lines = [json.loads(line) for line in (tmp_path / "worlds.jsonl").read_text().splitlines()]
    assert len(lines) == 8
    assert {"date", "commit", "machine", "seconds"} <= set(lines[0])


def test_a_setting_changes_the_method_and_not_what_it_is_compared_with(tmp_path: Path, jobs: list[list[str]]):
    for row in ("true", "false"):
        name = ("--name", row, "--set", f"translation.fake={row}")
        worlds.main(arguments(tmp_path, "--worlds", "winter", "--seeds", "0", *name))
    assert [command[1] for command in jobs] == ["jobs/unsupervised.py", "jobs/supervised.py", "jobs/unsupervised.py"]
    assert ["--translation.fake=true" in command for command in jobs] == [True, False, False]
    assert all("--dataset.synthetic.look.season=winter" in command for command in jobs)


def test_a_failed_job_leaves_no_line_and_the_others_go_on(tmp_path: Path, jobs: list[list[str]], capsys: Any):
    assert worlds.main(arguments(tmp_path, "--worlds", "winter", "--seeds", "13,1")) == 1
    assert "not measured: unsupervised/winter-13, supervised/winter-13" in capsys.readouterr().err
    lines = (tmp_path / "worlds.jsonl").read_text().splitlines()
    assert [json.loads(line)["seed"] for line in lines] == [1, 1]


def test_world_b_is_left_out_where_it_is_absent(tmp_path: Path, jobs: list[list[str]], capsys: Any, monkeypatch: Any):
    monkeypatch.setattr(worlds, "ELSEWHERE", "../nowhere")
    worlds.main(arguments(tmp_path, "--worlds", "b,winter", "--seeds", "0"))
    assert len(jobs) == 2
    assert "world b is not at ../nowhere beside the project, and is left out" in capsys.readouterr().err


def test_the_command_of_every_world_is_one_that_its_job_takes(tmp_path: Path, jobs: list[list[str]]):
    assert worlds.main(arguments(tmp_path, "--seeds", "0", "--set", "translation.fake=false")) == 0
    there = [name for name in SUITE if name != "b" or (worlds.ROOT / worlds.ELSEWHERE).is_dir()]
    assert len(jobs) == 2 * len(there)


def test_an_unknown_world_is_refused_with_those_there_are(capsys: Any):
    with pytest.raises(SystemExit):
        worlds.main(["--worlds", "sumer"])
    assert "no such worlds: sumer; there are easy, medium" in capsys.readouterr().err


def test_the_table_has_the_mean_of_the_seeds_and_the_worst_and_mean_share(capsys: Any):
    def line(world: str, seed: int, r1: float, method: str = "unsupervised") -> dict[str, Any]:
        identity = {"name": method, "method": method, "preset": "synthetic", "world": world, "seed": seed}
        rounds = [{"name": "cold", "r1": 0.1}, {"name": "round_01", "r1": r1}]
        return identity | {"images": {}, "settings": {}, "recall": {"r1": r1}, "raw_pixels": RAW, "rounds": rounds}

    lines = [line("easy", 0, 0.7), line("easy", 1, 0.9), line("hard", 0, 0.2)]
    best = [line("easy", 0, 0.8, "supervised"), line("easy", 1, 0.8, "supervised"), line("hard", 0, 0.8, "supervised")]
    table = worlds.markdown(lines, {worlds._key(some): some for some in lines + best})
    assert (
        "| easy | 2 | 5.0 (5.0 to 5.0) | 10.0 (10.0 to 10.0) | 80.0 (70.0 to 90.0) | 80.0 (80.0 to 80.0) | 1.00 |"
        in table
    )
    assert "| hard | 1 | 5.0 | 10.0 | 20.0 | 80.0 | 0.25 |" in table
    assert "share of supervised: worst 0.25, mean 0.62" in table
