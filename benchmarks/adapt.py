"""What an adapter without labels makes of a frozen model, how far supervision is ahead, and what each part is worth.

    python benchmarks/adapt.py --scenes drone,panorama --rows full,supervised,no_em

A scene is a target area and a frozen model from another one. Ray renders and projects the images; features are made
once per scene, and every row trains and scores on them in this process. What is done is reused.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow.parquet as pq
from adapter_tables import adapted_table
from in_process import InProcess
from origin import measured_here

from ucvgl.distributed.cluster import connect
from ucvgl.images.image_store import ImageStore
from ucvgl.log import start_logging
from ucvgl.methods.em_cvgl import adapt
from ucvgl.methods.plan import adapt as stages_of
from ucvgl.methods.ucvgl import unsupervised
from ucvgl.pseudo_labels.e_step import plain
from ucvgl.run.record import DONE, read_record
from ucvgl.run.run_dir import RunDir, StopRequested
from ucvgl.settings.experiment import Adaptation, Experiment
from ucvgl.settings.limits import changed
from ucvgl.settings.presets import PRESETS
from ucvgl.stages.adapt import adapt as train_adapter
from ucvgl.stages.adapt import write_labels
from ucvgl.stages.evaluate_adapter import evaluate_adapter
from ucvgl.stages.features import features
from ucvgl.sweep.share import share_stages
from ucvgl.truth.door import read_truth, rows_of

SOURCE, TARGET = 1, 0
"""World seeds of the area that the frozen model comes from, and of the area it is adapted to."""
TRAINED = {"adaptation.result": "adapted"}
"""The adapter of the last round, whatever else was found."""
PAPER = {"adaptation.strategy": "mutual", "adaptation.threshold": "similarity", "adaptation.residual": False}
ONE_ROUND = {"adaptation.rounds": 1, "adaptation.steps_per_round": Adaptation.rounds * Adaptation.steps_per_round}
"""As many steps."""
ROWS: Mapping[str, Mapping[str, Any]] = {
    "full": {},
    "no_em": TRAINED | ONE_ROUND,
    "no_aic": TRAINED | {"adaptation.aic_weight": 0},
    "paper": TRAINED | PAPER | dict.fromkeys(("adaptation.first_threshold", "adaptation.final_threshold"), 0.1),
    "transport": TRAINED
    | {"adaptation.strategy": "transport", "adaptation.first_threshold": 0.5, "adaptation.final_threshold": 0.5},
    "groups": TRAINED | {"adaptation.strategy": "groups", "adaptation.final_threshold": 0.2},
    "no_group_contrast": TRAINED | {"adaptation.strategy": "groups", "adaptation.group_weight": 0},
    "mutual": TRAINED | {"adaptation.strategy": "mutual", "adaptation.final_threshold": 0},
    "supervised": TRAINED | ONE_ROUND,
}
"""All but the first differ in how the adapter is trained, and what was trained is their result."""
SCENES = ("drone", "drone_run", "panorama", "panorama_run")
"""Frozen after intra-view contrast only, or both encoders of a whole run (`_run`)."""


def main(argv: Sequence[str]) -> int:
    start_logging()
    wish = _wish(argv)
    for scene in wish.scenes:
        lines = []
        base = changed(_target(scene, wish), wish.changed)
        for row in wish.rows:
            experiment = changed(base, ROWS[row])
            lines.append(_measure(scene, row, experiment, base, wish.runs))
        print(f"\n{scene}\n\n{adapted_table({scene: lines})}\n", flush=True)
        wish.out.mkdir(parents=True, exist_ok=True)
        (wish.out / f"adapt-{scene}.json").write_text(json.dumps(lines, indent=1) + "\n")
    return 0


def _source(scene: str, wish: argparse.Namespace) -> Path:
    """The frozen model: after intra-view contrast only, or a whole run, on the source area."""
    drone = scene.startswith("drone")
    folder = wish.runs / f"source-{'drone' if drone else 'panorama'}"
    flags = {"dataset.synthetic.seed": SOURCE, "seed": SOURCE, "dataset.root": str(wish.root)}
    given = wish.source_drone if drone else wish.source_panorama
    if given:
        folder = given
    else:
        experiment = changed(PRESETS["synthetic_drone" if drone else "synthetic"](), flags)
        connect(experiment.resources)
        start_logging()
        last = None if scene.endswith("_run") else "4_cold_start"
        with suppress(StopRequested), RunDir(folder, experiment, stop_after=last) as run:
            unsupervised(run, experiment)
    return folder if scene.endswith("_run") else folder / "4_cold_start" / "intra" / "model.pt"


def _target(scene: str, wish: argparse.Namespace) -> Experiment:
    drone = scene.startswith("drone")
    preset = PRESETS["synthetic_drone" if drone else "synthetic"]()
    changes = {"dataset.synthetic.seed": TARGET, "dataset.root": str(wish.root)}
    changes |= {"adaptation.source": str(_source(scene, wish))}
    changes |= {"adaptation.towers": "two"} if scene.endswith("_run") else {}
    changes |= {} if drone else {"adaptation.turns": 4}  # both views are north up
    return changed(preset, changes)


def _measure(scene: str, row: str, experiment: Experiment, base: Experiment, runs: Path) -> dict[str, Any]:
    full = runs / f"{scene}-full"
    _project(full, base)
    with RunDir(full, base) as run:
        _in_process(run, base)
    with RunDir(runs / f"{scene}-{row}", experiment) as run:
        if row != "full":
            share_stages(full, run.path, stages_of(experiment)[:3])
            _in_process(run, experiment, supervised=row == "supervised")
        rounds = pq.read_table(run.path / "5_evaluate" / "rounds.parquet").to_pylist()
        record, made = read_record(run.path / "4_adapt" / DONE), run.summary("4_adapt")
        assert record is not None
        share = made["trained"] / (made["trained"] + run.summary("3_features")["frozen"])
        recall = json.loads((run.path / "5_evaluate" / "recall.json").read_text())
        about = {"row": row, "seconds": record.seconds, "share": share, **measured_here()}
        return about | {"rounds": rounds, "recall": recall}


def _project(path: Path, experiment: Experiment) -> None:
    """The images of the target area at network size, by Ray."""
    if not (path / "2_project" / DONE).exists():
        connect(experiment.resources)
        start_logging()
        with suppress(StopRequested), RunDir(path, experiment, stop_after="2_project") as run:
            adapt(run, experiment)


def _in_process(run: RunDir, experiment: Experiment, *, supervised: bool = False) -> None:
    """The stages after the projection; what is done is reused."""
    stages = {stage.name: stage for stage in stages_of(experiment)}
    machines, projected = cast(Any, InProcess(run.log)), run.path / "2_project"

    def make(name: str, build: Callable[..., Any], **arguments: Any) -> Path:
        settings = dict(stages[name].settings)
        settings |= {"labels": "true"} if supervised and name == "4_adapt" else {}
        build = partial(build, projected=projected, experiment=experiment, **arguments)
        return run.make(name, build, settings=settings, inputs=stages[name].inputs)

    described = make("3_features", features, machines=machines)
    train = _supervised if supervised else train_adapter
    trained = make("4_adapt", train, described=described, machines=machines, log=run.log)
    make("5_evaluate", evaluate_adapter, described=described, trained=trained, machines=machines)


def _supervised(folder: Path, *, projected: Path, experiment: Experiment, **arguments: Any) -> Mapping[str, Any]:
    """The same training, with the true pairs as its first and only labels."""
    (folder / "round_00").mkdir(exist_ok=True)
    labels = plain(*_true_pairs(projected, experiment))
    write_labels(labels, 1.0, folder / "round_00" / "pairs.parquet", projected, experiment)
    return train_adapter(folder, projected=projected, experiment=experiment, **arguments)


def _true_pairs(projected: Path, experiment: Experiment) -> tuple[np.ndarray, np.ndarray]:
    truth = read_truth(experiment.dataset, "train")
    assert truth is not None, "a supervised adapter needs true pairs"
    train = projected / "train"
    rows = rows_of(truth.positives, ImageStore(train / "queries").ids, ImageStore(train / "references").ids)
    query, place = np.nonzero(rows >= 0)
    return query, rows[query, place]


def _wish(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", default=",".join(SCENES), help="by comma")
    parser.add_argument("--rows", default=",".join(ROWS), help="of the tables, by comma")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="in every row")
    parser.add_argument("--root", type=Path, default=Path("data"), help="of the rendered worlds")
    parser.add_argument("--runs", type=Path, default=Path("runs/adapt"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--source-drone", type=Path, help="run on other flights, begun before")
    parser.add_argument("--source-panorama", type=Path, help="run on other panoramas, made before")
    wish = parser.parse_args(argv)
    wish.scenes, wish.rows = wish.scenes.split(","), wish.rows.split(",")
    wish.changed = dict(setting.split("=", 1) for setting in wish.set)
    if unknown := (set(wish.rows) - set(ROWS)) | (set(wish.scenes) - set(SCENES)):
        parser.error(f"not known: {', '.join(sorted(unknown))}; there are {', '.join((*SCENES, *ROWS))}")
    return wish


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
