"""A source file is read in one sitting, and ruff has nothing to say."""

from __future__ import annotations

import statistics
import subprocess
import sys

from source_tree import ROOT, python_files

FORBIDDEN = {"utils", "util", "common", "helper", "helpers", "misc"}


def lengths() -> dict[str, int]:
    files = python_files("ucvgl", "jobs", "benchmarks")
    return {file.relative_to(ROOT).as_posix(): len(file.read_text().splitlines()) for file in files}


def test_half_of_the_source_files_have_at_most_100_lines() -> None:
    assert statistics.median(count for count in lengths().values() if count) <= 100


def test_no_source_file_has_more_than_300_lines() -> None:
    assert {file: count for file, count in lengths().items() if count > 300} == {}


def test_a_job_has_at_most_30_lines() -> None:
    jobs = {file: count for file, count in lengths().items() if file.startswith("jobs/")}
    assert jobs and {file: count for file, count in jobs.items() if count > 30} == {}


def test_no_file_is_a_drawer_for_anything() -> None:
    files = python_files("ucvgl", "jobs", "tests", "benchmarks")
    assert [file for file in files if FORBIDDEN & set(file.with_suffix("").relative_to(ROOT).parts)] == []


def test_the_hall_of_the_package_stays_empty() -> None:
    assert len(list((ROOT / "ucvgl").glob("*.py"))) <= 6


def test_no_two_rooms_have_a_file_of_the_same_name() -> None:
    """But for the commands, which are called what they do."""
    rooms: dict[str, list[str]] = {}
    for file in python_files("ucvgl"):
        if file.name != "__init__.py" and file.parent.name != "commands":
            rooms.setdefault(file.stem, []).append(file.relative_to(ROOT).as_posix())
    assert {name: files for name, files in rooms.items() if len(files) > 1} == {}


def test_ruff_has_nothing_to_say() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise", "."]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
