"""Panorama JPEG to bird's-eye view and to the network's input: speed and quality beside other ways to get there.

python benchmarks/projection.py                        rendered panoramas at the sizes of CVUSA, CVACT and VIGOR
python benchmarks/projection.py --images FOLDER        your own JPEGs, all of one size
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import projection_peers as peers
import simplejpeg
import torch
from origin import measured_here

from ucvgl.images.decode import decode, resize
from ucvgl.projection.birdseye import COLUMNS_PER_PIXEL, BirdsEye
from ucvgl.settings.dataset import WorldLook
from ucvgl.world.levels import LEVELS
from ucvgl.world.panorama import render_panorama
from ucvgl.world.world import build_world, places

FOV_DEG = 170.0
BEV_SIZES = (128, 256, 384, 512)
INPUT = (384, 768)
"""Network input of the released code for VIGOR, rows and columns."""
SUPERSAMPLE = 6
JPEG_QUALITY = 90


@dataclass(frozen=True)
class Panoramas:
    """JPEGs of one size, and the elevations of their first and last row."""

    name: str
    jpegs: list[bytes]
    top_deg: float = 90.0
    bottom_deg: float = -90.0

    @property
    def shape(self) -> tuple[int, int]:
        return simplejpeg.decode_jpeg_header(self.jpegs[0])[:2]  # type: ignore[return-value]

    def birdseye(self, size: int, height: int, width: int) -> BirdsEye:
        angles = {"top_elevation_deg": self.top_deg, "bottom_elevation_deg": self.bottom_deg}
        return BirdsEye(size, height, width, fov_deg=FOV_DEG, **angles)


def rendered(count: int) -> Iterator[Panoramas]:
    """Places of a synthetic world at the sizes of the three data sets; CVUSA's show 36.5 to -29 degrees only."""
    world = build_world(0, LEVELS["medium"], WorldLook())
    spots = places(world)[:count]
    for name, height, width, top, bottom in (
        ("CVUSA", 616, 1232, 36.5, -29.0),
        ("CVACT", 832, 1664, 90.0, -90.0),
        ("VIGOR", 1024, 2048, 90.0, -90.0),
    ):
        rows = slice(round((90 - top) * height / 180), round((90 - bottom) * height / 180))
        images = [render_panorama(world, spot, k, height=height, width=width)[rows] for k, spot in enumerate(spots)]
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        jpegs = [cv2.imencode(".jpg", image[..., ::-1], options)[1].tobytes() for image in images]
        yield Panoramas(name, jpegs, top, bottom)


def birdseye_ways(images: Panoramas, size: int) -> dict[str, Callable[[bytes], np.ndarray]]:
    """Ways from JPEG bytes to a BEV, the project's own first; the two decoders alone are the limit."""
    height, width = images.shape
    whole, half = images.birdseye(size, height, width), images.birdseye(size, height // 2, width // 2)
    fine = images.birdseye(2 * size, height, width), images.birdseye(2 * size, height // 2, width // 2)

    def ours(data: bytes) -> np.ndarray:
        panorama = decode(data, "", enough=(0, COLUMNS_PER_PIXEL * size))
        return (whole if panorama.shape == whole.shape else half)(panorama)

    def ours_for_both_views(data: bytes) -> np.ndarray:
        panorama = decode(data, "", enough=(INPUT[0], max(INPUT[1], COLUMNS_PER_PIXEL * size)))
        resize(panorama, *INPUT)
        return (whole if panorama.shape == whole.shape else half)(panorama)

    return {
        "ucvgl": ours,
        "ucvgl, decoded at half scale": lambda data: half(_halved(data, height, width)),
        "ucvgl, at half scale, twice the size averaged": lambda data: resize(
            fine[1](_halved(data, height, width)), size, size
        ),
        "ucvgl, twice the size averaged": lambda data: resize(fine[0](decode(data, "")), size, size),
        "ucvgl, chroma repeated": lambda data: whole(simplejpeg.decode_jpeg(data, "RGB", fastupsample=True)),
        f"ucvgl, and the network's input {INPUT[0]} x {INPUT[1]}": ours_for_both_views,
        **peers.birdseye_ways(size, height, width, fov_deg=FOV_DEG),
        "decoding alone (simplejpeg)": lambda data: simplejpeg.decode_jpeg(data, "RGB"),
        "decoding alone (OpenCV)": peers.opencv_decode,
        "decoding alone, at half scale": lambda data: _halved(data, height, width),
        "decoding alone, a pixel of 64": lambda data: simplejpeg.decode_jpeg(data, "RGB", min_height=1, min_width=1),
    }


def _halved(data: bytes, height: int, width: int) -> np.ndarray:
    return simplejpeg.decode_jpeg(data, "RGB", min_height=height // 2, min_width=width // 2, min_factor=2)


def input_ways() -> dict[str, Callable[[bytes], np.ndarray]]:
    """Ways from JPEG bytes to what is handed to the network; ours is uint8, normalised on the device."""
    return {
        "ucvgl": lambda data: resize(decode(data, "", enough=INPUT), *INPUT),
        "ucvgl, decoded in full": lambda data: resize(decode(data, ""), *INPUT),
        "decode, resize, normalise": lambda data: peers.decode_resize_normalise(data, *INPUT),
        "decoding alone (simplejpeg)": lambda data: simplejpeg.decode_jpeg(data, "RGB"),
    }


def milliseconds(ways: dict[str, Callable[[bytes], np.ndarray]], jpegs: list[bytes], repeat: int) -> dict[str, float]:
    """Median CPU time of one thread per image; the ways take turns, so that a busy machine is unfair to none."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeat + 1):
        for data in jpegs:
            for name, way in ways.items():
                start = time.thread_time()
                way(data)
                if turn:  # the first warms up
                    taken[name].append(1000 * (time.thread_time() - start))
    return {name: float(np.median(times)) for name, times in taken.items()}


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(image.astype(np.float64) - truth).mean()))


def birdseye_lines(images: Panoramas, repeat: int) -> Iterator[dict]:
    height, width = images.shape
    for size in BEV_SIZES:
        ways = birdseye_ways(images, size)
        taken = milliseconds(ways, images.jpegs, repeat)
        fine = images.birdseye(SUPERSAMPLE * size, height, width)
        truths = [resize(fine(decode(data, "")), size, size) for data in images.jpegs]
        for name, way in ways.items():
            same_view = name.startswith("ucvgl") or (name in peers.SAME_VIEW and 2 * height == width)
            scores = [psnr(way(data), truth) for data, truth in zip(images.jpegs, truths, strict=True) if same_view]
            yield {
                **{"set": images.name, "to": f"BEV {size}", "way": name, "ms": taken[name]},
                "psnr_db": float(np.mean(scores)) if scores else None,
            }


def input_lines(images: Panoramas, repeat: int) -> Iterator[dict]:
    taken = milliseconds(input_ways(), images.jpegs, repeat)
    truths = [cv2.resize(decode(data, "").astype(np.float32), INPUT[::-1], interpolation=cv2.INTER_AREA)
              for data in images.jpegs]
    for name, way in input_ways().items():
        found = [peers.as_pixels(way(data)) for data in images.jpegs]
        scores = [psnr(image, truth) for image, truth in zip(found, truths, strict=True) if image.shape == truth.shape]
        yield {
            **{"set": images.name, "to": f"input {INPUT[0]} x {INPUT[1]}", "way": name, "ms": taken[name]},
            "psnr_db": float(np.mean(scores)) if scores else None,
        }


def markdown(lines: list[dict]) -> str:
    """One row per way; `x` is how many times longer than ours, `of decoding` relative to simplejpeg alone."""
    rows = ["| panoramas | to | way | ms | images/s/core | x | of decoding | PSNR dB |", "|" + " --- |" * 8]
    groups: dict[tuple[str, str], dict[str, float]] = {}
    for line in lines:
        groups.setdefault((line["set"], line["to"]), {})[line["way"]] = line["ms"]
    for line in lines:
        group = groups[line["set"], line["to"]]
        ratios = (line["ms"] / group["ucvgl"], line["ms"] / group["decoding alone (simplejpeg)"])
        quality = "" if line["psnr_db"] is None else f"{line['psnr_db']:.1f}"
        numbers = f"{line['ms']:.2f} | {1000 / line['ms']:.0f} | {ratios[0]:.2f} | {ratios[1]:.2f} | {quality}"
        rows.append(f"| {line['set']} | {line['to']} | {line['way']} | {numbers} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="folder of JPEG panoramas of one size")
    parser.add_argument("--count", type=int, default=3, help="panoramas per size")
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/projection.json"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    if options.images:
        files = sorted(options.images.glob("*.jpg"))[: options.count]
        sets = iter([Panoramas(options.images.name, [file.read_bytes() for file in files])])
    else:
        sets = rendered(options.count)
    lines = []
    for images in sets:
        lines += birdseye_lines(images, options.repeat)
        if images.shape[0] >= INPUT[0]:
            lines += input_lines(images, options.repeat)
    about = {**measured_here(), "fov_deg": FOV_DEG, "absent": peers.ABSENT}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({**about, "lines": lines}, indent=1) + "\n")
    print(markdown(lines))
    if peers.ABSENT:
        print(f"\nnot installed, so not measured: {', '.join(peers.ABSENT)}")


if __name__ == "__main__":
    main()
