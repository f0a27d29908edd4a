"""Does anything that is handed in hang, crash, end in a traceback, or pass for what it is not?

    python benchmarks/fuzz.py --seed 0
    python benchmarks/fuzz.py --kinds images,pages       the others in the file stay, where they are of this seed

Bad images, indexes, run folders, settings and requests to the page, made by a seed from good ones (`fuzz_cases.py`),
and credentials in all that a person may write (`fuzz_secrets.py`): one that is said or written anywhere is `other`.
Every kind runs in a process of its own, which is ended when one case takes longer than `LIMIT_S`. A case is
`refused` (a sentence for a person), `same` (used, and the answer is that of the undamaged thing), `other` (used, and
the answer is another one: silently wrong, unless nothing in the file could tell), `traceback`, `hang` or `crash`.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import pickle
import select
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from origin import measured_here

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

COUNTS = {"images": 2000, "indexes": 500, "runs": 300, "settings": 500, "pages": 300, "secrets": 500}
LIMIT_S = 60.0
"""A case takes milliseconds; a busy machine makes that seconds."""
SHOWN = 12

Case = Callable[[int], tuple[str, str]]
"""Number of a case -> outcome, and what it was."""


def main(argv: Sequence[str]) -> int:
    """Run the kinds; 1 where a case hung, crashed or ended in a traceback."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(COUNTS))
    parser.add_argument("--share", type=float, default=1.0, help="of the cases of each kind")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "fuzz.json")
    arguments = parser.parse_args(argv)
    found = _found_before(arguments.out, told := {"seed": arguments.seed, "share": arguments.share})
    for kind in arguments.kinds.split(","):
        count = max(1, round(COUNTS[kind] * arguments.share))
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            outcomes = tried(kind, count, Path(folder), arguments.seed)
        tally = Counter(outcome for outcome, _ in outcomes)
        odd = [f"{number}: {outcome}: {what}" for number, (outcome, what) in enumerate(outcomes)
               if outcome not in ("refused", "same")]  # fmt: skip
        took = {"seconds": round(time.monotonic() - begun, 1)}
        found[kind] = {**measured_here(), "cases": count, **dict(sorted(tally.items())), **took, "odd": odd[:SHOWN]}
        print(f"{kind}: {json.dumps(found[kind], indent=1)}", flush=True)
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps(told | found, indent=1) + "\n")
    return int(any(kind.get(word) for kind in found.values() for word in ("traceback", "hang", "crash")))


def _found_before(out: Path, told: dict[str, float]) -> dict[str, Any]:
    """What a file says of other kinds, where they were drawn by the same seed and as often."""
    before = json.loads(out.read_text()) if out.exists() else {}
    kinds = {kind: before[kind] for kind in COUNTS if kind in before}
    return kinds if {name: before.get(name) for name in told} == told else {}


def tried(kind: str, count: int, folder: Path, seed: int) -> list[tuple[str, str]]:
    """The outcome of every case; the process goes on behind one that took it down."""
    outcomes: list[tuple[str, str]] = []
    while len(outcomes) < count:
        home = folder / f"{len(outcomes):05d}"
        home.mkdir()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _work(kind, range(len(outcomes), count), home, seed, writer)
        os.close(writer)
        outcomes += _heard(reader, child, count - len(outcomes), home / "stderr")
    return outcomes


def _work(kind: str, numbers: range, home: Path, seed: int, writer: int) -> None:
    """The child: one message when it is ready, and one for every case."""
    import fuzz_cases
    import fuzz_pages
    import fuzz_secrets

    os.dup2(os.open(home / "stderr", os.O_WRONLY | os.O_CREAT), 2)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    try:
        home_of = {"pages": fuzz_pages, "secrets": fuzz_secrets}
        case: Case = getattr(home_of.get(kind, fuzz_cases), kind)(home, seed)
        for message in (None, *map(case, numbers)):
            content = pickle.dumps(message)
            os.write(writer, len(content).to_bytes(4, "big") + content)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)


def _heard(reader: int, child: int, wanted: int, errors: Path) -> list[tuple[str, str]]:
    """What a child had to say before its end; a case that it leaves without a word ends the list."""
    outcomes: list[tuple[str, str]] = []
    ready, silent = False, ""
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while len(outcomes) < wanted:
            if not select.select([pipe], [], [], LIMIT_S if ready else 10 * LIMIT_S)[0]:
                silent = "hang"
                os.kill(child, signal.SIGKILL)
                break
            head = pipe.read(4)
            if not head:
                silent = "crash"
                break
            content = b""
            while len(content) < int.from_bytes(head, "big"):
                content += pipe.read(int.from_bytes(head, "big") - len(content))
            message = pickle.loads(content)
            ready = True
            if message is not None:
                outcomes.append(message)
    os.waitpid(child, 0)
    assert ready, f"the good thing itself could not be made: {errors.read_text()}"
    return [*outcomes, (silent, "")] if silent else outcomes


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
