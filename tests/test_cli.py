"""The command says what it can do at once, and every mistake has its sentence and its exit code."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from ucvgl import cli


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "ucvgl.cli", *words], capture_output=True, text=True, env=os.environ)


def test_the_help_takes_less_than_half_a_second_of_cpu_time() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    shown = run("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert shown.returncode == 0
    assert all(f"\n  {name}" in shown.stdout for name in cli.COMMANDS)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


@pytest.mark.parametrize("words", [["--help"], ["index", "--help"], ["localize", "--help"], ["serve", "--help"]])
def test_help_loads_neither_torch_nor_ray(words: list[str]) -> None:
    code = f"""if True:
        import sys
        from ucvgl import cli
        try:
            cli.main({words!r})
        except SystemExit:
            pass
        heavy = {{"torch", "ray", "faiss", "pyarrow", "fastapi", "cv2", "matplotlib"}} & set(sys.modules)
        sys.exit(f"loaded {{heavy}}" if heavy else 0)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_without_a_command_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    assert "localize  photos in; tiles, coordinates and a confidence out" in capsys.readouterr().out
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("ucvgl 0.")


def test_an_unknown_command_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["localise"]) == 2
    assert "'localise' is not a command; there are index, localize," in (told := capsys.readouterr().err)
    assert "did you mean localize?" in told


def test_what_is_wrong_is_said_in_one_line_with_the_commands_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", "nowhere", "--out", "x"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("ucvgl export: nowhere is neither a run") and told.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["index", "run", "tiles", "--out", "x", "--images-per-shard", "0"], "--images-per-shard 0: it must be"),
        (["index", "run", "tiles", "--out", "x", "--workers", "-3"], "--workers -3: it must be at least 0"),
        (["index", "run", "tiles", "--out", "x", "--memory", "nan"], "--memory nan: it must be more than 0 GB"),
        (["evaluate", "run", "--workers", "99999999999"], "--workers 99999999999: it must be at least 0, and at most"),
        (["localize", "a.jpg", "--index", "i", "--parquet", "x", "--workers", "-1"], "--workers -1: it must be at"),
    ],
)
def test_numbers_of_commands_have_the_ranges_of_the_settings_they_stand_for(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    assert capsys.readouterr().err.startswith(f"ucvgl {words[0]}: {says}")


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (["export", "run", "--out", "s3://b/x"], "--out"),
        (["report", "one", "other", "--out", "s3://b/x"], "--out"),
        (["localize", "a.jpg", "--index", "area", "--picture", "s3://b/x"], "--picture"),
    ],
)
def test_a_bucket_is_not_taken_for_a_folder_of_its_name(words: list[str], flag: str, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    assert f"{flag} s3://b/x: this is written on this machine; name a folder here" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("most", ["nan", "-1", "much"])
def test_a_cache_has_a_size(most: str, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("UCVGL_CACHE_GB", most)
    assert cli.main(["cache"]) == 2
    assert f"UCVGL_CACHE_GB={most} is no number of gigabytes" in capsys.readouterr().err


def test_a_reader_that_closes_the_pipe_is_no_error() -> None:
    words = [sys.executable, "-m", "ucvgl.cli", "show", "config"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        told = process.stderr.read()
    assert process.returncode == 0 and b"Traceback" not in told


def test_every_command_has_a_module_or_will_have_one() -> None:
    import importlib.util

    missing = [name for name, (module, _) in cli.COMMANDS.items() if importlib.util.find_spec(module) is None]
    assert missing == []


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["localize", "", "--index", "area"], "the first argument"),
        (["localize", "photo.jpg", "--index", ""], "what follows --index"),
        (["index", "run", "", "--out", "area"], "what follows run"),
        (["index", "run", "tiles", "--out="], "what follows --out"),
        (["serve", "area", "--host", ""], "what follows --host"),
        (["cache", "--clear", ""], "what follows --clear"),
    ],
)
def test_an_empty_word_is_not_the_folder_one_stands_in(
    words: list[str], where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    told = f"ucvgl {words[0]}: {where} is empty, as a shell's variable that is not set; name it, or leave it out\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--out", "~/area"], "--out ~/area was left as it is by the shell"),
        (["--out=~/area"], "--out ~/area was left as it is by the shell"),
        (["--out", "a\x1b[2J"], "--out 'a\\x1b[2J' holds a control character"),
        (["--out", "a\udcff"], "--out 'a\\udcff' is not UTF-8"),
    ],
)
def test_nothing_is_written_under_a_name_that_nobody_means(words, told, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["index", "run", "tiles", *words]) == 2
    assert capsys.readouterr().err.startswith(f"ucvgl index: {told}")


@pytest.mark.parametrize(
    "words",
    [
        ["s3://k:s3cr3t@b/x"], ["index", "run", "index=s3://k:s3cr3t@b/x"], ["index", "run", "--ray://k:s3cr3t@b"],
        ["report", "run", "s3:/k:s3cr3t@b/x"], ["serve", "area", "--no-such=gs://b/x#token=s3cr3t"],
    ],
)  # fmt: skip
def test_credentials_in_a_word_that_no_command_takes_are_not_repeated(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    told = capsys.readouterr()
    assert "s3cr3t" not in told.out + told.err and "***" in told.err


@pytest.mark.parametrize("words", [["a" * 120_000], ["index", "a" * 120_000], ["report", f"--out={'a' * 120_000}"]])
def test_a_word_of_100_000_letters_is_not_repeated(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 2
    assert len(capsys.readouterr().err) < 4_000


@pytest.mark.parametrize("option", ["session_token", "secret%5Fkey", "%73ecret_key", "sig"])
@pytest.mark.parametrize("command", [
    ["export", "URI", "--out", "x"], ["evaluate", "URI"], ["localize", "a.jpg", "--index", "URI"],
])  # fmt: skip
def test_credentials_are_refused_before_a_store_is_asked(
    command: list[str], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([word.replace("URI", f"s3://nowhere/y?{option}=s3cr3t") for word in command]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"ucvgl {command[0]}: s3://nowhere/y?{option}=***: a URI with credentials would be written")
