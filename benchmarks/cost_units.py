"""What the cost model counts with: unit costs, a plan, what a stage needs, and how many requests files take."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from results import lines_of, whole

from ucvgl.images.storage import PIECE

TERA = 1e12
PUTS_OF_A_FILE, GETS_OF_A_FILE, GETS_OF_AN_IMAGE = 4, 1, 2
"""Requests beside one for each piece: begin and end of an upload and of its mark; what asks for the size. And those for
an image of the data set (counted on moto's server)."""
BACKBONE_GFLOP, BACKBONE_CHANNELS, BACKBONE_SIDE = 51.0, 768, 384
"""ConvNeXt-Small: forward operations on a square image of that side (counted by PyTorch's FlopCounterMode)."""
BACKWARD = 3
"""A training step is a forward pass and a backward pass of twice its work."""
GENERATOR_GFLOP, GENERATOR_SIDE, DISCRIMINATOR_GFLOP = 114.0, 256, 6.0
"""CycleGAN's 9-block generator and its 70 x 70 discriminator on an image of that side."""
GAN_GFLOP = BACKWARD * 6 * (GENERATOR_GFLOP + DISCRIMINATOR_GFLOP)
"""Of a step, for every pair of images of that side."""
H100, H200, H200_AGAIN = (whole(f"gpu{name}.json") for name in ("", "_h200", "_h200_ray"))
WHITENED = H200_AGAIN["whitening"]["shape"][1]
PREPARED = [line for line in lines_of("matching.jsonl") if line["part"] == "prepared"][-1]


def forward(pixels: int) -> float:
    """Operations of the backbone on one image."""
    return BACKBONE_GFLOP * 1e9 * pixels / BACKBONE_SIDE**2


def _trained() -> float:
    """TFLOP/s of the real loop, the preset `folder`."""
    return H100["loop_small_224"]["pairs_per_s"] * BACKWARD * (forward(224 * 448) + forward(224 * 224)) / TERA


def _embedded() -> float:
    """TFLOP/s of embedding from host memory to host memory."""
    case = H100["training_base_384"]
    return case["embedding"]["embed_images_per_s"] * case["forward_gflop_per_pair"] / 2 / 1000


def _translated() -> float:
    """TFLOP/s of the CycleGAN, at 384 x 384."""
    return H200["cyclegan"]["contiguous"]["pairs_per_s"] * GAN_GFLOP * (384 / GENERATOR_SIDE) ** 2 / 1000


def _matched() -> tuple[float, float]:
    """Of the exact search: TFLOP/s of the product and what looks at it, and seconds beside it for a number of every
    vector: its pairs are scored exactly."""
    told = H200_AGAIN["matching_8192"]
    queries, references, numbers = told["shape"]
    scoring = (told["ours_s"] - told["product_and_topk_s"]) / (queries + references) / numbers
    return 2 * queries * references * numbers / told["product_and_topk_s"] / TERA, scoring


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
    describe_ms: float = 1000 * PREPARED["seconds"]["describe"]
    """CPU time of the structure of one view from above, measured (`matching.py --parts prepared`)."""
    verify_ms: float = 1000 * PREPARED["seconds"]["verify"]
    """CPU time of comparing a query with ten candidates over poses, measured there."""
    known: float = 0.86
    """Of a later round's candidates, share that was verified in the round before: measured on `medium`."""
    verify_again: float = 13.6 / 23.4
    """CPU time that verifying takes in a later round, of that in the first: measured there."""
    whiten_s: float = H200_AGAIN["whitening"]["ours_s"]
    """Time of finding the whitening of `WHITENED` numbers on an H200; taken to grow with their cube."""
    train_tflops: float = _trained()
    """Measured on an H100 (`gpu.json`): ConvNeXt-S, the loop from disk."""
    embed_tflops: float = _embedded()
    """Measured on an H100 (`gpu.json`): ConvNeXt-B at 384."""
    gan_tflops: float = _translated()
    """Measured on an H200 (`gpu_h200.json`)."""
    match_tflops: float = _matched()[0]
    """Measured on an H200 (`gpu_h200_ray.json`): the product, and the best of every row and column."""
    score_ns: float = 1e9 * _matched()[1]
    """For a number of every vector; measured there."""
    rank_tflops: float = 40.0
    """Assumed: ranking multiplies in float32, of which a card's peak is 67. Not measured with this code."""
    shared_gb_s: float = 1.0
    """Assumed: what the folder that all machines share, where there is one, gives to all of them together."""
    bucket_gb_s: float = 1.0
    """Assumed: what one machine reads from the object store, or writes there."""
    disk_gb_s: float = 1.0
    """Assumed: what a machine's own disk, where its cache lies, gives to it."""
    request_s: float = 0.03
    """Assumed: until the object store answers; a process waits for 32 images at a time."""
    bucket_gets_s: float = 5500.0
    """Requests that read, from all machines under one prefix: what Amazon promises; more may come with the load."""
    puts_dollars_million: float = 5.0
    """Requests that write or list, as Amazon bills them."""
    gets_dollars_million: float = 0.4
    """Requests that read."""
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
    cache_gb: float | None = None
    """What the cache of a machine may hold; empty: all images that are trained on, and a round's descriptors. Of more
    images a training fetches each when it is due, and of more descriptors a machine fetches all for every wave."""
    units: Units = field(default_factory=Units)


@dataclass(frozen=True)
class Stage:
    """What a stage needs in all.

    Args:
        pool: whose machines it keeps.
        read, written: bytes of the run, as if no machine kept anything in its memory.
        fetched: bytes of the run that each machine fetches where it lies in a bucket.
        bucket: bytes of the data set in the object store.
        puts, gets: requests of all machines to the object store.
        core_s: CPU time of one core.
        flop: on GPUs.
        tflops: TFLOP/s of one of them.
        gpu_s: seconds of one of them beside these.
        alone_s: seconds of one machine, while the others wait.
        memory: bytes that a machine holds, without the activations of networks.
    """

    name: str
    pool: str
    read: float = 0
    written: float = 0
    fetched: float = 0
    bucket: float = 0
    puts: float = 0
    gets: float = 0
    core_s: float = 0
    flop: float = 0
    tflops: float = 1
    gpu_s: float = 0
    alone_s: float = 0
    memory: float = 0


def files(count: float, per: int) -> int:
    """Shards of so many rows each."""
    return math.ceil(count / per)


def puts(count: float, size: float, per: int) -> float:
    """Requests that upload so many rows of a size, in bytes."""
    return files(count, per) * PUTS_OF_A_FILE + math.ceil(count * size / PIECE)


def gets(count: float, size: float, per: int) -> float:
    """Requests that fetch them."""
    return files(count, per) * GETS_OF_A_FILE + math.ceil(count * size / PIECE)


def requests(stage: Stage, plan: Plan) -> tuple[float, float]:
    """To the object store: those that write or list, and those that read; of a run in a folder those for images."""
    return (0.0, stage.gets * bool(stage.bucket)) if plan.shared else (stage.puts, stage.gets)
