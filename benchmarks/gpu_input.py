"""JPEG to network input on all processors: what feeds one card."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import cv2
import numpy as np
import torch

from ucvgl.images.decode import decode, resize
from ucvgl.projection.birdseye import from_above, worth_decoding
from ucvgl.settings.experiment import Projection

JPEGS = 4


def rates(device: torch.device, quick: bool) -> dict[str, Any]:
    """Images per second of all processes: panoramas to inputs and bird's-eye views, tiles to inputs."""
    count, for_s = (2, 0.3) if quick else (os.cpu_count() or 1, 3.0)
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_panoramas, [0.05] * count))  # all are there, and warm
        found = {
            f"{name}_per_s": round(sum(pool.map(work, [for_s] * count)) / for_s, 1)
            for name, work in (("panoramas", _panoramas), ("tiles", _tiles))
        }
    return {"processes": count, **found}


def _jpegs(height: int, width: int) -> list[bytes]:
    """Pictures with detail at every scale, of about 2.5 bits a pixel at VIGOR's size."""
    random = np.random.default_rng(0)
    made = []
    for _ in range(JPEGS):
        picture = np.zeros((height, width, 3), np.float32)
        for scale in (1, 4, 16, 64):
            noise = random.random((height // scale, width // scale, 3), np.float32)
            picture += cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR) * scale**0.5
        picture *= 255 / picture.max()
        made.append(cv2.imencode(".jpg", picture.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())
    return made


def _panoramas(for_s: float) -> int:
    """A VIGOR panorama to the network's 384 x 768 and a bird's-eye view of 384."""
    cv2.setNumThreads(1)
    projection, size, network = Projection(fov_deg=172.2), 384, (384, 768)
    pictures, done = _jpegs(1024, 2048), 0
    start = time.perf_counter()
    while time.perf_counter() - start < for_s:
        panorama = decode(pictures[done % JPEGS], "a panorama", enough=worth_decoding(projection, size, network))
        resize(panorama, *network)
        from_above(projection, panorama, size)
        done += 1
    return done


def _tiles(for_s: float) -> int:
    """A tile of 640 x 640 to 384 x 384."""
    cv2.setNumThreads(1)
    pictures, done = _jpegs(640, 640), 0
    start = time.perf_counter()
    while time.perf_counter() - start < for_s:
        resize(decode(pictures[done % JPEGS], "a tile", enough=(384, 384)), 384, 384)
        done += 1
    return done
