"""What each ingredient of UCVGL is worth, and how far supervision is ahead, on worlds that chose no setting.

    python benchmarks/ablation.py --rows full,no_bev --seeds 0,1,2

A (row, seed) is a run of its own, `runs/ablation/<row>-<seed>`, and a line of the results when it is done. Started
again, finished lines are skipped and a broken run goes on. Stages that a row leaves as they are come from the full run.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from origin import measured_here
from table import markdown

from ucvgl.distributed.cluster import connect
from ucvgl.distributed.machines import Machines
from ucvgl.log import start_logging
from ucvgl.methods.labelled import supervised
from ucvgl.methods.plan import supervised as labelled_stages_of
from ucvgl.methods.plan import unsupervised as stages_of
from ucvgl.methods.ucvgl import unsupervised
from ucvgl.run.metrics import read_metrics
from ucvgl.run.prospects import partial_folder
from ucvgl.run.record import DONE, read_record
from ucvgl.run.run_dir import RunDir, StageError
from ucvgl.settings.dotted import differences
from ucvgl.settings.experiment import Experiment
from ucvgl.settings.limits import changed
from ucvgl.settings.presets import PRESETS
from ucvgl.stages.evaluate import evaluate
from ucvgl.sweep.share import share_stages

log = logging.getLogger(__name__)

FIRST_WORLD = 0
"""World seed of training seed 0, as in the demo. The settings were chosen on world 100."""
SOURCES = 3
"""An epoch of the cold start takes panoramas, tiles and fakes (intra), or pairs with fakes, tiles and fakes (cross);
without intra-view contrast an epoch of cross is the pairs with fakes alone."""
NO_STRUCTURE = {"curriculum.first_structure_vote": 0, "curriculum.final_structure_vote": 0}
NO_FAKE_VOTE = {"curriculum.first_fake_vote": 0, "curriculum.final_fake_vote": 0}
UNVERIFIED = {"curriculum.verified": 0, "evaluation.verified": 0}
ROWS = (
    "full", "no_bev", "fake", "no_intra", "no_cross", "no_mutual", "no_threshold", "no_judge", "no_whitening",
    "no_structure", "unverified", "no_curriculum", "paper_matching", "no_fakes", "supervised",
)  # fmt: skip


def changes(row: str, base: Experiment) -> dict[str, Any]:
    """The settings that make a row, at the number of training steps of the full run.

    The step that is dropped from the cold start, or from a round, is given to what is left of it.
    """
    cold, epochs = base.cold_start, base.curriculum.epochs_per_round
    epochs_in_all = cold.intra_epochs + cold.cross_epochs
    return {
        "full": {},
        "no_bev": {"projection.bev": False, "model.structure": 0} | NO_STRUCTURE | UNVERIFIED,
        "fake": {"translation.fake": True},
        "no_intra": {"cold_start.intra_epochs": 0, "cold_start.cross_epochs": SOURCES * epochs_in_all},
        "no_cross": {"cold_start.cross_epochs": 0, "cold_start.intra_epochs": epochs_in_all},
        "no_mutual": {"curriculum.mutual": False},
        "no_threshold": {"curriculum.min_probability": 0},
        "no_judge": {"curriculum.labels": "margin"},
        "no_whitening": {"curriculum.whitening": 0},
        "no_curriculum": {"curriculum.relabel": False},
        "paper_matching": NO_STRUCTURE | UNVERIFIED | NO_FAKE_VOTE,
        "no_structure": NO_STRUCTURE,
        "unverified": UNVERIFIED,
        "no_fakes": {"curriculum.with_fakes": False, "curriculum.epochs_per_round": 2 * epochs},
        "supervised": {},
    }[row]


def main(argv: Sequence[str]) -> int:
    start_logging()
    wish = _wish(argv)
    done = {_key(line): line for line in _lines(wish.out)}
    bases = {seed: changed(PRESETS[wish.preset](), _seeds(seed) | wish.changed) for seed in wish.seeds}
    plan = {(row, seed): changed(bases[seed], changes(row, bases[seed])) for seed in wish.seeds for row in wish.rows}
    asked = {which: _identity(*which, wish.preset, experiment) for which, experiment in plan.items()}
    missing = [which for which, identity in asked.items() if _key(identity) not in done]
    if missing:
        connect(plan[missing[0]].resources)
        start_logging()
    failed = []
    for row, seed in missing:
        log.info("--- %s, seed %d", row, seed)
        try:
            line = asked[row, seed] | _measure(row, seed, plan[row, seed], bases[seed], wish.runs)
        except (StageError, ValueError) as error:
            log.error("%s-%d: %s", row, seed, error)
            failed.append(f"{row}-{seed}")
            continue
        _append(wish.out, line)
        done[_key(line)] = line
    print(markdown([done[_key(identity)] for identity in asked.values() if _key(identity) in done]))
    if failed:
        log.error("not measured: %s", ", ".join(failed))
    return 1 if failed else 0


def _measure(row: str, seed: int, experiment: Experiment, base: Experiment, runs: Path) -> dict[str, Any]:
    """Do one run, from what the full run of the same seed has in common with it; the numbers of its line."""
    full = runs / f"full-{seed}"
    if row != "full":
        with RunDir(full, base) as run:
            unsupervised(run, base)
    experiment = with_truth(experiment, full) if row == "supervised" else experiment
    with RunDir(runs / f"{row}-{seed}", experiment) as run:
        if row == "supervised":
            share_stages(full, run.path, labelled_stages_of(experiment))
            supervised(run, experiment)
            trained, scored, stopped = run.path / "5_supervised", run.path / "6_evaluate", ""
        else:
            if row != "full":
                share_stages(full, run.path, stages_of(experiment))
            trained, scored, stopped = _unsupervised(run, experiment)
        return _numbers(run.path, trained, scored) | {"stopped": stopped, **measured_here()}


def with_truth(base: Experiment, full: Path) -> Experiment:
    """The row `supervised`: the two towers of the full run on all true pairs, in any order, for as many steps.

    It begins after the full run's intra-view contrast, which needs no pairs. From scratch the same steps may end at
    chance: on one machine the loss never left its plateau.
    """
    listed = read_record(full / "1_catalog" / DONE)
    assert listed is not None
    epochs = max(1, round(encoder_steps(full) * base.contrast.batch / listed.summary["train_queries"]))
    begun = {"supervision.start": str(full / "4_cold_start" / "intra"), "supervision.label_fraction": 1.0}
    plain = {"supervision.hard_negatives": False, "curriculum.rounds": 1, "curriculum.epochs_per_round": epochs}
    return changed(base, begun | plain)


def encoder_steps(run: Path) -> int:
    """Training steps, after intra-view contrast, of the cold start and of all rounds of a finished run."""
    steps = {row["stage"]: row["steps"] for row in read_metrics(run) if "steps" in row}
    return sum(count for stage, count in steps.items() if stage.startswith(("cold_start_cross", "round_")))


def _unsupervised(run: RunDir, experiment: Experiment) -> tuple[Path, Path, str]:
    """The folders of training and evaluation; where too few labels ended the training, of what there is, and why."""
    try:
        unsupervised(run, experiment)
        return run.path / "5_curriculum", run.path / "6_evaluate", ""
    except StageError as error:
        if run.stage != "5_curriculum" or not isinstance(error.__cause__, ValueError):
            raise
        trained, scored = partial_folder(run.path, "5_curriculum"), run.path / "stopped"
        scored.mkdir(exist_ok=True)
        made = {"projected": run.path / "2_project", "cold": run.path / "4_cold_start", "trained": trained}
        with Machines(run.path, experiment.resources, run.log) as machines:
            evaluate(scored, **made, experiment=experiment, machines=machines)
        return trained, scored, str(error.__cause__)


def _numbers(run: Path, trained: Path, scored: Path) -> dict[str, Any]:
    result = json.loads((scored / "recall.json").read_text())
    rounds = pq.read_table(scored / "rounds.parquet").to_pylist()
    for entry in rounds:
        labelled = trained / entry["name"] / "pairs.parquet"
        entry["labels"] = int(np.sum(pq.read_table(labelled)["label"])) if labelled.exists() else None
    records = {file.parent.name: read_record(file) for file in sorted(run.glob(f"[1-9]_*/{DONE}"))}
    seconds = {name: record.seconds for name, record in records.items() if record is not None}
    return {"recall": result["recall"], "raw_pixels": result["raw_pixels"], "rounds": rounds, "seconds": seconds}


def _seeds(seed: int) -> dict[str, Any]:
    return {"seed": seed, "dataset.synthetic.seed": FIRST_WORLD + seed}


def _identity(row: str, seed: int, preset: str, experiment: Experiment) -> dict[str, Any]:
    """What a line is about: its settings are those that differ from the preset's; `resources` change no number."""
    differ = {name: now for name, _, now in differences(PRESETS[preset](), experiment)}
    differ = {name: now for name, now in differ.items() if not name.startswith("resources.")}
    return {"row": row, "seed": seed, "preset": preset, "settings": differ}


def _key(line: Mapping[str, Any]) -> str:
    return json.dumps([line[name] for name in ("row", "seed", "preset", "settings")], sort_keys=True)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _append(path: Path, line: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _wish(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(ROWS), help="of the table, by comma")
    parser.add_argument("--seeds", default="0,1,2", help="each changes the worlds and the training")
    parser.add_argument("--preset", default="synthetic", choices=PRESETS)
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting in every row"
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/ablation.jsonl"))
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation"))
    wish = parser.parse_args(argv)
    wish.rows = wish.rows.split(",")
    if unknown := set(wish.rows) - set(ROWS):
        parser.error(f"no such rows: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    wish.seeds = [int(seed) for seed in wish.seeds.split(",")]
    wish.changed = dict(setting.split("=", 1) for setting in wish.set)
    return wish


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
