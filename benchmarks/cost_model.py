"""What a corpus costs, stage by stage, before any machine is rented: bytes, operations, memory, minutes, dollars.

python benchmarks/cost_model.py --queries 105214 --references 90618 --gpu-nodes 8 --cpu-nodes 4

Arithmetic from the settings of the preset `folder` and from unit costs. Those measured are named so in `Units`, those
assumed are flags: replace them by your own. A stage takes as long as the resource it needs most, which is its limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import tyro

from ucvgl.settings.experiment import Experiment
from ucvgl.settings.presets import folder

GB, TERA = 1e9, 1e12
BACKBONE_GFLOP, BACKBONE_CHANNELS, BACKBONE_SIDE = 51.0, 768, 384
"""ConvNeXt-Small: forward operations on a square image of that side (counted by PyTorch's FlopCounterMode)."""
BACKWARD = 3
"""A training step is a forward pass and a backward pass of twice its work."""
GENERATOR_GFLOP, GENERATOR_SIDE, DISCRIMINATOR_GFLOP = 114.0, 256, 6.0
"""CycleGAN's 9-block generator and its 70 x 70 discriminator on an image of that side."""


@dataclass(frozen=True)
class Units:
    """Unit costs."""

    panorama_ms: float = 14.6
    """CPU time of one core to decode a 2048 x 1024 panorama, lay it on the ground and shrink it: 7.2 + 7.4, measured
    (docs/performance.md)."""
    tile_ms: float = 8.2
    """CPU time to decode a PNG tile of 640 x 640, measured; a JPEG takes 1.6."""
    panorama_mb: float = 0.5
    tile_mb: float = 0.7
    gpu_tflops: float = 400.0
    """Assumed: what an H100 reaches in bfloat16, 40 % of its peak. Not measured with this code."""
    float32_share: float = 0.1
    """Assumed: of that, what ranking reaches, whose products are in float32."""
    gan_share: float = 0.25
    """Assumed: the CycleGAN trains in float32 (TF32 where the card has it)."""
    shared_gb_s: float = 1.0
    """Assumed: what the folder that all machines share, where there is one, gives to all of them together."""
    bucket_gb_s: float = 1.0
    """Assumed: what one machine reads from the object store, or writes there."""
    disk_gb_s: float = 1.0
    """Assumed: what a machine's own disk, where its cache lies, gives to it."""
    gpu_node_dollars_h: float = 4.0
    """Assumed: an hour of a spot machine with one such GPU and 16 cores."""
    cpu_node_dollars_h: float = 0.35
    """Assumed: an hour of a spot machine with 16 cores."""
    head_dollars_h: float = 0.45
    """Assumed: an hour of the head, on demand."""


@dataclass(frozen=True)
class Plan:
    """A corpus, the machines for it, and what deviates from the preset."""

    queries: int = 105_214
    references: int = 90_618
    gpu_nodes: int = 8
    cpu_nodes: int = 4
    cores: int = 16
    """Of a machine."""
    rounds: int | None = None
    """Of the curriculum; empty: the preset's."""
    turns: int | None = None
    """`curriculum.scan_turns`; empty: the preset's."""
    search_rows: int | None = None
    """`resources.search_rows`; empty: its default."""
    labelled: float = 1.0
    """Share of the queries that a round trains on; 1 is an upper bound."""
    shared: bool = False
    """The run lies in a folder that all machines share; else in a bucket, and each has what it needs in a cache."""
    units: Units = field(default_factory=Units)


@dataclass(frozen=True)
class Stage:
    """What a stage needs in all.

    Args:
        pool: whose machines it keeps.
        read, written: bytes of the run, as if no machine kept anything in its memory.
        fetched: bytes of the run that each machine fetches where it lies in a bucket, once, for its cache.
        bucket: bytes of the data set in the object store.
        core_s: CPU time of one core.
        flop: on GPUs, as if all were at the bfloat16 rate.
        memory: bytes that a machine holds, without the activations of networks.
    """

    name: str
    pool: str
    read: float = 0
    written: float = 0
    fetched: float = 0
    bucket: float = 0
    core_s: float = 0
    flop: float = 0
    memory: float = 0


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
    shard = experiment.resources.images_per_shard * (panorama_bytes + tile_bytes)

    yield Stage(
        "project",
        "cpu",
        written=n * (panorama_bytes + tile_bytes) + m * tile_bytes,
        bucket=1e6 * (n * units.panorama_mb + m * units.tile_mb),
        core_s=(n * units.panorama_ms + m * units.tile_ms) / 1000,
        memory=plan.cores * 2 * shard,
    )
    steps = experiment.translation.steps * experiment.translation.batch
    area = (tile / GENERATOR_SIDE) ** 2
    gan = (6 * BACKWARD * GENERATOR_GFLOP + 6 * BACKWARD * DISCRIMINATOR_GFLOP) * area * 1e9
    fakes = n * GENERATOR_GFLOP * area * 1e9
    if experiment.translation.fake:
        yield Stage(
            "translate",
            "gpu",
            read=2 * steps * tile_bytes + n * tile_bytes,
            written=n * tile_bytes,
            fetched=(n + m) * tile_bytes,
            flop=(steps * gan + fakes) / units.gan_share,
        )
    intra, cross = experiment.cold_start.intra_epochs, experiment.cold_start.cross_epochs
    weights = 50e6 * 2 * 4 * 4  # two encoders; weights, gradients, two moments, and their running mean besides
    yield Stage(
        "cold start",
        "gpu",
        read=intra * (n * panorama_bytes + (n + m) * tile_bytes) + cross * n * (panorama_bytes + tile_bytes),
        fetched=n * (panorama_bytes + tile_bytes) + (0 if experiment.translation.fake else m * tile_bytes),
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
        flop=rounds * turns * (n * (see_panorama + see_tile) + held * see_tile),
        memory=shard,
    )
    rows = plan.search_rows or experiment.resources.search_rows
    others = 1 - 1 / plan.gpu_nodes  # what a machine made itself it need not fetch
    waves = math.ceil(held / (plan.gpu_nodes * rows))  # a worker holds a shard at a time; queries pass once per wave
    yield Stage(
        f"{rounds} x match",
        "gpu",
        read=rounds * (waves * plan.gpu_nodes * n + held) * vector,
        fetched=rounds * others * (n + held / plan.gpu_nodes) * vector,
        flop=rounds * 2.0 * n * held * vector / 4,
        memory=held / waves / plan.gpu_nodes * vector / 2,
    )
    labels, fakes = rounds * plan.labelled * n, experiment.curriculum.with_fakes  # others are seen with their fakes
    panoramas, tiles = (rounds * n, rounds * n + labels) if fakes else (labels, labels)
    yield Stage(
        f"{rounds} x train",
        "gpu",
        read=panoramas * panorama_bytes + tiles * tile_bytes,
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
        + (n * panorama_bytes + m * tile_bytes) / plan.gpu_nodes,
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
    }


def dollars(stage: Stage, plan: Plan) -> float:
    """Of the machines of its pool and of the head while the stage lasts; machines that start and idle not included."""
    units, hours = plan.units, max(seconds(stage, plan).values()) / 3600
    nodes = {"gpu": plan.gpu_nodes * units.gpu_node_dollars_h, "cpu": plan.cpu_nodes * units.cpu_node_dollars_h}
    return hours * (nodes[stage.pool] + units.head_dollars_h)


def table(plan: Plan) -> str:
    """All stages in Markdown."""
    heading = ["stage", "GB read", "GB written", "core hours", "PFLOP", "GB a machine", "minutes", "$", "limit"]
    lines = [heading, ["---"] * len(heading)]
    made = list(stages(plan))
    for stage in made:
        busy, nodes = seconds(stage, plan), plan.gpu_nodes if stage.pool == "gpu" else plan.cpu_nodes
        numbers = [
            (stage.bucket + (stage.read if plan.shared else stage.fetched * nodes)) / GB,
            stage.written / GB,
            stage.core_s / 3600,
            stage.flop / 1e15,
            stage.memory / GB,
            max(busy.values()) / 60,
            dollars(stage, plan),
        ]
        lines.append([stage.name, *map(shown, numbers), max(busy, key=busy.__getitem__)])
    minutes = sum(max(seconds(stage, plan).values()) for stage in made) / 60
    lines.append(["all", "", "", "", "", "", shown(minutes), shown(sum(dollars(stage, plan) for stage in made)), ""])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def images(plan: Plan) -> float:
    """Bytes of the images that a training reads in any order."""
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
