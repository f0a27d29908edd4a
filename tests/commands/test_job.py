"""Every way in which a job can end has its word and its exit code."""

from __future__ import annotations

import errno
import logging
import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ucvgl.commands import job
from ucvgl.commands.invocation import resolve
from ucvgl.methods.plan import unsupervised
from ucvgl.run.prospects import Stage
from ucvgl.run.run_dir import RunDir
from ucvgl.settings.experiment import Experiment, Resources
from ucvgl.settings.presets import semi_supervised

Work = Callable[[RunDir, Experiment], str]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    interrupt = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, interrupt)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def plan(experiment: Experiment) -> list[Stage]:
    return [Stage("1_a", {"seed": experiment.seed}), Stage("2_b", {}, ["1_a"])]


def working(build: Callable[[Path], None] = lambda folder: None) -> Work:
    def work(run: RunDir, experiment: Experiment) -> str:
        for stage in plan(experiment):
            run.make(stage.name, build, settings=stage.settings, inputs=stage.inputs)
        return "R@1 0.5"

    return work


def raising(error: BaseException) -> Work:
    def fail(folder: Path) -> None:
        raise error

    return working(fail)


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., int]:
    def connect(resources: Resources) -> str:
        return "local Ray, 2 CPUs"

    def start(work: Work, argv: Sequence[str] = (), connect: Callable[[Resources], str] = connect) -> int:
        return job.main([*argv, "--run", str(tmp_path / "run")], work, plan=plan, connect=connect)

    return start


def test_the_result_is_the_last_line(start: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert start(working()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ucvgl ")
    assert lines[1] == "settings: preset synthetic, unchanged"
    assert lines[2].startswith("cluster:  local Ray, 2 CPUs; ray ")
    assert lines[3:] == ["plan:", "  1_a  run", "  2_b  run", "R@1 0.5"]


def test_the_second_time_all_is_reused(start: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    start(working())
    capsys.readouterr()
    assert start(raising(AssertionError("built again"))) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == ["  1_a  reused", "  2_b  reused", "R@1 0.5"]


def test_a_dry_run_shows_the_plan_and_touches_nothing(
    start: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def connect(resources: Resources) -> str:
        raise AssertionError("a dry run starts no cluster")

    assert start(working(), ["--dry-run", "--seed", "3"], connect) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[1:3] == ["settings: preset synthetic, with", "  seed: 0 -> 3"]
    assert shown[-3:] == ["  1_a  run", "  2_b  run", "dry run: nothing was done"]
    assert list(tmp_path.iterdir()) == []


def test_mistakes_in_the_settings_end_it_before_a_cluster_starts(
    start: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    def connect(resources: Resources) -> str:
        raise AssertionError("too early")

    assert start(working(), ["--seeed", "3", "--contrast.batch", "0"], connect) == 2
    told = capsys.readouterr().err
    assert "2 mistakes in the settings" in told and "seeed: no such setting; did you mean seed?" in told


def test_other_settings_are_refused_before_a_cluster_starts(
    start: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    def connect(resources: Resources) -> str:
        raise AssertionError("too early")

    start(working())
    assert start(working(), ["--seed", "3"], connect) == 2
    told = capsys.readouterr()
    assert "1_a was made with other settings (seed: 0 -> 3)" in told.err
    assert "2_b was" not in told.err, "--redo 1_a remakes it as well, so it is no second cause"
    assert "  1_a  refused" in told.out
    assert start(working(), ["--seed", "3", "--redo", "a"]) == 0


def test_a_failing_stage_is_named_and_the_traceback_kept(
    start: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert start(raising(ValueError("17 of 20 images cannot be read"))) == 1
    told = capsys.readouterr().err
    assert "stage 1_a failed: 17 of 20 images cannot be read. The same command resumes it" in told
    assert "Traceback" not in told
    assert "Traceback" in (tmp_path / "run" / "failure.txt").read_text()


@pytest.mark.parametrize("more", [[], ["--stop-after", "a"]])
def test_a_failure_is_forgotten_when_the_same_run_has_gone_well(
    more: list[str], start: Callable[..., int], tmp_path: Path
) -> None:
    assert start(raising(ValueError("17 of 20 images cannot be read"))) == 1
    assert start(working(), ["--dry-run"]) == 0
    assert (tmp_path / "run" / "failure.txt").exists(), "nothing has gone well yet"
    assert start(working(), more) == 0
    assert not (tmp_path / "run" / "failure.txt").exists()


def test_a_failure_that_is_no_sentence_for_users_shows_its_traceback(
    start: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert start(raising(KeyError("vector"))) == 1
    told = capsys.readouterr().err
    assert "Traceback" in told and told.splitlines()[-1].endswith(
        f"kept in {told.split('kept in ')[1].strip()}"
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(0)], ids=["Ctrl-C", "Ray's way to end"])
def test_an_interruption_ends_with_130_and_without_a_traceback(
    start: Callable[..., int], capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    assert start(raising(error)) == 130
    told = capsys.readouterr().err
    assert "interrupted in stage 1_a. The same command resumes it; finished work is kept in" in told
    assert "Traceback" not in told


def test_a_cluster_that_stops_the_job_gets_143(start: Callable[..., int]) -> None:
    assert start(working(lambda folder: os.kill(os.getpid(), signal.SIGTERM))) == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_job_can_stop_after_a_stage_and_go_on_later(
    start: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert start(working(), ["--stop-after", "a"]) == 0
    assert "stopped after 1_a, as asked" in capsys.readouterr().out
    assert start(working()) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == ["  1_a  reused", "  2_b  run", "R@1 0.5"]


def test_a_cluster_too_small_is_told_without_a_traceback(
    start: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    def connect(resources: Resources) -> str:
        raise ValueError("resources ask for 9 CPUs but the cluster has 2")

    assert start(working(), (), connect) == 2
    told = capsys.readouterr().err
    assert "resources ask for 9 CPUs but the cluster has 2" in told and "Traceback" not in told


def test_a_run_in_a_bucket_goes_on_from_an_empty_folder(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(folder: Path) -> None:
        (folder / "result").write_text("made")

    def main(work: Work, *flags: str) -> int:
        return job.main(["--run", f"s3://{bucket}/runs/a", *flags], work, plan=plan, connect=lambda resources: "Ray")

    for machine, work, flags in (
        ("one", working(build), ["--stop-after", "a"]),
        ("two", working(build), []),
        ("three", raising(AssertionError("built again")), []),
    ):
        (tmp_path / machine).mkdir()
        monkeypatch.chdir(tmp_path / machine)
        assert main(work, "--dry-run") == 0
        assert list((tmp_path / machine).iterdir()) == []
        assert main(work, *flags) == 0
    dry, real = capsys.readouterr().out.split("1_a  reused")[-2:]
    assert "2_b  reused" in dry and "2_b  reused" in real
    assert (tmp_path / "three" / "runs" / bucket / "runs" / "a" / "2_b" / "result").read_text() == "made"


def test_a_run_is_locked_on_its_machine_before_its_store_is_asked(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ["--run", f"s3://{bucket}/runs/a"]
    with RunDir(tmp_path / "runs" / bucket / "runs" / "a", Experiment()):
        assert job.main(flags, working(), plan=plan, connect=lambda resources: "Ray") == 2
    assert "is at work in" in capsys.readouterr().err


def test_a_job_that_uses_labels_says_so_before_anything_else_happens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(work: Work, *argv: str) -> int:
        how = {"plan": plan, "connect": lambda resources: "Ray", "recipe": semi_supervised}
        return job.main([*argv, "--dry-run", "--run", str(tmp_path / "run")], work, **how)

    said = "labels:   of the training queries with a known tile, 10 % come with it: this run uses labels"
    assert run(working()) == 0
    assert said in capsys.readouterr().out.splitlines()
    assert run(working(), "--supervision.label-fraction", "0") == 0
    assert "labels:" not in capsys.readouterr().out


def test_labels_are_refused_by_a_plan_that_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    def connect(resources: Resources) -> str:
        raise AssertionError("too early")

    argv = ["--supervision.label-fraction", "0.5", "--run", "nowhere"]
    assert job.main(argv, working(), plan=unsupervised, connect=connect) == 2
    assert "supervision.label_fraction: 0.5, but jobs/unsupervised.py does not use it" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["a file", "below a file", "too long"])
def test_a_run_folder_that_cannot_be_is_told_in_one_sentence(
    where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    run = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "run", "too long": tmp_path / ("x" * 300)}
    how = {"plan": plan, "connect": lambda resources: "Ray"}
    assert job.main(["--run", str(run[where])], working(), **how) == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told and str(run[where])[:200] in told and told.count("\n") == 1


def test_a_full_disk_is_one_sentence_and_not_three_errors(
    start: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/runs/a/part-0.arrow")
    assert start(raising(full)) == 1
    told = capsys.readouterr().err
    assert "stage 1_a failed: /runs/a/part-0.arrow: no space left on device; make room there" in told
    assert "Traceback" not in told


def test_a_data_set_that_is_not_there_is_told_before_any_ray_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def connect(resources: Resources) -> str:
        raise AssertionError("too early")

    argv = ["folder", "--dataset.root", str(tmp_path / "gone"), "--run", str(tmp_path / "run")]
    for more in ([], ["--dry-run"]):
        assert job.main([*argv, *more], working(), plan=unsupervised, connect=connect) == 2
        assert "dataset.root: " in (said := capsys.readouterr().err) and "gone is no folder on this machine" in said


def test_images_that_were_listed_and_moved_since_are_told_before_any_ray_starts(tmp_path: Path, capsys) -> None:
    argv = ["folder", "--model.pretrained", "false", "--dataset.root", str(tmp_path / "gone")]
    experiment = resolve(argv).experiment
    with RunDir(tmp_path / "run", experiment) as run:
        catalog = unsupervised(experiment)[0]
        run.make(catalog.name, lambda folder: {"root": str(tmp_path / "gone")}, settings=catalog.settings)
    argv += ["--run", str(tmp_path / "run"), "--dry-run"]
    assert job.main(argv, working(), plan=unsupervised, connect=refuse_to_connect) == 2
    assert f"dataset.root: {tmp_path}/gone is no folder on this machine" in capsys.readouterr().err


@pytest.mark.parametrize(("made", "words"), [
    (["vigor:a/"], "data has none of the folders of vigor: "),
    ([], "data is empty; name the folder that holds the images"),
    (["satellite/"], "data has no folder panorama, ground or query"),
    (["panorama/", "satellite"], "data has no folder satellite, tile or reference"),
    (["panorama/", "satellite/", "train/panorama/", "train/satellite/"], "`panorama` with images beside `train`"),
])  # fmt: skip
def test_a_dry_run_tells_of_a_root_that_holds_no_data_set(made, words, tmp_path: Path, capsys, caplog) -> None:
    data = tmp_path / "data"
    data.mkdir()
    preset, made = ("vigor", ["a/"]) if made == ["vigor:a/"] else ("folder", made)
    for name in made:
        (data / name).mkdir(parents=True) if name.endswith("/") else (data / name).touch()
    argv = [preset, "--dry-run", "--dataset.root", str(data), "--run", str(tmp_path / "run")]
    assert job.main(argv, working(), plan=unsupervised, connect=refuse_to_connect) == 2
    assert "dataset.root: " in (said := caplog.text + capsys.readouterr().err) and words in said


@pytest.mark.parametrize("whose", ["somebody else", "another process"])
def test_a_job_that_is_refused_leaves_no_trace_in_the_folder(whose: str, tmp_path: Path) -> None:
    run, mine = tmp_path / "run", "my notes"
    run.mkdir()
    (run / "failure.txt").write_text(mine)
    how = {"plan": plan, "connect": lambda resources: "Ray"}
    if whose == "somebody else":
        assert job.main(["--run", str(run)], working(), **how) == 2
    else:
        (run / ".owner").write_text("")
        with RunDir(run, Experiment()):
            assert job.main(["--run", str(run)], working(), **how) == 2
    assert (run / "failure.txt").read_text() == mine


@pytest.mark.parametrize(("flags", "words"), [
    (["--dataset.tile-size", "30000"], "contrast.batch: the pixels of a batch take at least [0-9.]+ GB of memory"),
    (["--dataset.synthetic.train-places", "1000000000"],
     "dataset.synthetic: the images take at least [0-9,]+ GB in .*, where .* [GM]B are free"),
    (["--translation.channels", "90000"], "translation.channels: what is trained with it takes at least [0-9,]+ GB"),
    (["--model.safa-heads", "100000", "--model.channels", "90000"], "model.safa_heads: what is trained with it takes"),
    (["--dataset.tile-size", "6400"], "model.safa_heads: what is trained with it takes at least [0-9,]+ GB"),
])  # fmt: skip
def test_sizes_that_no_machine_has_are_told_with_what_they_need(flags, words, tmp_path, caplog, capsys) -> None:
    for more in ([], ["--dry-run"]):
        argv = ["tiny", *flags, *more, "--run", str(tmp_path / "run")]
        assert job.main(argv, working(), plan=unsupervised, connect=refuse_to_connect) == 2
        assert re.search(words, caplog.text) or re.search(words, capsys.readouterr().err)
        caplog.clear()


@pytest.mark.parametrize("what", ["link", "pipe", "foreign", "free"])
def test_a_dry_run_refuses_the_folder_that_the_job_would_and_touches_nothing(what, tmp_path, capsys, caplog) -> None:
    run = tmp_path / "run"
    run.mkdir()
    if what == "foreign":
        (run / "mine.txt").write_text("x")
    elif what != "free":
        (run / ".lock").touch()
        (run / "failure.txt").symlink_to("mine.txt") if what == "link" else os.mkfifo(run / "config.yaml")
    before = run.stat().st_mtime_ns
    code = job.main(["tiny", "--dry-run", "--run", str(run)], working(), plan=unsupervised, connect=refuse_to_connect)
    words = {"link": "is a link to", "pipe": "is a pipe,", "foreign": "is not a run; name another folder", "free": ""}
    assert words[what] in caplog.text + capsys.readouterr().err
    assert (code == 0) == (what == "free") and run.stat().st_mtime_ns == before


def test_a_batch_that_is_too_large_for_this_machine_is_a_clusters_own_affair(tmp_path) -> None:
    for view in ("panorama", "satellite"):
        (tmp_path / view).mkdir()
    found = ["--dataset.name", "folder", "--dataset.root", str(tmp_path)]
    argv = ["tiny", *found, "--dataset.tile-size", "30000", "--resources.address", "10.0.0.1:6379", "--dry-run"]
    argv += ["--run", str(tmp_path / "run")]
    assert job.main(argv, working(), plan=unsupervised, connect=refuse_to_connect) == 0


@pytest.mark.parametrize("where", ["/proc/x", "/sys/a/b"])
def test_a_dry_run_says_where_nothing_can_be_written(where, caplog, capsys) -> None:
    assert job.main(["--dry-run", "--run", where], working(), plan=plan, connect=refuse_to_connect) == 2
    told = caplog.text + capsys.readouterr().err
    assert f"--run {where}: it cannot be written (" in told and "; name another folder" in told


def test_a_clusters_address_tells_no_secret(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://me:s3cr3t@10.0.0.1:10001")
    argv = ["--dry-run", "--run", str(tmp_path / "run")]
    assert job.main(argv, working(), plan=plan, connect=refuse_to_connect) == 0
    assert "s3cr3t" not in capsys.readouterr().out


def refuse_to_connect(resources: Resources) -> str:
    raise AssertionError("a dry run starts no cluster")
