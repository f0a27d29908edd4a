"""`ucvgl report`: the page of a run drawn again, or several runs on one page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tyro

if TYPE_CHECKING:
    from pathlib import Path


def main(argv: Sequence[str]) -> None:
    """Read the command line, draw, and print where the page lies."""
    print(tyro.cli(report, args=list(argv), prog="ucvgl report"))


def report(runs: tyro.conf.Positional[tuple[str, ...]], /, out: str = "") -> str:
    """Draw report.html and MODEL_CARD.md of one run again, or compare several on one page.

    Args:
        runs: run folders; with more than one, settings that differ, curves and recalls stand side by side.
        out: file for the comparison, comparison.html where not given; the page of one run lies in the run.

    Raises:
        ValueError: no run is named, one is not finished, or --out is given for one.
    """
    from pathlib import Path

    if not runs:
        raise ValueError("which run? ucvgl report RUN [RUN ...]")
    if len(runs) > 1:
        from ucvgl.files.owned import refuse_foreign_file
        from ucvgl.pages.compare_runs import compare
        from ucvgl.run.places import on_this_machine

        page = on_this_machine(out or "comparison.html", flag="--out")
        refuse_foreign_file(page)
        return f"comparison: {compare([Path(run) for run in runs], page)}"
    only = list(runs)[0]
    if out:
        raise ValueError(f"--out {out}: it is for a comparison of several runs; the page of one lies in {only}")
    from ucvgl.index.trained_run import TrainedRun
    from ucvgl.pages.run_report import report as draw
    from ucvgl.run.run_dir import RunDir

    trained = TrainedRun(only)
    run = RunDir(trained.path, trained.experiment)
    if trained.model.parent.name == "4_adapt":
        _refuse_unfinished(only, [trained.path / name for name in ("2_project", "3_features", "4_adapt", "5_evaluate")])
        from ucvgl.pages.adapter_report import report_adapter

        return report_adapter(run, trained.experiment, trained.path / "2_project", trained.path / "5_evaluate")
    supervised = trained.model.parent.name == "5_supervised"
    names = ("2_project", "3_translate", "5_supervised" if supervised else "5_curriculum", "6_evaluate")
    projected, translated, learned, scored = (trained.path / name for name in names)
    _refuse_unfinished(only, [projected, learned, scored] if supervised else [projected, translated, learned, scored])
    return draw(run, trained.experiment, projected, None if supervised else translated, learned, scored)


def _refuse_unfinished(run: str, needed: Sequence[Path]) -> None:
    from ucvgl.run.record import DONE

    missing = [stage.name for stage in needed if not (stage / DONE).is_file()]
    if missing:
        raise ValueError(f"{run} lacks {', '.join(missing)}; the command that began this run goes on with it")
