"""What a corpus costs, stage by stage, before any machine is rented: bytes, operations, memory, minutes, dollars.

python benchmarks/cost_model.py --queries 105214 --references 90618 --gpu-nodes 8 --cpu-nodes 4

Arithmetic from the settings of the preset `folder` and from unit costs. Those measured are named so in `Units`, those
assumed are flags: replace them by your own. A stage takes as long as the resource it needs most, which is its limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import tyro
from cost_units import GETS_OF_AN_IMAGE, Plan, Stage, files, gets, puts, requests

from ucvgl.images.far_images import AT_ONCE
from ucvgl.settings.experiment import Experiment
from ucvgl.settings.presets import folder

GB, TERA = 1e9, 1e12
BACKBONE_GFLOP, BACKBONE_CHANNELS, BACKBONE_SIDE = 51.0, 768, 384
"""ConvNeXt-Small: forward operations on a square image of that side (counted by PyTorch's FlopCounterMode)."""
BACKWARD = 3
"""A training step is a forward pass and a backward pass of twice its work."""
GENERATOR_GFLOP, GENERATOR_SIDE, DISCRIMINATOR_GFLOP = 114.0, 256, 6.0
"""CycleGAN's 9-block generator and its 70 x 70 discriminator on an image of that side."""


def stages(plan: Plan) -> Iterator[Stage]:
    experiment, units = folder(), plan.units
    n, m = plan.queries, plan.references
    height, width, tile = (
        experiment.dataset.panorama_height,
        experiment.dataset.panorama_width,
        experiment.dataset.tile_size,
    )
    panorama_bytes, tile_bytes = 3.0 * height * width, 3.0 * tile * tile
    see_panorama, see_tile = forward(height * width), forward(tile * tile)
    rounds = plan.rounds or experiment.curriculum.rounds
    per = experiment.resources.images_per_shard
    shard = per * (panorama_bytes + tile_bytes)
    fake, nodes = experiment.translation.fake, plan.gpu_nodes
    corpus = n * (panorama_bytes + tile_bytes) + m * tile_bytes + fake * n * tile_bytes
    streams = plan.cache_gb is not None and plan.cache_gb * GB < corpus and not plan.shared
    gets_shards = gets(n, panorama_bytes, per) + gets(n, tile_bytes, per) + gets(m, tile_bytes, per)

    yield Stage(
        "project",
        "cpu",
        written=n * (panorama_bytes + tile_bytes) + m * tile_bytes,
        bucket=1e6 * (n * units.panorama_mb + m * units.tile_mb),
        puts=puts(n, panorama_bytes, per) + puts(n, tile_bytes, per) + puts(m, tile_bytes, per),
        gets=GETS_OF_AN_IMAGE * (n + m),
        core_s=(n * units.panorama_ms + m * units.tile_ms) / 1000,
        memory=plan.cores * 2 * shard,
    )
    steps = experiment.translation.steps * experiment.translation.batch
    area = (tile / GENERATOR_SIDE) ** 2
    gan = (6 * BACKWARD * GENERATOR_GFLOP + 6 * BACKWARD * DISCRIMINATOR_GFLOP) * area * 1e9
    fakes = n * GENERATOR_GFLOP * area * 1e9
    if fake:
        read, each = (2 * steps + n) * tile_bytes, 2 * steps + n
        yield Stage(
            "translate",
            "gpu",
            read=0 if streams else read,
            written=n * tile_bytes,
            fetched=read / nodes if streams else (n + m) * tile_bytes,
            puts=puts(n, tile_bytes, per),
            gets=each if streams else nodes * (gets(n, tile_bytes, per) + gets(m, tile_bytes, per)),
            flop=(steps * gan + fakes) / units.gan_share,
        )
    intra, cross = experiment.cold_start.intra_epochs, experiment.cold_start.cross_epochs
    weights = 50e6 * 2 * 4 * 4  # two encoders; weights, gradients, two moments, and their running mean besides
    read = intra * (n * panorama_bytes + (n + m) * tile_bytes) + cross * n * (panorama_bytes + tile_bytes)
    each = intra * (2 * n + m) + cross * 2 * n
    yield Stage(
        "cold start",
        "gpu",
        read=0 if streams else read,
        fetched=read / nodes if streams else n * (panorama_bytes + tile_bytes) + (0 if fake else m * tile_bytes),
        gets=each if streams else nodes * (gets_shards - fake * gets(m, tile_bytes, per)),
        flop=BACKWARD
        * (intra * 2 * (n * see_panorama + (n + m) * see_tile) + cross * n * (see_panorama + see_tile)),
        memory=weights,
    )
    turns = plan.turns or experiment.curriculum.scan_turns
    held = 2 * m if experiment.curriculum.labels == "judged" else m  # a decoy beside every tile
    vector = 4.0 * dimension(experiment) * turns * 2  # seen twice: as a panorama and as a fake
    yield Stage(
        f"{rounds} x embed",
        "gpu",
        read=rounds * (n * (panorama_bytes + tile_bytes) + held * tile_bytes),
        written=rounds * (n + held) * vector,
        fetched=streams * rounds * (n * (panorama_bytes + tile_bytes) + m * tile_bytes) / nodes,
        puts=rounds * (puts(n, vector, per) + puts(held, vector, per)),
        gets=streams * rounds * gets_shards,
        flop=rounds * turns * (n * (see_panorama + see_tile) + held * see_tile),
        memory=shard,
    )
    rows = plan.search_rows or experiment.resources.search_rows
    others = 1 - 1 / nodes  # what a machine made itself it need not fetch
    waves = math.ceil(held / (nodes * rows))  # a worker holds a shard at a time; queries pass once per wave
    passes = waves if plan.cache_gb is not None and plan.cache_gb * GB < n * vector else 1
    yield Stage(
        f"{rounds} x match",
        "gpu",
        read=rounds * (waves * plan.gpu_nodes * n + held) * vector,
        fetched=rounds * others * (passes * n + held / nodes) * vector,
        puts=rounds * others * (nodes * passes * files(n, per) + files(held, per)),  # a list of marks for each
        gets=rounds * others * (nodes * passes * gets(n, vector, per) + gets(held, vector, per)),
        flop=rounds * 2.0 * n * held * vector / 4,
        memory=held / waves / plan.gpu_nodes * vector / 2,
    )
    labels, fakes = rounds * plan.labelled * n, experiment.curriculum.with_fakes  # others are seen with their fakes
    panoramas, tiles = (rounds * n, rounds * n + labels) if fakes else (labels, labels)
    read = panoramas * panorama_bytes + tiles * tile_bytes
    yield Stage(
        f"{rounds} x train",
        "gpu",
        read=0 if streams else read,
        fetched=streams * read / nodes,
        gets=streams * (panoramas + tiles),
        flop=BACKWARD * (panoramas * see_panorama + tiles * see_tile),
        memory=weights,
    )
    plain = 4.0 * dimension(experiment)  # seen once, beside as many decoys, by the cold start and the result
    waves = math.ceil(2 * m / (plan.gpu_nodes * rows))
    yield Stage(
        "2 x evaluate",
        "gpu",
        read=2 * (n * panorama_bytes + 2 * m * tile_bytes + (waves * plan.gpu_nodes * n + 2 * m) * plain),
        written=2 * (n + 2 * m) * plain,
        fetched=2 * others * (n + 2 * m / plan.gpu_nodes) * plain
        + (n * panorama_bytes + m * tile_bytes) / nodes,
        puts=2 * (puts(n, plain, per) + puts(2 * m, plain, per) + others * (nodes * files(n, per) + files(2 * m, per))),
        gets=2 * others * (nodes * gets(n, plain, per) + gets(2 * m, plain, per))
        + gets(n, panorama_bytes, per) + gets(m, tile_bytes, per),
        flop=2 * (n * see_panorama + 2 * m * see_tile + 2.0 * n * 2 * m * plain / 4 / units.float32_share),
        memory=2 * m / waves / plan.gpu_nodes * plain,
    )


def forward(pixels: int) -> float:
    """Operations of the backbone on one image."""
    return BACKBONE_GFLOP * 1e9 * pixels / BACKBONE_SIDE**2


def dimension(experiment: Experiment) -> int:
    return BACKBONE_CHANNELS * experiment.model.safa_heads


def seconds(stage: Stage, plan: Plan) -> dict[str, float]:
    """How long each resource is busy with a stage, if its work is spread evenly."""
    units, nodes = plan.units, plan.gpu_nodes if stage.pool == "gpu" else plan.cpu_nodes
    return {
        "GPUs": stage.flop / (units.gpu_tflops * TERA * nodes),
        "cores": stage.core_s / (plan.cores * nodes),
        "cache": (not plan.shared) * stage.read / (units.disk_gb_s * GB * nodes),
        "shared folder": plan.shared * (stage.read + stage.written) / (units.shared_gb_s * GB),
        "bucket": (stage.bucket + (0 if plan.shared else stage.fetched * nodes + stage.written))
        / (units.bucket_gb_s * GB * nodes),
        "requests": requests(stage, plan)[1] * max(units.request_s / (AT_ONCE * nodes), 1 / units.bucket_gets_s),
    }


def dollars(stage: Stage, plan: Plan) -> float:
    """Of the machines of its pool and of the head while the stage lasts, and of requests; machines that start and idle
    are not included."""
    units, hours = plan.units, max(seconds(stage, plan).values()) / 3600
    nodes = {"gpu": plan.gpu_nodes * units.gpu_node_dollars_h, "cpu": plan.cpu_nodes * units.cpu_node_dollars_h}
    writing, reading = requests(stage, plan)
    asked = (writing * units.puts_dollars_million + reading * units.gets_dollars_million) / 1e6
    return hours * (nodes[stage.pool] + units.head_dollars_h) + asked


def table(plan: Plan) -> str:
    """All stages in Markdown."""
    sizes = ["GB read", "GB written", "1,000 requests", "core hours", "PFLOP", "GB a machine"]
    heading = ["stage", *sizes, "minutes", "$", "limit"]
    lines = [heading, ["---"] * len(heading)]
    made = list(stages(plan))
    for stage in made:
        busy, nodes = seconds(stage, plan), plan.gpu_nodes if stage.pool == "gpu" else plan.cpu_nodes
        numbers = [
            (stage.bucket + (stage.read if plan.shared else stage.fetched * nodes)) / GB,
            stage.written / GB,
            sum(requests(stage, plan)) / 1000,
            stage.core_s / 3600,
            stage.flop / 1e15,
            stage.memory / GB,
            max(busy.values()) / 60,
            dollars(stage, plan),
        ]
        lines.append([stage.name, *map(shown, numbers), max(busy, key=busy.__getitem__)])
    minutes = sum(max(seconds(stage, plan).values()) for stage in made) / 60
    paid = sum(dollars(stage, plan) for stage in made)
    lines.append(["all", *[""] * len(sizes), shown(minutes), shown(paid), ""])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def images(plan: Plan) -> float:
    """Bytes of the images that a training reads in any order."""
    plan = replace(plan, cache_gb=None)
    return sum(stage.fetched for stage in stages(plan) if stage.name in ("translate", "cold start"))


def shown(number: float) -> str:
    """Two digits that count, as nothing here is known better."""
    if not number:
        return ""
    if number < 0.1:
        return "< 0.1"
    digits = max(0, 1 - math.floor(math.log10(number)))
    return f"{round(number, 1 - math.floor(math.log10(number))):,.{min(digits, 1)}f}"


if __name__ == "__main__":
    plan = tyro.cli(Plan, description=__doc__)
    machines = f"{plan.gpu_nodes} machines with a GPU and {plan.cpu_nodes} without"
    print(f"{plan.queries:,} panoramas x {plan.references:,} tiles on {machines}\n")
    print(table(plan))
    if not plan.shared:
        print(f"\nimages that the cache of a machine must hold: {shown(images(plan) / GB)} GB")
