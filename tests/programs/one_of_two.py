"""One worker of two: `python one_of_two.py RANK FOLDER` matches its shards of the parts in `FOLDER/{q,r}`."""

import sys
from pathlib import Path

import torch
import torch.distributed as dist

from ucvgl.programs.matching import match_shards, shards
from ucvgl.retrieval.vectors import Stored

if __name__ == "__main__":
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    queries, references = (Stored.of(sorted((folder / side).glob("*.npy"))) for side in ("q", "r"))
    cuts = shards(references.span[1], workers=2, rows=700)
    sides = {"queries": queries, "references": references}
    match_shards(cuts, folder=folder, k=3, device=torch.device("cpu"), log=lambda **_: None, **sides)
    dist.destroy_process_group()
