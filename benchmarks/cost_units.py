"""What the cost model counts with: unit costs, a plan, what a stage needs, and how many requests files take."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ucvgl.images.storage import PIECE

PUTS_OF_A_FILE, GETS_OF_A_FILE, GETS_OF_AN_IMAGE = 4, 1, 2
"""Requests beside one for each piece: begin and end of an upload and of its mark; what asks for the size. And those for
an image of the data set (counted on moto's server)."""


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
        flop: on GPUs, as if all were at the bfloat16 rate.
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
