"""Several finished runs, gathered for one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from ucvgl.pages.comparison import Compared, write_comparison
from ucvgl.run.record import DONE, read_record
from ucvgl.settings.dotted import dotted, from_yaml
from ucvgl.stages.evaluate import read_recall


def compare(runs: Sequence[Path], path: Path) -> Path:
    """Write the comparison of some runs.

    Raises:
        ValueError: one is no run, or was not evaluated.
    """
    return write_comparison(path, [_compared(run) for run in runs])


def _compared(run: Path) -> Compared:
    config = run / "config.yaml"
    if not config.is_file():
        raise ValueError(f"{run} is no run: it has no config.yaml")
    if not (run / "6_evaluate" / DONE).is_file():
        raise ValueError(f"{run} was not evaluated yet; the command that began it goes on with it")
    experiment = from_yaml(config.read_text(encoding="utf-8"), origin=str(config))
    reached, _ = read_recall(run / "6_evaluate")
    rounds = pq.read_table(run / "6_evaluate" / "rounds.parquet").to_pylist()
    records = [read_record(done) for done in run.glob(f"[0-9]_*/{DONE}")]
    labelled = sorted(run.glob("5_curriculum/round_*/pairs.parquet"))
    settings = {name: value for name, value in dotted(experiment).items() if not name.startswith("resources.")}
    return Compared(
        name=run.resolve().name,
        recall=reached,
        r1=[row["r1"] for row in rounds] if reached else (),
        labels=[sum(pq.read_table(pairs, columns=["label"])["label"].to_pylist()) for pairs in labelled],
        settings=settings,
        seconds=sum(record.seconds for record in records if record),
    )
