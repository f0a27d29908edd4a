"""Every way in which a program can end: a sentence for what can be mended, a traceback for a bug."""

from __future__ import annotations

import errno
import gc
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ucvgl.run.ending import Failure, Imports, Interrupted, at_work_on, ended, sentence, uninterrupted

JOBS = Path(__file__).parents[2] / "jobs"


class NodeDiedError(RuntimeError):
    """As Ray has it."""


def told(error: BaseException) -> tuple[int, str]:
    said: list[str] = []

    def program() -> None:
        raise error

    return ended(program, said.append), "\n".join(said)


@pytest.fixture(autouse=True)
def restored():
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("number", "way_out"),
    [(errno.ENOSPC, "make room there"), (errno.EROFS, "may be written"), (errno.EACCES, "change its rights"),
     (errno.ENAMETOOLONG, "shorter name"), (errno.ENOTDIR, "move it away"), (errno.EMFILE, "ulimit -n"),
     (errno.ENOENT, "check the path"), (errno.ENXIO, "check the path")],
)  # fmt: skip
def test_an_error_of_the_machine_is_one_sentence_with_the_path_and_the_way_out(
    number: int, way_out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = told(OSError(number, os.strerror(number), "/data/run"))
    assert code == 2 and said.startswith("/data/run: ") and way_out in said and "\n" not in said
    assert capsys.readouterr().err == ""


def test_a_terminal_that_cannot_show_a_name_is_told_with_the_way_out() -> None:
    code, said = told(UnicodeEncodeError("ascii", "caf\u00e9.jpg", 3, 4, "ordinal not in range(128)"))
    assert code == 2 and said.startswith(r"'\xe9' cannot be written as ascii") and "PYTHONIOENCODING=utf-8" in said


def test_a_bug_of_ours_shows_its_traceback_and_says_that_it_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = told(KeyError("vector"))
    assert code == 1 and "KeyError: 'vector'; this is a bug of ucvgl" in said
    assert "Traceback" in capsys.readouterr().err


def test_work_that_failed_shows_a_traceback_only_where_its_cause_is_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    for cause, traces in ((OSError(errno.ENOSPC, "No space left on device"), False), (KeyError("x"), True)):
        failure = Failure("stage 1_a failed")
        failure.__cause__ = cause
        assert told(failure) == (1, "stage 1_a failed")
        assert ("KeyError" in capsys.readouterr().err) is traces


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("[enforce fail] . PytorchStreamWriter failed writing file data/7"), "disk is full"),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598"), "disk is full"),
        (OSError("100000 requested and 28144 written"), "disk is full"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("could not create a primitive"), "not enough memory"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "ulimit -v"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (NodeDiedError("Task failed as its node died"), "a process of Ray was lost, or its machine (Ray calls it Node"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "the GPU ran out of memory"),
    ],
)  # fmt: skip
def test_what_libraries_say_of_a_machine_is_told_in_plain_words(error: Exception, words: str) -> None:
    assert words in (sentence(error) or "")
    assert sentence(RuntimeError("shapes differ")) is None


@pytest.mark.parametrize("kilobytes", [300_000, 450_000, 500_000])
def test_too_little_memory_for_the_imports_of_a_job_is_one_sentence(kilobytes: int) -> None:
    limited = f"ulimit -v {kilobytes}; exec {sys.executable} {JOBS / 'unsupervised.py'} --help"
    home = os.environ | {"PYTHONPATH": str(JOBS.parent)}
    ended = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, env=home)
    assert "more (ulimit -v unlimited)" in ended.stderr
    assert "Traceback" not in ended.stderr and ended.returncode == 2


def test_every_job_imports_where_too_little_memory_is_told() -> None:
    for job in JOBS.glob("*.py"):
        bare = [line for line in job.read_text().splitlines() if line.startswith("from ucvgl")]
        assert len(bare) == 1 and re.match(r"from ucvgl(\.run\.ending import Imports| import cli)", bare[0]), job


def test_a_folder_that_was_deleted_under_a_program_is_told_before_its_imports(tmp_path: Path) -> None:
    code = "import os, sys\nos.rmdir(os.getcwd())\n"
    code += "from ucvgl.run.ending import Imports\nfrom ucvgl import cli\ncli.main(['show', 'presets'])\n"
    code += "with Imports():\n    print('imported')\n"
    where = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(JOBS.parent)}}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, **where)
    told = "the folder one stands in cannot be used (No such file or directory); change to another (cd)"
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.splitlines() == [f"ucvgl show: {told}", told]


def test_an_error_says_what_was_being_worked_on() -> None:
    with pytest.raises(OSError) as caught, at_work_on("city/a.jpg"):
        raise OSError(errno.EIO, "Input/output error")
    assert "(at work on city/a.jpg)" in (sentence(caught.value) or "")


def test_an_error_that_names_its_image_does_not_name_it_twice() -> None:
    with pytest.raises(ValueError) as caught, at_work_on("city/a.jpg"):
        raise ValueError("city/a.jpg: cut off")
    assert sentence(caught.value) == "city/a.jpg: cut off"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_a_program_with_a_word_and_the_usual_code(number: signal.Signals) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
    said: list[str] = []
    try:
        assert ended(lambda: os.kill(os.getpid(), number), said.append) == 128 + number
    finally:
        signal.signal(signal.SIGINT, before)
    assert said == ["interrupted"]
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL, "the handler there was is back"


def test_the_signal_that_came_is_the_exit_code_whatever_ray_makes_of_it() -> None:
    def wait() -> None:
        try:
            os.kill(os.getpid(), signal.SIGHUP)
        except BaseException as stop:
            raise Interrupted("interrupted in stage 1_a", KeyboardInterrupt()) from stop

    assert ended(wait, lambda _: None) == 129


@pytest.mark.parametrize("raised", [RuntimeError("ActorUnavailableError: connection reset"), SystemExit(1)])
def test_what_a_clean_up_raises_after_a_signal_does_not_hide_that_it_came(raised: BaseException) -> None:
    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            raise raised

    said: list[str] = []
    assert ended(work, said.append) == 143 and said == ["interrupted"]


def test_a_program_that_nohup_protects_stays_protected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert ended(lambda: os.kill(os.getpid(), signal.SIGHUP), lambda _: None) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("where", ["during its clean-up", "while Ray starts"])
def test_the_second_interruption_ends_a_program_at_once_and_without_a_traceback(where: str, tmp_path: Path) -> None:
    again = "os.kill(os.getpid(), signal.SIGINT)"
    cleaning = f"import atexit; atexit.register(lambda: ({again}, time.sleep(60)))"
    starting = f"with uninterrupted():\n        {again}; {again}; time.sleep(60)"
    body = f"{cleaning if where.startswith('during') else 'pass'}\ndef work():\n    "
    body += again if where.startswith("during") else starting
    head = "import os, signal, sys, time\nfrom ucvgl.run.ending import ended, uninterrupted\n"
    head += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    script = tmp_path / "program.py"
    script.write_text(f"{head}{body}\nsys.exit(ended(work, print))\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=50)
    assert done.returncode == 130 and "Traceback" not in done.stderr


def test_an_interruption_while_ray_starts_waits_for_it() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    started = []
    try:
        with pytest.raises(KeyboardInterrupt), uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            started.append(True)
    finally:
        signal.signal(signal.SIGINT, before)
    assert started == [True]


def test_a_name_in_an_error_forges_nothing_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    ended(lambda: _raise(ValueError("a" * 120_000)), said.append)
    assert len(said.pop()) < 4_000
    ended(lambda: _raise(ValueError("a\x1b[2J\r.jpg: no\n  second line")), said.append)
    assert said == ["a\\x1b[2J\\r.jpg: no\n  second line"]
    ended(lambda: _raise(KeyError("\u202e")), said.append)
    assert "\u202e" not in said[1] + capsys.readouterr().err


def _raise(error: Exception) -> None:
    raise error


def test_an_error_that_was_raised_from_itself_ends_as_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    """As Ray raises those of its start: whoever follows causes to their end would never arrive."""

    def program(link: str, words: str) -> int:
        error = RuntimeError(words)
        vars(error)["cause"] = error if link == "cause" else None
        raise error from (error if link == "__cause__" else None)

    for link in ("cause", "__cause__"):
        told: list[str] = []
        assert ended(lambda link=link: program(link, "No space left on device"), told.append) == 2
        assert told[0].startswith("the disk is full") and capsys.readouterr().err == ""
        assert ended(lambda link=link: program(link, "some bug"), told.append) == 1
        assert "this is a bug of ucvgl" in told[1] and "RuntimeError: some bug" in capsys.readouterr().err


def test_of_many_lines_the_one_that_cannot_be_written_is_told() -> None:
    with pytest.raises(UnicodeEncodeError) as error:
        "settings: none\nrun folder a\udcff\nplan:".encode()
    assert sentence(error.value) == r"run folder a\xff is not UTF-8; rename it, or reach it by a link of another name"


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_while_a_job_imports_ends_it_with_a_word(number: str, code: int) -> None:
    program = f"""
import signal
from ucvgl.run.ending import Imports
signal.signal(signal.SIGINT, signal.default_int_handler)
with Imports():
    signal.raise_signal(signal.{number})
    print("imported")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "interrupted\n")


def test_signals_mean_again_what_they_did_when_all_is_imported() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Imports():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_garbage_is_not_looked_for_in_what_is_imported() -> None:
    before = gc.get_freeze_count()
    with Imports():
        assert not gc.isenabled()
        kept = [[] for _ in range(1000)]
    assert gc.isenabled() and gc.get_freeze_count() >= before + len(kept)
