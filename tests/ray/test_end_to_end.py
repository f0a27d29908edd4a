"""The main job from the outside: it learns, it survives kill -9 in every stage, and training reads no truth.

Two runs serve all of it, of `tiny` with less of everything. One is left alone. The other is killed once in each stage,
and before each of its starts the truth is taken away or its pairs are shuffled, so that every stage has seen both.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from one_job import Job, artefacts, log_of
from rendered_world import FLAGS, rendered_world

VERIFIED = ("--curriculum.verified=4", "--evaluation.verified=4")
LESS = (*FLAGS, "--cold-start.intra-epochs=4", "--curriculum.epochs-per-round=3", *VERIFIED)
STAGES = ["1_catalog", "2_project", "3_translate", "4_cold_start", "5_curriculum", "6_evaluate"]
ON_RAY = "2_project", "5_curriculum"
"""Stages that are killed with all of Ray: the one whose files its streams write, and one of those that its workers
train; each of these jobs goes on in the stage before. How each of the others goes on is known without: it is killed in
a process that runs its programs itself."""


@dataclass(frozen=True)
class Ended:
    """A run that was left alone, and what it printed."""

    folder: Path
    printed: list[str]


@pytest.fixture(scope="module")
def job(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    images = rendered_world(shared_folder, tmp_path_factory.mktemp("images"))
    with tempfile.TemporaryDirectory(prefix="ucvgl") as ray:
        yield Job(images, Path(ray), flags=LESS)


@pytest.fixture(scope="module")
def undisturbed(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """With one process for images, where the other run has two."""
    run = tmp_path_factory.mktemp("runs") / "undisturbed"
    return Ended(run, job.finish(run, "--resources.image-cpus=1"))


def test_recall_rises_far_above_chance_and_is_the_last_line(undisturbed: Ended) -> None:
    reached = json.loads((undisturbed.folder / "6_evaluate" / "recall.json").read_text())["recall"]
    rounds = pq.read_table(undisturbed.folder / "6_evaluate" / "rounds.parquet").to_pylist()
    chance = 1 / reached["references"]
    assert undisturbed.printed[-1].startswith(f"R@1 {100 * reached['r1']:.1f}  R@5")
    assert "64 queries x 64 references; protocol: one true tile, ties count against" in undisturbed.printed[-1]
    assert reached["r1"] >= 3 * chance
    assert reached["r10"] >= 3 * 10 * chance
    assert reached["r10"] > rounds[0]["r10"], "the curriculum did not raise the recall of the cold start"


def test_a_run_leaves_a_page_numbers_curves_and_a_record_of_every_stage(undisturbed: Ended) -> None:
    run = undisturbed.folder
    page = (run / "report.html").read_text()
    assert undisturbed.printed[-5] == f"report: {run}/report.html"
    assert undisturbed.printed[-4].startswith("raw pixels, without learning: R@1 ")
    assert re.match(r"without truth, as far as decoys tell: R@1 \d+ % \(\d+ to \d+\)", undisturbed.printed[-3])
    assert undisturbed.printed[-2].startswith("cold start: R@1 ")
    assert page.count('src="data:image/') > 50
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*', page) == [], "the page needs another file"
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    trained = {row["stage"] for row in rows if "steps" in row and row["step"] == row["steps"]}
    assert trained == {"translate", "cold_start_intra", "cold_start_cross", "round_00", "round_01", "round_02"}
    assert [row["step"] for row in rows if "labels" in row] == [0, 1, 2]
    assert list(run.glob("tensorboard/events.*"))
    assert sorted(file.parent.name for file in run.glob("*/DONE.json")) == STAGES


def test_the_same_command_again_reuses_all_and_says_the_same(job: Job, undisturbed: Ended) -> None:
    before = {file: file.stat().st_mtime_ns for file in undisturbed.folder.glob("[1-6]_*/**/*")}
    printed = replace(job, alone=True).finish(undisturbed.folder)
    assert re.findall(r"^ +(\d_\w+) +(\w+)$", "\n".join(printed), re.MULTILINE) == [(name, "reused") for name in STAGES]
    assert printed[-5:] == undisturbed.printed[-5:]
    assert {file: file.stat().st_mtime_ns for file in undisturbed.folder.glob("[1-6]_*/**/*")} == before


def test_killed_in_every_stage_and_with_other_truths_it_makes_the_same(job: Job, undisturbed: Ended) -> None:
    run, (world,) = undisturbed.folder.with_name("disturbed"), job.images.iterdir()
    truth = {file: pq.read_table(file) for file in (world / "truth").iterdir()}
    moments = _moments(run, _world_to_render_again(world))
    for number, (stage, moment) in enumerate(moments.items()):
        _remove(truth) if number % 2 else _shuffle(truth)
        replace(job, alone=stage not in ON_RAY).kill(run, when=moment)
        assert _states(run) == STAGES[:number] + [f"{stage}.partial"], log_of(run)
    _remove(truth)
    told = replace(job, alone=True).finish(run)[-1]
    assert told.startswith("no ground truth, so no recall; the retrievals are in the report; without truth, ")

    made, expected = artefacts(run), artefacts(undisturbed.folder)
    assert any(name.endswith("round_02/pairs.parquet") for name in expected)
    assert made == expected


def _moments(run: Path, unfinished_world: Path) -> dict[str, Callable[[], bool]]:
    """When each stage is in the middle of its work: some of it is done and kept, some is not."""

    def exists(pattern: str) -> Callable[[], bool]:
        return lambda: any(run.glob(pattern))

    return {
        "1_catalog": lambda: any(unfinished_world.glob("satellite/*.jpg")),
        "2_project": exists("2_project.partial/*/*/part-*.arrow"),
        "3_translate": exists("3_translate.partial/to_tile.pt"),
        "4_cold_start": exists("4_cold_start.partial/intra/model.pt"),
        "5_curriculum": exists("5_curriculum.partial/round_00/model.pt"),
        "6_evaluate": exists("6_evaluate.partial/embeddings/*/*/part-*.npy"),
    }


def _world_to_render_again(world: Path) -> Path:
    """The validation images as they were before any was rendered."""
    shutil.rmtree(world / "validation")
    return world / "validation"


def _states(run: Path) -> list[str]:
    return sorted(folder.name for folder in run.glob("[1-6]_*"))


def _remove(truth: dict[Path, pa.Table]) -> None:
    for file in truth:
        file.unlink(missing_ok=True)


def _shuffle(truth: dict[Path, pa.Table]) -> None:
    """Give every query the reference of another one."""
    _write(
        {
            file: table.set_column(1, "reference_id", pa.array(np.roll(table["reference_id"].to_pylist(), 7)))
            for file, table in truth.items()
        }
    )


def _write(truth: dict[Path, pa.Table]) -> None:
    for file, table in truth.items():
        pq.write_table(table, file)
