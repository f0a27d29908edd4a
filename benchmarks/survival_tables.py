"""What killed jobs, bad files and sweeps showed, as tables: of `chaos.py`, `fuzz.py`, `cluster.py` and `tune.py`."""

from __future__ import annotations

import cluster
from origin import origin
from results import lines_of, table, whole


def chaos() -> str:
    """What was killed, and what went on."""
    told = whole(file := "chaos.json")
    rows = [
        [victim, str(some["killed"]), str(some["killed"] - some["ended"]), str(some["ended"])]
        for victim, some in sorted(told["by_victim"].items())
    ]
    heading = ["killed with -9", "times", "the job went on by itself", "the same command went on"]
    words = (
        f"**{told['kills']} kills, {len(told['lost']) or 'none'} lost** (seed {told['seed']}): {told['runs']} runs, "
        f"started {told['starts']} times in all; while the workers were there {told['at_work']}. By stage: "
        f"{', '.join(f'`{stage}` {count}' for stage, count in sorted(told['by_stage'].items()))}."
    )
    return f"{table(heading, rows)}\n\n{words} {origin(file, [told])}"


def fuzz(file: str = "fuzz.json") -> str:
    """How often what was made at random was refused."""
    told = whole(file)
    kinds = {kind: some for kind, some in told.items() if isinstance(some, dict)}
    names = {"refused": "refused", "same": "same answer", "other": "another answer"}
    bad = ("traceback", "hang", "crash")
    rows = [
        [
            kind,
            str(some["cases"]),
            *(str(some.get(name, 0)) for name in names),
            str(sum(some.get(name, 0) for name in bad)),
        ]
        for kind, some in kinds.items()
    ]
    heading = ["kind", "cases", *names.values(), "tracebacks, hangs and crashes"]
    return f"{table(heading, rows)}\n\nSeed {told['seed']}. {origin(file, kinds.values())}"


def clusters(part: str) -> str:
    """One of `cluster.PARTS`."""
    _, names, show = cluster.PARTS[part]
    lines = [line for line in lines_of("cluster.jsonl") if line["what"] in names]
    return f"{show(lines)}\n\n{origin('cluster.jsonl', lines)}"


def tune(file: str = "tune.json") -> str:
    """What the trial that was chosen without truth reaches of the best."""
    told = whole(file)
    quartiles = ", ".join(f"{100 * value:.1f}" for value in told["r1_quartiles"])
    chosen = f"{100 * told['r1_chosen']:.1f}, **{100 * told['share_of_best']:.1f} %** of the best"
    common, own = told["seconds_in_common"], told["seconds_per_trial"]
    rows = [
        ["trials, and those that finished", f"{told['trials']}, {told['finished']}"],
        ["R@1 of the trials: least, quartiles, best", quartiles],
        ["R@1 of the trial that was chosen", chosen],
        ["rank correlation of what chooses and R@1", f"{told['rank_correlation']:.2f}"],
        ["cold starts trained", str(told["cold_starts"])],
        ["seconds of what trials have in common, then of each", f"{common:.0f}, {own:.0f}"],
        ["so eight trials cost less, times", f"{8 * (common + own) / (common + 8 * own):.1f}"],
    ]
    return f"{table(['', ''], rows)}\n\n{origin(file, [told])}"
