"""Good things, what a seed makes of them, and what came of that: the cases of `benchmarks/fuzz.py`."""

from __future__ import annotations

import io
import json
import random
import shutil
import struct
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np

from ucvgl.run.ending import sentence

Outcome = tuple[str, str]


def judged(what: str, use: Callable[[], Any], same: Callable[[Any], bool]) -> Outcome:
    """What came of using a thing."""
    try:
        result = use()
    except Exception as error:
        told = sentence(error)
        if told is None or "Traceback" in told:
            return "traceback", f"{what}: {traceback.format_exc()[-600:]}"
        return "refused", told[:200]
    return ("same" if same(result) else "other"), what


def damaged(data: bytes, draw: random.Random) -> tuple[str, bytes]:
    """The bytes of a file after an accident, or an attack that knows no format."""
    way, content = (
        draw.choice(["cut", "flip", "hole", "zeros", "twice", "noise", "empty", "insert", "swap"]),
        bytearray(data),
    )
    at = draw.randrange(max(1, len(data)))
    size = draw.choice([1, 4, 64, 1024])
    if way == "cut":
        del content[at:]
    elif way == "flip":
        for _ in range(draw.choice([1, 1, 3, 20])):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    elif way == "hole":
        del content[at : at + size]
    elif way == "zeros":
        content[at : at + size] = bytes(len(content[at : at + size]))
    elif way == "twice":
        content[at:at] = content[at : at + size]
    elif way == "noise":
        content = bytearray(draw.randbytes(len(content)))
    elif way == "empty":
        content = bytearray()
    elif way == "insert":
        content[at:at] = draw.randbytes(size)
    elif way == "swap":
        content = content[at:] + content[:at]
    return way, bytes(content)


def images(home: Path, seed: int) -> Callable[[int], Outcome]:
    """Images of all kinds; what is decoded must look like what was encoded."""
    import cv2
    from PIL import Image

    from ucvgl.images.decode import decode

    smooth = cv2.resize(np.random.default_rng(seed).integers(0, 256, (6, 12, 3), np.uint8), (240, 120))
    good: dict[str, bytes] = {}
    for name, kind, options in (
        ("jpeg", "JPEG", {"quality": 90}), ("progressive", "JPEG", {"progressive": True}), ("png", "PNG", {}),
        ("webp", "WEBP", {"lossless": True}), ("bmp", "BMP", {}), ("tiff", "TIFF", {"compression": "tiff_lzw"}),
    ):  # fmt: skip
        file = io.BytesIO()
        Image.fromarray(smooth).save(file, kind, **options)
        good[name] = file.getvalue()
    scan = good["progressive"].rfind(b"\xff\xda")

    def hostile(draw: random.Random) -> tuple[str, bytes]:
        png, jpeg, bmp = good["png"], good["jpeg"], good["bmp"]
        huge = struct.pack(">II", draw.choice([1, 2**15, 2**31 - 1]), draw.choice([2**15, 2**16, 2**31 - 1]))
        frame = jpeg.find(b"\xff\xc0") + 5
        return draw.choice(
            [
                (
                    "many scans",
                    good["progressive"][:-2] + good["progressive"][scan:-2] * draw.choice([40, 3000]) + jpeg[-2:],
                ),
                ("huge png", png[:16] + huge + png[24:]),
                ("huge jpeg", jpeg[:frame] + b"\xff\xff\xff\xff" + jpeg[frame + 4 :]),
                ("huge bmp", bmp[:18] + struct.pack("<ii", 2**30, -(2**30)) + bmp[26:]),
                (
                    "other kind",
                    draw.choice([b"GIF89a", b"%!PS-Adobe", b"II*\0", b"RIFF....WEBP", b"\x89PNG", b"BM"]) + png,
                ),
                ("text", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
            ]
        )

    def case(number: int) -> Outcome:
        draw = random.Random(f"{seed} images {number}")
        name = draw.choice(list(good))
        way, data = hostile(draw) if draw.random() < 0.25 else damaged(good[name], draw)
        near = lambda found: found.shape == smooth.shape and np.abs(found.astype(int) - smooth).mean() < 8  # noqa: E731
        return judged(f"{name}, {way}", lambda: decode(data, "a.jpg"), near)

    return case


def indexes(home: Path, seed: int) -> Callable[[int], Outcome]:
    """An index of which one file is damaged, or one value of the manifest changed."""
    from tests.index.areas import make_index, pictures
    from ucvgl.index.answers import json_lines
    from ucvgl.index.localizer import load

    photo = pictures(home / "photos", 1, (32, 128), seed=9)[0]
    make_index(home / "area")
    files = {path.name: path.read_bytes() for path in (home / "area").iterdir() if path.is_file()}

    def answer() -> str:
        told = json_lines(load(home / "area", device="cpu").localize(photo))
        json.loads(told, parse_constant=lambda name: 1 / 0)  # NaN is no JSON
        return told

    truth = answer()

    def case(number: int) -> Outcome:
        draw = random.Random(f"{seed} indexes {number}")
        name = draw.choice([*files, "manifest.json"])
        way, data = damaged(files[name], draw)
        if name == "manifest.json" and draw.random() < 0.7:
            way, data = _changed(json.loads(files[name]), draw)
        for other, content in files.items():
            (home / "area" / other).write_bytes(data if other == name else content)
        if draw.random() < 0.05:
            (home / "area" / name).unlink()
        return judged(f"{name}, {way}", answer, lambda told: told == truth)

    return case


def _changed(tree: Any, draw: random.Random) -> tuple[str, bytes]:
    """A JSON document with another value somewhere."""
    at, path = tree, []
    while isinstance(at, (dict, list)) and at:
        holder, key = at, draw.choice(list(at) if isinstance(at, dict) else range(len(at)))
        at, path = at[key], [*path, str(key)]
    value = draw.choice([float("nan"), float("inf"), -1, 0, 10**400, "", "../x", None, [], {}, True, 1e308, "x" * 9999])
    holder[key] = value
    return f"{'.'.join(path)} = {str(value)[:20]}", json.dumps(tree).encode()


def runs(home: Path, seed: int) -> Callable[[int], Outcome]:
    """A run of which one file is damaged, gone, or a folder."""
    from tests.index.areas import make_run, pictures
    from ucvgl.index.localizer import load

    photo = pictures(home / "photos", 1, (32, 128), seed=9)[0]
    whole = make_run(home / "whole", queries=4, tiles=4)
    names = [path.relative_to(whole) for path in whole.rglob("*") if path.is_file()]

    def described(run: Path) -> np.ndarray:
        found = load(run, device="cpu").embed_queries([photo])
        assert np.isfinite(found).all()
        return found

    truth = described(whole)

    def case(number: int) -> Outcome:
        draw = random.Random(f"{seed} runs {number}")
        run = home / "run"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(whole, run)
        read = [name for name in names if name.name in ("config.yaml", "model.pt")]
        name = draw.choice(read if draw.random() < 0.8 else names)
        way, data = damaged((run / name).read_bytes(), draw)
        (run / name).unlink()
        kind = draw.random()
        if kind < 0.05:
            way = "gone"
        elif kind < 0.1:
            way = "a folder"
            (run / name).mkdir()
        else:
            (run / name).write_bytes(data)
        return judged(f"{name.name}, {way}", lambda: described(run), lambda found: np.array_equal(found, truth))

    return case


def settings(home: Path, seed: int) -> Callable[[int], Outcome]:
    """Command lines and files; what is taken must be what was given, and must come back from the run's own file.

    Half of the cases are what a person may mean, so that enough are taken.
    """
    from ucvgl.commands.invocation import resolve
    from ucvgl.settings.dotted import dotted, from_yaml, setting_types, to_yaml
    from ucvgl.settings.experiment import Experiment

    types, usual = setting_types(), dotted(Experiment())
    names = list(types)
    values = [
        "0", "-1", "nan", "inf", "1e400", "9" * 400, "9" * 5000, "", " ", "true", "null", "[1]", "{}", "1:1", "0x10",
        "1e3", "s3://k:se/cret@b/x", "../..", "\0", "é" * 300, "2020-01-01", "*a", "&a 1", "!!python/name:os.system",
        "64", "0.5", "2", "8", "0.01",
    ]  # fmt: skip
    texts = [
        "[" * 3000,
        "a: &a [*a]",
        "seed: 1\nseed: 2",
        "- 1",
        "\t",
        "seed",
        "? [a]\n: 1",
        "curriculum: 3",
        "%YAML 9\n---\n",
    ]

    def case(number: int) -> Outcome:
        draw = random.Random(f"{seed} settings {number}")
        meant, some = draw.random() < 0.5, draw.sample(names, draw.choice([1, 1, 2, 5]))
        given = {name: _likely(types[name], usual[name], draw) if meant else draw.choice(values) for name in some}
        run = "r" if meant else draw.choice(["r", "s3://b/../x", "s3://b//x", "r/../.."])
        argv = [draw.choice(["tiny", "folder", "synthetic"]), "--run", run]
        written = draw.random() < 0.4
        if written:
            text = "\n".join(f"{name}: {value or repr(value)}" for name, value in given.items())
            if not meant:
                text = draw.choice([text, *texts])
            spoilt = not meant and draw.random() < 0.3
            (home / "mine.yaml").write_bytes(damaged(text.encode(), draw)[1] if spoilt else text.encode())
            argv += ["--config", str(home / "mine.yaml")]
        else:
            argv += [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", value)]

        def held(found: Any) -> bool:
            back = from_yaml(to_yaml(found.experiment)) == found.experiment
            took = dotted(found.experiment)
            as_given = (written and not meant) or all(_means(took[name], value) for name, value in given.items())
            return back and "cret" not in str(took) and as_given

        return judged(f"{argv[3:]}", lambda: resolve(argv), held)

    return case


def _likely(type_: Any, usual: Any, draw: random.Random) -> str:
    """A value that a person may mean."""
    if type_ is bool:
        return draw.choice(["true", "false"])
    if type_ in (int, float):
        return str(type_(draw.choice([usual, usual, 2 * usual, usual / 2, 1])))
    return str(draw.choice(get_args(type_) or [usual]))


def _means(value: Any, text: str) -> bool:
    if isinstance(value, bool):
        return text.lower() in ("true", "false", "0", "1", "0.0", "1.0")
    return float(text) == value if isinstance(value, (int, float)) else str(value) == text
