"""Credentials in any word of any command or file, and whether any is said or written: cases of `benchmarks/fuzz.py`."""

from __future__ import annotations

import io
import logging
import os
import random
import shutil
import string
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from urllib.parse import quote

from fuzz_cases import Outcome

SCHEMES = ("s3", "S3", "gs", "gcs", "abfs", "abfss", "hdfs", "https", "http", "ray", "swift")
NAMES = ("secret_key", "access_key", "token", "X-Amz-Signature", "sig", "pw", "AWS_SECRET_ACCESS_KEY", "auth")
SETTINGS = (
    *("dataset.root", "dataset.queries", "dataset.references", "adaptation.source", "supervision.start", "no.such"),
    *("model.checkpoint", "model.backbone", "resources.address", "seed", "curriculum.rounds"),
)
ODD = "/+=%@&?#:;'\"<> ~$*[]{},"
"""Of what secrets may hold beside letters and digits."""


def secrets(home: Path, seed: int) -> Callable[[int], Outcome]:
    """A credential of any form somewhere in a command, a setting, a list of tiles or a sweep's values."""
    from tests.index.areas import make_index, make_run, pictures

    os.environ |= {"HOME": str(home), "UCVGL_CACHE": str(home / "cache")}
    os.environ.pop("RAY_ADDRESS", None)
    make_index(home / "area")
    run = make_run(home / "run", queries=4, tiles=4)
    (photo,) = pictures(home / "photos", 1, (32, 128), seed=9)
    places = {"index": str(home / "area"), "run": str(run), "photo": str(photo)}

    def case(number: int) -> Outcome:
        draw = random.Random(f"{seed} secrets {number}")
        uri, parts = _credential(draw)
        into = home / "here"
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir()
        os.chdir(into)
        program, argv, given = _command(draw, uri, places)
        for name, content in given.items():
            Path(name).write_text(content)
        argv = [word if draw.random() < 0.9 else f"{word} " for word in argv]
        try:
            code, told = _ended(program, argv)
        except Exception:
            code, told = None, traceback.format_exc()
        written = [path for path in into.rglob("*") if path.name not in given]
        contents = [told, *map(str, written), *(path.read_text(errors="replace") for path in written if path.is_file())]
        if leaks := [part for part in parts if any(part in content for content in contents)]:
            return "other", f"{program} {argv} {given}: {leaks} in {told[-600:]}"
        if "Traceback" in told:
            return "traceback", f"{program} {argv} {given}: {told[-600:]}"
        return ("refused" if code else "same"), f"{program} {argv}"

    return case


def _credential(draw: random.Random) -> tuple[str, list[str]]:
    """A URI with a secret, and what nobody may see of that: its parts between odd letters."""
    letters = string.ascii_letters + string.digits
    pieces = ["".join(draw.choices(letters, k=12)) for _ in range(draw.choice([1, 1, 2, 3]))]
    form = draw.choice(["password", "password", "token", "option", "option", "endpoint", "behind", "encoded"])
    odd = "+=%~$*" if form in ("option", "endpoint", "behind", "encoded") else ODD.replace(" ", "")
    secret = pieces[0] + "".join(draw.choice(odd) + piece for piece in pieces[1:])
    scheme, name = draw.choice(SCHEMES), draw.choice(NAMES)
    slashes = draw.choice(["://", "://", "://", ":/", ":\\\\"]) if scheme not in ("ray", "swift") else "://"
    begin, key = f"{scheme}{slashes}", draw.choice(["a", "a/b.jpg", "a/*.jpg", "r/../x", "a b", ""])
    if form == "token" and scheme in ("abfs", "abfss", "hdfs"):
        form = "password"
    if form == "password":
        return f"{begin}AKIA{':' if draw.random() < 0.8 else '%3A'}{secret}@bucket/{key}", pieces
    if form == "token":
        return f"{begin}{pieces[0]}@bucket/{key}", pieces[:1]
    if form == "option":
        return f"{begin}bucket/{key}?{draw.choice(['', 'region=eu&'])}{name}={secret}", pieces
    if form == "endpoint":
        return f"{begin}bucket/{key}?endpoint_override=http://me:{secret}@host:9000&region=eu", pieces
    if form == "behind":
        return f"{begin}bucket/{key}{draw.choice('#;&')}{name}={secret}", pieces
    for _ in range(draw.choice([1, 2, 3])):
        secret = quote(secret, safe="")
    return f"{begin}bucket/{key}?{name}={secret}", pieces


def _command(draw: random.Random, uri: str, places: dict[str, str]) -> tuple[str, list[str], dict[str, str]]:
    """A program, its words, and the files that it is given; one word or value holds the URI."""
    index, run, photo = places["index"], places["run"], places["photo"]
    commands = (
        ["localize", photo, "--index", index], ["localize", photo, "--index", index, "--parquet", "out"],
        ["localize", photo, "--index", index, "--picture", "out"], ["evaluate", run, "--root", "data"],
        ["index", run, "tiles", "--out", "out"], ["export", run, "--out", "out"], ["report", run],
        ["report", run, run, "--out", "x.html"], ["show", run], ["doctor", "folder", "--root", "data"],
        ["serve", index, "--port", "-1"], ["cache"],
    )  # fmt: skip
    jobs = ("unsupervised", "supervised", "semi_supervised", "adapt", "tune")
    kind = draw.choice(["command"] * 4 + ["job"] * 4 + ["file", "space", "tiles", "submit"])
    if kind == "tiles":
        (Path("tiles.csv")).unlink(missing_ok=True)
        return "ucvgl", ["index", run, "tiles.csv", "--out", "out"], {"tiles.csv": f"id,uri\n1,{uri}\n"}
    if kind == "command":
        return "ucvgl", _with(list(draw.choice(commands)), uri, draw, first=1), {}
    name = draw.choice(SETTINGS)
    if kind == "file":
        text = draw.choice([f"{name}: '{uri}'\n", f'{name}: ["{uri}"]\n', f"{uri}: 1\n", f"a: b: {uri}"])
        return draw.choice(jobs[:4]), ["tiny", "--config", "mine.yaml", "--run", "r"], {"mine.yaml": text}
    if kind == "space":
        space = {"s.yaml": f"settings:\n  {name}:\n    - a\n    - '{uri}'\n"}
        return "tune", ["s.yaml", "tiny", "--run", "r"], space
    words = ["tiny", "--run", "r", f"--{name.replace('_', '-')}", uri]
    if kind == "submit":
        return "submit", ["http://127.0.0.1:9", "unsupervised", *words], {}
    if draw.random() < 0.4:
        words = _with(["tiny", "--run", "r", "--redo", "catalog", "--config", "c.yaml"], uri, draw, first=0)
    program = draw.choice(jobs)
    return program, (["s.yaml"] if program == "tune" else []) + words, {"s.yaml": "settings:\n  seed: [1, 2]\n"}


def _with(words: list[str], uri: str, draw: random.Random, *, first: int) -> list[str]:
    """The URI in the place of a word, behind one, as an option's value, as an option."""
    at = draw.randrange(first, len(words) + 1) if len(words) > first else first
    way = draw.choice(["instead", "instead", "instead", "between", "value", "option", "behind"])
    if way == "instead" and at < len(words):
        words[at] = uri if not words[at].startswith("--") else f"{words[at]}={uri}"
    elif way == "value":
        words.append(f"--{draw.choice(['index', 'heading', 'no-such', 'run'])}={uri}")
    elif way == "option":
        words.append(f"--{uri}")
    elif way == "behind":
        words.append(f"index={uri}")
    else:
        words.insert(at, uri)
    return words


def _ended(program: str, argv: Sequence[str]) -> tuple[int | str | None, str]:
    """The exit code, and all that was said."""
    from ucvgl import cli
    from ucvgl.commands import job
    from ucvgl.distributed.submit import submit
    from ucvgl.methods import plan
    from ucvgl.run.ending import ended
    from ucvgl.settings import presets
    from ucvgl.sweep import tuning

    def nobody(*_: object, **__: object) -> None:
        raise ValueError("no cluster")

    recipes = {"supervised": presets.supervised, "semi_supervised": presets.semi_supervised}
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        logging.disable(logging.NOTSET)
        try:
            if program == "ucvgl":
                code = cli.main(argv)
            elif program == "tune":
                code = tuning.main(argv, nobody, run_trials=nobody, connect=nobody)
            elif program == "submit":
                address, name, *rest = argv
                code = ended(lambda: submit(address, name, rest, root=Path(__file__).parents[1]), print)
            else:
                recipe = {"recipe": recipes[program]} if program in recipes else {}
                code = job.main(argv, nobody, plan=getattr(plan, program), connect=nobody, **recipe)  # pyright: ignore
        except SystemExit as end:  # of what reads command lines
            code = end.code
            print(code if isinstance(code, str) else "", file=sys.stderr)
    return code, said.getvalue()
