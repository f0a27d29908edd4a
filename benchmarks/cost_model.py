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
from cost_units import (
    BACKBONE_CHANNELS,
    BACKWARD,
    GAN_GFLOP,
    GENERATOR_GFLOP,
    GENERATOR_SIDE,
    GETS_OF_AN_IMAGE,
    PREPARED,
    TERA,
    WHITENED,
    Plan,
    Stage,
    files,
    forward,
    gets,
    puts,
    requests,
)  # fmt: skip

from ucvgl.distributed.rounds import TWICE
from ucvgl.distributed.selection import PANORAMA_SHARES
from ucvgl.images.far_images import AT_ONCE
from ucvgl.poses.structure import DIMENSION
from ucvgl.settings.experiment import Experiment
from ucvgl.settings.presets import folder

GB = 1e9
ALIKE = 256
"""Queries in a file of what verifying found."""


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
    gan, fakes = GAN_GFLOP * area * 1e9, n * GENERATOR_GFLOP * area * 1e9
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
            flop=steps * gan + fakes,
            tflops=units.gan_tflops,
        )
    intra, cross = experiment.cold_start.intra_epochs, experiment.cold_start.cross_epochs
    later = experiment.curriculum.panoramas_later  # then the encoder of tiles alone is trained here
    weights = 50e6 * 2 * 4 * 4  # two encoders; weights, gradients, two moments, and their running mean besides
    seen = 0 if later else n
    read = intra * (seen * panorama_bytes + (n + m) * tile_bytes) + cross * n * (panorama_bytes + tile_bytes)
    each = intra * (seen + n + m) + cross * 2 * n
    yield Stage(
        "cold start",
        "gpu",
        read=0 if streams else read,
        fetched=read / nodes if streams else n * (panorama_bytes + tile_bytes) + (0 if fake else m * tile_bytes),
        gets=each if streams else nodes * (gets_shards - fake * gets(m, tile_bytes, per)),
        flop=BACKWARD
        * (intra * 2 * (seen * see_panorama + (n + m) * see_tile) + cross * n * (see_panorama + see_tile)),
        tflops=units.train_tflops,
        memory=weights,
    )
    curriculum = replace(experiment.curriculum, rounds=rounds)
    early = curriculum.rounds_without_panoramas
    turns = plan.turns or curriculum.scan_turns
    held = 2 * m if curriculum.labels == "judged" else m  # a decoy beside every tile
    wide = dimension(experiment) * turns  # seen once without panoramas, then twice, and beside it the structure
    vector = 4.0 * (wide * (early + 2 * (rounds - early)) / rounds + DIMENSION)
    looked = (rounds - early) * n * panorama_bytes + rounds * (n + held) * tile_bytes
    yield Stage(
        f"{rounds} x embed",
        "gpu",
        read=looked,
        written=rounds * (n + held) * vector,
        fetched=streams * rounds * (n * (panorama_bytes + tile_bytes) + m * tile_bytes) / nodes,
        puts=rounds * (puts(n, vector, per) + puts(held, vector, per)),
        gets=streams * rounds * gets_shards,
        flop=turns * ((rounds - early) * n * see_panorama + rounds * (n + held) * see_tile),
        tflops=units.embed_tflops,
        memory=shard,
    )
    one = units.whiten_s * (wide / WHITENED) ** 3
    waits = early * math.ceil(2 / nodes) + (rounds - early) * math.ceil(3 / nodes)  # looks; a worker takes one
    kept = 4.0 * DIMENSION  # the structure of a view, described in the first round
    yield Stage(
        f"{rounds} x describe, whiten",
        "gpu",
        read=(n + held) * (rounds * vector + (rounds - 1) * kept),
        written=(n + held) * (rounds * vector + kept),
        puts=sum(rounds * puts(count, vector, per) + puts(count, kept, per) for count in (n, held)),
        core_s=(n + held) * units.describe_ms / 1000,
        alone_s=waits * one,
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
        tflops=units.match_tflops,
        gpu_s=rounds * (n + held) * vector / 4 * units.score_ns / 1e9,
        memory=held / waves / plan.gpu_nodes * vector / 2,
    )
    candidates = curriculum.verified
    first = n * units.verify_ms / 1000 * candidates / PREPARED["candidates"]
    compared, again = (  # no machine reads a tile twice
        (n + min(m * nodes, new * candidates * n)) * tile_bytes for new in (1, 1 - units.known)
    )
    yield Stage(
        f"{rounds} x verify",
        "gpu",
        read=compared + (rounds - 1) * again,
        puts=rounds * files(n, ALIKE) * puts(1, 0, 1),
        core_s=first * (1 + (rounds - 1) * units.verify_again),
    )
    fakes, beside = curriculum.with_fakes, (rounds - early) * (early > 0)
    alone = 2 * plan.labelled * (TWICE * early + beside) * n  # a label's fake and tile without the panorama
    labels = plan.labelled * (rounds - early) * n
    panoramas = (rounds - early) * n if fakes else labels  # those without a label are seen with their fakes
    tiles = alone + labels + (panoramas if fakes else 0)
    read = panoramas * panorama_bytes + tiles * tile_bytes
    yield Stage(
        f"{rounds} x train",
        "gpu",
        read=0 if streams else read,
        fetched=streams * read / nodes,
        gets=streams * (panoramas + tiles),
        flop=BACKWARD * (panoramas * see_panorama + tiles * see_tile),
        tflops=units.train_tflops,
        memory=weights,
    )
    shares = len(PANORAMA_SHARES)  # the cold start and the result, and the result once more with every share
    plain = 4.0 * (dimension(experiment) + DIMENSION)
    asked, tiled = 2 * n + shares * n, 3 * 2 * m
    waves = math.ceil(2 * m / (plan.gpu_nodes * rows))
    images = asked * (panorama_bytes + tile_bytes) + tiled * tile_bytes
    yield Stage(
        "evaluate: embed",
        "gpu",
        read=images,
        written=(asked + tiled) * plain,
        fetched=(n * (panorama_bytes + tile_bytes) + m * tile_bytes) / nodes,
        puts=(2 + shares) * puts(n, plain, per) + 3 * puts(2 * m, plain, per),
        gets=gets(n, panorama_bytes, per) + gets(n, tile_bytes, per) + gets(m, tile_bytes, per),
        flop=asked * (see_panorama + see_tile) + tiled * see_tile,
        tflops=units.embed_tflops,
        memory=shard,
    )
    yield Stage(
        "evaluate: describe, verify",
        "gpu",
        read=(2 + 1) * compared,
        core_s=((asked + tiled) * units.describe_ms + 4 * 1.5 * n * units.verify_ms) / 1000,
    )
    yield Stage(
        "evaluate: rank",
        "gpu",
        read=(2 + shares) * (waves * plan.gpu_nodes * n + 2 * m) * plain,
        fetched=others * ((2 + shares) * n + 3 * 2 * m / plan.gpu_nodes) * plain,
        puts=others * ((2 + shares) * nodes * files(n, per) + 3 * files(2 * m, per)),
        gets=others * ((2 + shares) * nodes * gets(n, plain, per) + 3 * gets(2 * m, plain, per)),
        flop=(2 + shares) * 2.0 * n * 2 * m * plain / 4,
        tflops=units.rank_tflops,
        memory=2 * m / waves / plan.gpu_nodes * plain,
    )


def dimension(experiment: Experiment) -> int:
    return BACKBONE_CHANNELS * experiment.model.safa_heads


def seconds(stage: Stage, plan: Plan) -> dict[str, float]:
    """How long each resource is busy with a stage, if its work is spread evenly."""
    units, nodes = plan.units, plan.gpu_nodes if stage.pool == "gpu" else plan.cpu_nodes
    return {
        "GPUs": (stage.flop / (stage.tflops * TERA) + stage.gpu_s) / nodes,
        "cores": stage.core_s / (plan.cores * nodes) + stage.alone_s,
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
            (stage.core_s + stage.alone_s) / 3600,
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
