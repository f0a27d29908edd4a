"""A command line becomes one checked experiment: preset < file < flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from ucvgl.commands.invocation import resolve
from ucvgl.images import azure
from ucvgl.settings.dotted import Mistakes, to_yaml
from ucvgl.settings.presets import PRESETS, semi_supervised

STAGES = ["1_catalog", "3_translate"]


def test_no_argument_is_the_demo() -> None:
    invocation = resolve([])
    assert invocation.preset == "synthetic"
    assert invocation.experiment == PRESETS["synthetic"]()
    assert invocation.changed == []
    assert invocation.run == Path("runs/synthetic")
    assert not invocation.dry_run


def test_a_flag_beats_the_file_and_the_file_beats_the_preset(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("curriculum: {min_margin: 0.02, rounds: 2}")
    invocation = resolve(["tiny", "--config", str(config), "--curriculum.min-margin", "0.03"])
    curriculum, preset = invocation.experiment.curriculum, PRESETS["tiny"]().curriculum
    assert (curriculum.min_margin, curriculum.rounds) == (0.03, 2)
    assert curriculum.epochs_per_round == preset.epochs_per_round
    assert invocation.changed == [
        ("curriculum.rounds", preset.rounds, 2),
        ("curriculum.min_margin", preset.min_margin, 0.03),
    ]


def test_a_learning_rate_follows_its_batch_unless_it_is_named(tmp_path: Path) -> None:
    stated = PRESETS["tiny"]().contrast
    assert (stated.batch, stated.learning_rate) == (32, 2e-3)

    def rate(*flags: str) -> float:
        return resolve(["tiny", *flags]).experiment.contrast.learning_rate

    assert rate("--contrast.batch=128") == 4e-3
    assert rate("--contrast.batch=64") == 2.83e-3
    assert rate("--contrast.batch=32") == rate("--adaptation.batch=1024") == 2e-3
    assert rate("--contrast.batch=128", "--contrast.learning-rate=0.001") == 1e-3
    config = tmp_path / "mine.yaml"
    config.write_text("contrast: {batch: 64, learning_rate: 0.001}")
    assert rate("--config", str(config)) == 1e-3
    assert rate("--config", str(config), "--contrast.batch=16") == 5e-4, "the file states it for a batch of 64"
    assert "1 mistake" in str(pytest.raises(Mistakes, rate, "--contrast.batch=-4").value)
    adaptation = resolve(["tiny", "--adaptation.batch=2048"]).experiment.adaptation
    assert adaptation.learning_rate == 2 * PRESETS["tiny"]().adaptation.learning_rate


def test_the_saved_settings_of_a_run_repeat_it(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    experiment = resolve(["tiny", "--curriculum.mutual", "false", "--seed=3"]).experiment
    config.write_text(to_yaml(experiment))
    assert resolve(["--config", str(config)]).experiment == experiment


@pytest.mark.parametrize("words", [["--run", ""], ["--run="]])
def test_an_empty_run_is_not_the_default_one(words: list[str]) -> None:
    with pytest.raises(Mistakes, match="--run is empty; name a folder, or leave it out"):
        resolve(["tiny", *words])


def test_files_and_runs_are_named_from_the_root_on_but_where_ray_has_unpacked_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--model.checkpoint", "w.pt", "--supervision.start=runs/a/", "--adaptation.source", "s3://b/runs/a"]

    def named() -> list[str]:
        found = resolve(["tiny", *words]).experiment
        return [found.model.checkpoint, found.supervision.start, found.adaptation.source]

    assert named() == [f"{tmp_path}/w.pt", f"{tmp_path}/runs/a", "s3://b/runs/a"]
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert named() == ["w.pt", "runs/a/", "s3://b/runs/a"]


def test_flags_take_dashes_or_underscores_and_a_space_or_an_equals_sign() -> None:
    spellings = (["--curriculum.min-margin", "0.03"], ["--curriculum.min_margin=0.03"])
    assert {resolve(flags).experiment.curriculum.min_margin for flags in spellings} == {0.03}


def test_a_negative_number_is_a_value_and_not_a_flag() -> None:
    projection = resolve(["--projection.bottom-elevation-deg", "-30"]).experiment.projection
    assert projection.bottom_elevation_deg == -30


def test_what_to_do_with_the_run_is_read_apart_from_the_settings() -> None:
    flags = "--seed 3 tiny --redo translate --redo 1_catalog --stop-after catalog --dry-run --run runs/mine"
    invocation = resolve(flags.split(), stages=STAGES)
    assert invocation.preset == "tiny" and invocation.experiment.seed == 3
    assert invocation.redo == ("3_translate", "1_catalog")
    assert invocation.stop_after == "1_catalog"
    assert invocation.dry_run and invocation.run == Path("runs/mine")


def test_all_mistakes_of_a_command_are_told_at_once(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("curriculum: {min_margn: 0.03}")
    flags = ["tinny", "--config", str(config), "--curriculum.min-margin=-0.1", "--translation.steps", "many"]
    flags += ["--redo", "translat", "--contrast.batch=5", "--run", "s3://bucket", "--seed"]
    with pytest.raises(Mistakes) as caught:
        resolve(flags, stages=STAGES)
    assert caught.value.lines == [
        "seed: the value is missing; write --seed VALUE",
        f"'tinny' is not a preset; there are {', '.join(PRESETS)}; did you mean tiny?",
        f"{config}: curriculum.min_margn: no such setting; did you mean curriculum.min_margin?",
        "translation.steps: 'many' is not a whole number",
        "contrast.batch: 5 is not allowed; it must be a multiple of 2 and at least 2",
        "curriculum.min_margin: -0.1 is not allowed; it must be at least 0 and at most 2",
        "'translat' is not a stage; there are 1_catalog, 3_translate; did you mean translate?",
        "--run s3://bucket: name a folder below the bucket, as s3://bucket/runs/mine",
    ]


def test_a_run_may_lie_in_a_bucket_and_is_worked_on_in_a_local_folder() -> None:
    invocation = resolve(["--run", "s3://bucket/runs/mine"])
    assert invocation.store == "s3://bucket/runs/mine"
    assert invocation.run == Path("runs/bucket/runs/mine")
    assert resolve(["--run", "runs/mine"]).store is None


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--run", "s3://AKIA:s3cr3t@bucket/a"], r"s3://\*\*\*@bucket/a: a URI with credentials would be"),
        (["--run", "s3://b/../../x"], r"--run s3://b/../../x: write the folder without empty parts, `.` and `..`"),
        (["--run", "~/x"], r"--run ~/x was left as it is by the shell and would be a folder `~`; write /"),
        (["--run", "a\x1b[2J"], r"--run 'a\\x1b\[2J' holds a control character"),
        (["--run", "s3:/b/x"], r"--run s3:/b/x is no URI, and as a folder it would be odd; write scheme://, or ./"),
        (["--run", "\udcff"], r"--run '\\udcff' is not UTF-8; choose another"),
        (["--run", "s3://b/a//x?region=eu"], r"write the folder without empty parts, `.` and `..`"),
        (["--run", "ftp://host/a"], "--run ftp://host/a: a run lies in a local or mounted folder, or in s3:// or gs://"),
        (["--dataset.root", "s3://AKIA:s3cr3t@b/a"], r"dataset.root: s3://\*\*\*@b/a: a URI with credentials would be"),
    ],
)
def test_places_that_cannot_be_are_refused_and_secrets_not_repeated(flags: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        resolve(flags)
    assert "s3cr3t" not in str(caught.value)


def test_a_run_in_azure_needs_azures_client(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = ["--run", "abfs://city@mine.dfs.core.windows.net/runs/a"]
    monkeypatch.setattr(azure, "is_installed", lambda: True)
    resolve(flags)
    monkeypatch.setattr(azure, "is_installed", lambda: False)
    with pytest.raises(Mistakes, match=r"--run abfs://.*pip install 'ucvgl\[azure\]'"):
        resolve(flags)


@pytest.mark.parametrize("word", ["ray://k:s3cr3t@b", "index=gs://b/a?secret_key=s3cr3t", "--config=ray://k:s3cr3t@b"])
def test_a_word_with_credentials_is_refused_before_it_is_repeated(word: str) -> None:
    """Also such as no flag takes, which a library repeats as it is."""
    with pytest.raises(ValueError, match=r"\*\*\*.*: a URI with credentials would be written") as caught:
        resolve(["tiny", "--run", "r", word])
    assert "s3cr3t" not in str(caught.value)


def test_a_config_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Mistakes, match="absent.yaml cannot be read: No such file or directory"):
        resolve(["--config", str(tmp_path / "absent.yaml")])


def test_the_help_shows_every_setting_with_the_presets_value(capsys: pytest.CaptureFixture[str]) -> None:
    channels = PRESETS["tiny"]().model.channels
    assert channels != PRESETS["synthetic"]().model.channels
    with pytest.raises(SystemExit) as stop:
        resolve(["tiny", "--help"])
    assert stop.value.code == 0
    shown = " ".join(capsys.readouterr().out.replace("│", "").split())
    assert "--curriculum.min-margin FLOAT Margin threshold of the first round" in shown
    assert f"--model.channels INT Width of the `strided` backbone's last layer. (default: {channels}" in shown
    assert "--redo STR Make this stage again, and all that was made from it." in shown


def test_what_a_job_makes_of_a_preset_is_where_its_flags_begin(capsys: pytest.CaptureFixture[str]) -> None:
    assert resolve([], recipe=semi_supervised).changed == []
    share = ["--supervision.label-fraction", "0.3"]
    assert resolve(share, recipe=semi_supervised).changed == [("supervision.label_fraction", 0.1, 0.3)]
    with pytest.raises(SystemExit):
        resolve(["--help"], recipe=semi_supervised)
    assert "default: 0.1" in capsys.readouterr().out.partition("--supervision.label-fraction")[2][:300]
