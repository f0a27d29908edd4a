"""Several finished runs, gathered for one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ucvgl.files.parts import in_order
from ucvgl.pages.comparison import Compared, write_comparison
from ucvgl.pages.run_report import judged
from ucvgl.run.record import DONE, read_record
from ucvgl.settings.dotted import dotted, saved_settings
from ucvgl.stages.evaluate import read_recall, read_rounds
from ucvgl.training.round_labels import read_labels


def compare(runs: Sequence[Path], path: Path) -> Path:
    """Write the comparison of some runs.

    Raises:
        ValueError: one is no run, or was not evaluated.
    """
    return write_comparison(path, [_compared(run) for run in runs])


def _compared(run: Path) -> Compared:
    if not (run / "config.yaml").is_file():
        raise ValueError(f"{run} is no run: it has no config.yaml")
    if not (run / "6_evaluate" / DONE).is_file():
        raise ValueError(f"{run} was not evaluated yet; the command that began it goes on with it")
    experiment = saved_settings(run / "config.yaml")
    reached, _ = read_recall(run / "6_evaluate")
    rounds = read_rounds(run / "6_evaluate", reached)
    records = [read_record(done) for done in run.glob(f"[0-9]_*/{DONE}")]
    labelled = in_order(run.glob("5_curriculum/round_*/pairs.parquet"))
    settings = {name: value for name, value in dotted(experiment).items() if not name.startswith("resources.")}
    return Compared(
        name=run.resolve().name,
        recall=reached,
        r1=[row["r1"] for row in rounds if row["r1"] is not None] if reached else (),
        judged=[estimate for estimate in map(judged, rounds) if estimate],
        labels=[sum(read_labels(pairs)["label"].to_pylist()) for pairs in labelled],
        settings=settings,
        seconds=sum(record.seconds for record in records if record),
    )
