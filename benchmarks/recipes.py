"""Many recipes on many worlds, a process each, without Ray: which setting carries, in minutes where there is a GPU.

    python benchmarks/recipes.py --worlds b,medium --seeds 0,1 --rows default,no_whitening --processes 2

The stages are those of the jobs; `InProcess` stands in for their workers. A world is rendered and projected once. A
(row, world, seed) is a line of the results when it is done; started again, finished lines are skipped, and one that
was broken off goes on. Beside the recall of the job, a line has what the same encoders reach by panorama, by bird's-eye
view and by both, and the CPU seconds until the end of every stage (`spent`). What is trained goes to `data/runs`,
with its numbers in `log.jsonl`, and stays there.
`recipes_table.py` prints the tables, `figures.py` writes them into the documents.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import absent_ray  # noqa: F401
import numpy as np
import pyarrow.parquet as pq
import torch
from in_process import InProcess, streamed
from origin import measured_here
from recipe_rows import ROWS
from recipe_training import STAGES, train
from suite import DEMO, SUITE
from time_tables import spent

from ucvgl.distributed import levelling
from ucvgl.distributed.projecting import Project, _shard_rows
from ucvgl.images.image_store import ImageStore, read_shard, shard_path, shards_of, write_shard
from ucvgl.networks.adapted import load_encoders
from ucvgl.networks.towers import embed
from ucvgl.projection.level import Level
from ucvgl.pseudo_labels.decoys import DECOYS_AHEAD, judged_recall
from ucvgl.pseudo_labels.whitening import unit
from ucvgl.retrieval.topk import two_sided_topk
from ucvgl.settings.experiment import Experiment
from ucvgl.settings.limits import changed
from ucvgl.settings.presets import PRESETS
from ucvgl.stages import catalog as listing
from ucvgl.stages.catalog import as_listed, catalog, read_catalogs
from ucvgl.stages.evaluate import evaluate
from ucvgl.truth.door import read_truth
from ucvgl.truth.score import protocol_of, score_in_memory
from ucvgl.world import panorama_worlds

ROOT = Path(__file__).resolve().parents[1]


def experiment_of(world: str, seed: int, row: str, wish: argparse.Namespace) -> Experiment:
    """The settings of a line. `seed` is that of training; `world@2` is the world drawn by seed 2, trained by 2 more."""
    name, _, drawn = world.split(":")[-1].partition("@")
    images = {"dataset.root": str(wish.data / "rendered"), **(SUITE | DEMO)[name]}
    images["dataset.root"] = str(ROOT / images["dataset.root"])  # world B lies beside the project
    seeds = {"seed": seed + int(drawn), "dataset.synthetic.seed": int(drawn)} if drawn else {"seed": seed}
    return changed(PRESETS[wish.preset](), images | seeds | dict(ROWS[row]) | wish.changed)


def prepare(world: str, wish: argparse.Namespace, pool: ProcessPoolExecutor) -> None:
    """Render the world, list and project it into `data/<world>`, where that is not done."""
    experiment, folder = experiment_of(world, 0, "default", wish), wish.data / world
    if (folder / "ready").exists():
        return
    if ":" in world:
        _derive(world, wish)
        return
    dataset, projected = experiment.dataset, folder / "2_project"
    if dataset.name == "synthetic":
        home = panorama_worlds.home(dataset)
        list(pool.map(_render, [(dataset.synthetic, item, home) for item in panorama_worlds.plan(dataset.synthetic)]))
    (folder / "1_catalog").mkdir(parents=True, exist_ok=True)
    listing.render_worlds = lambda *_: None  # rendered above
    catalog(folder / "1_catalog", experiment=experiment)
    projected.mkdir(exist_ok=True)
    listed, level = read_catalogs(folder / "1_catalog"), None
    if dataset.levelled:
        levelling.stream, levelling.placed = streamed, lambda _: SimpleNamespace(image_cpus=1)
        machines = InProcess(lambda **_: None)
        level = levelling.learn_level(projected, listed["train"].queries, experiment=experiment, machines=machines)
    rows = _shard_rows(listed, projected, 256)
    missing = [row for row in rows if not shard_path(projected / row["split"] / row["view"], row["shard"]).exists()]
    list(pool.map(_project, [(projected, experiment, level, row) for row in missing]))
    (folder / "ready").touch()


def _derive(world: str, wish: argparse.Namespace) -> None:
    """A world of the same images, of which training sees others: `strangers:x` has the panoramas of one half of the
    places and the tiles of the other half; in `open:x` three panoramas of ten have lost their tile."""
    kind, of = world.split(":")
    source, folder = wish.data / of, wish.data / world
    (folder / "2_project/train").mkdir(parents=True)
    (folder / "1_catalog").symlink_to(source / "1_catalog")
    (folder / "2_project/validation").symlink_to(source / "2_project/validation")
    truth = read_truth(as_listed(source / "1_catalog", experiment_of(of, 0, "default", wish).dataset), "train")
    assert truth is not None
    places = sorted(truth.positives)
    order = np.random.default_rng(0).permutation(len(places))
    share = 0.5 if kind == "strangers" else 0.3
    bereft = {places[at] for at in order[: round(share * len(places))]}
    lost = {tile for query in bereft for tile in truth.positives[query]}
    for view in ("queries", "bev", "references"):
        for number, shard in enumerate(shards_of(source / "2_project/train" / view)):
            ids, images = read_shard(shard)
            if view == "references":
                kept = np.array([one not in lost for one in ids])
            else:
                kept = np.array([kind == "open" or one in bereft for one in ids])
            write_shard(folder / "2_project/train" / view, number, np.array(ids)[kept].tolist(), images[kept])
    (folder / "ready").touch()


def _render(job: tuple[Any, ...]) -> None:
    panorama_worlds.render_world(*job)


def _project(job: tuple[Path, Experiment, Level | None, dict[str, Any]]) -> None:
    job[0].mkdir(parents=True, exist_ok=True)
    Project(*job[:3])(job[3])


def line_of(row: str, world: str, seed: int, wish: argparse.Namespace) -> dict[str, Any]:
    """Train one recipe on one world; what it reached."""
    torch.set_num_threads(wish.threads)
    experiment, folder = experiment_of(world, seed, row, wish), wish.data / "runs" / f"{row}-{world}-{seed}"
    settings = json.dumps(asdict(experiment), sort_keys=True)
    if not (folder / "settings.json").exists() or (folder / "settings.json").read_text() != settings:
        shutil.rmtree(folder, ignore_errors=True)  # else it was broken off, and goes on
    for name in STAGES:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in [name for name in ("1_catalog", "2_project") if not (folder / name).exists()]:
        (folder / name).symlink_to(wish.data / world / name)
    (folder / "settings.json").write_text(settings)
    said = lines(folder / "log.jsonl")
    before = said[-1] if said else {"seconds": 0, "cpu_seconds": 0}
    begun, cpu_begun = time.time() - before["seconds"], time.process_time() - before["cpu_seconds"]

    def log(**numbers: Any) -> None:
        spent = {"seconds": round(time.time() - begun), "cpu_seconds": round(time.process_time() - cpu_begun)}
        said.append(spent | numbers)
        with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(said[-1], default=float) + "\n")

    machines = InProcess(log)
    projected, cold, trained = (folder / name for name in ("2_project", "4_cold_start", "5_curriculum"))
    base = folder.with_name(f"default-{world}-{seed}")
    stopped = train(row, experiment, folder, machines=machines, log=log, base=base)
    seconds, cpu_seconds = round(time.time() - begun), round(time.process_time() - cpu_begun)
    made = {"projected": projected, "cold": cold, "trained": trained}
    evaluate(folder / "6_evaluate", **made, experiment=experiment, machines=machines)
    result = json.loads((folder / "6_evaluate/recall.json").read_text())
    line = {
        "row": row,
        "world": world,
        "seed": seed,
        **(measured_here() | {"mirror_axes": 3}),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "spent": spent(said),
        "r1": round(result["recall"]["r1"], 4),
        "raw_pixels": result["raw_pixels"],
        "ways": {} if stopped else ways(experiment, projected, trained),
        "rounds": [_rounded(one) for one in pq.read_table(folder / "6_evaluate/rounds.parquet").to_pylist()],
        "labels": list({numbers["step"]: numbers["labels"] for numbers in said if "labels" in numbers}.values()),
    }
    if stopped:
        line["stopped"] = stopped
    return line


def ways(experiment: Experiment, projected: Path, trained: Path) -> dict[str, Any]:
    """Recall, and what the judge says: by panorama, by bird's-eye view and by both, without the structure of ground."""
    store = projected / "validation"
    images = {name: ImageStore(store / name) for name in ("queries", "bev", "references")}
    ids = images["queries"].ids, images["references"].ids
    dataset = as_listed(projected.parent / "1_catalog", experiment.dataset)
    protocol = protocol_of(read_truth(dataset, "validation"), *ids)
    encoders = load_encoders(trained / "model.pt", InProcess.device())
    pixels = {name: some.read(np.arange(len(some))) for name, some in images.items()}
    pano = embed(encoders, pixels["queries"], "query")
    bev, tile = (embed(encoders, pixels[name], "reference") for name in ("bev", "references"))
    decoy = embed(encoders, pixels["references"], "reference", mirrored=True)
    found = {}
    for what, query in (("panorama", pano), ("bev", bev), ("both", unit(pano + bev))):
        best = two_sided_topk(query, np.concatenate([tile, decoy]), k=DECOYS_AHEAD + 1, device=str(InProcess.device()))
        reached, judged = score_in_memory(query, tile, protocol), judged_recall(best.row_index, len(tile))
        found[what] = [round(reached.r1, 4), round(judged.value, 4)]
    return found


def _rounded(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in numbers.items()}


def _one(job: tuple[str, str, int, argparse.Namespace]) -> dict[str, Any]:
    try:
        return line_of(*job)
    except Exception:
        return {"row": job[0], "world": job[1], "seed": job[2], "error": traceback.format_exc()[-1500:]}


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", default=",".join(name for name in SUITE if name != "flights"))
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--rows", default="default,supervised", help=", ".join(ROWS))
    parser.add_argument("--preset", default="synthetic", choices=PRESETS)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--data", type=Path, default=ROOT / "runs/recipes")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/recipes.jsonl")
    parser.add_argument("--minutes", type=float, default=1e9, help="no line is begun later")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="in every line")
    parser.add_argument("--prepare-only", action="store_true")
    wish = parser.parse_args(argv)
    wish.changed = dict(setting.split("=", 1) for setting in wish.set)
    begun, wish.data = time.time(), wish.data.resolve()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(wish.threads * wish.processes, mp_context=multiprocessing.get_context("fork")) as pool:
        for world in wish.worlds.split(","):
            prepare(world, wish, pool)
            print(f"{time.time() - begun:.0f} s: {world} is there", flush=True)
    if wish.prepare_only:
        return 0
    done = {(line["row"], line["world"], line["seed"]) for line in lines(wish.out) if "error" not in line}
    jobs = [
        (row, world, int(seed), wish)
        for row in wish.rows.split(",")
        for seed in wish.seeds.split(",")
        for world in wish.worlds.split(",")
        if (row, world, int(seed)) not in done and (row == "default" or ":" not in world)
    ]
    wish.out.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(wish.processes, mp_context=context) as pool, wish.out.open("a") as file:
        left, running = list(jobs), set()
        while left or running:
            while left and len(running) < wish.processes and time.time() - begun < 60 * wish.minutes:
                running.add(pool.submit(_one, left.pop(0)))
            if not running:
                break
            future = next(as_completed(running))
            running.remove(future)
            line = future.result()
            file.write(json.dumps(line) + "\n")
            file.flush()
            told = line.get("error") or f"R@1 {line['r1']:.3f} in {line['seconds']} s, {line['ways']}"
            print(f"{time.time() - begun:.0f} s: {line['row']} {line['world']} {line['seed']}: {told}", flush=True)
    return 0


def lines(path: Path) -> list[dict[str, Any]]:
    """Of a file of JSON lines; none where there is no such file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
