"""What `beyond.py` and `beyond_search.py` measured, as tables: positions, headings, and whether a place is there."""

from __future__ import annotations

from collections.abc import Sequence

from origin import origin
from results import Line, lines_of, per_cent, table, whole

SEARCHED = "beyond_search.jsonl"


def positions(file: str = "beyond.jsonl") -> str:
    """Where on its tile a camera stood, given the true tile."""
    lines = lines_of(file)
    heading = ["world", "heading", "photos", "median error", "of the tile's middle", "within the radius"]
    heading += ["heading, median error", "within its radius", "ms of a core"]
    rows = [
        [
            f"`{line['world']}`",
            line["heading"],
            str(line["photos"]),
            f"{line['error_m']:.2f} m",
            f"{line['tile_centre_m']:.2f} m",
            f"{100 * line['within_radius']:.0f} %",
            f"{line['heading_error_deg']:.1f} degrees",
            f"{100 * line['within_heading_radius']:.0f} %",
            str(line["ms"]),
        ]
        for line in lines
    ]
    return f"{table(heading, rows)}\n\n{origin(file, lines)}"


def geometries(file: str = "geometry.jsonl") -> str:
    """What the doctor's search for crop, scale and heading finds, and how sure it is."""
    lines, rows = lines_of(file), []
    for images, count in dict.fromkeys((line["images"], line["count"]) for line in lines):
        some = [line for line in lines if (line["images"], line["count"]) == (images, count)]
        leads = [line["lead"] for line in some]
        told = [line for line in some if line["sure"] and line["true"]]
        off = [
            (abs(f[0] - t[0]), 100 * abs(f[2] / t[2] - 1), abs((f[3] - t[3] + 180) % 360 - 180))
            for f, t in ((line["found"], line["true"]) for line in told)
        ]
        worst = [f"{max(one):.1f}" for one in zip(*off, strict=True)] or [""] * 3
        sure = f"{sum(line['sure'] for line in some)} of {len(some)}"
        rows.append([f"`{images}`", str(count), f"{min(leads):.1f} to {max(leads):.1f}", sure, *worst])
    heading = ["images", "of each view", "lead", "told as sure", "crop off by, degrees", "scale, %", "heading, degrees"]
    return f"{table(heading, rows)}\n\nOff by: at worst. {origin(file, lines)}"


def headings(file: str = SEARCHED) -> str:
    """R@1 of photos whose north is known and of the same that begin anywhere."""
    lines = lines_of(file)
    known = {_key(line): line for line in lines if line["heading"] == "known"}
    rows = []
    for line in lines:
        if line["heading"] != "unknown":
            continue
        both = known[_key(line)]
        error = f"{line['heading_error_deg']:.1f}"
        shares = [per_cent([both["r1"]]), per_cent([line["r1"]]), f"{line['r1'] / both['r1']:.2f}", error]
        costs = [str(one.get(name, "")) for name in ("describe_ms", "verify_ms") for one in (both, line)]
        rows.append([*_about(line), *shares, *costs])
    heading = ["world", "encoders", "tiles", "photos", "verified", "known", "unknown", "share", "heading, degrees"]
    heading += ["ms of a core to describe, known", "unknown", "to verify, known", "unknown"]
    return f"{table(heading, rows)}\n\nR@1 in %. {origin(file, lines)}"


def presence(file: str = SEARCHED) -> str:
    """How well photos whose tile is gone are told from the others."""
    lines = lines_of(file)
    heading = ["world", "encoders", "tiles", "photos", "verified", "heading", "AUROC"]
    heading += ["of the lead over the second tile", "against mirrors", "calibration error"]
    names = ("auroc", "auroc_second", "auroc_mirrors", "here_error")
    rows = [[*_about(line), line["heading"], *(f"{line[name]:.3f}" for name in names)] for line in lines]
    return f"{table(heading, rows)}\n\n{origin(file, lines)}"


def confidence(file: str = "confidence.json") -> str:
    """What `ucvgl evaluate` said of an index, beside the truth."""
    told = whole(file)
    return f"```text\n{told['output'].strip()}\n```\n\nThe run: {told['encoders'][:7]}. {origin(file, [told])}"


def _key(line: Line) -> tuple:
    return line["world"], line["model"], line.get("verified", 0)


def _about(line: Line) -> Sequence[str]:
    verified = str(line.get("verified", ""))
    world = "B" if line["world"] == "b" else f"`{line['world']}`"
    return world, line["model"].replace("_", " "), str(line["tiles"]), str(line["photos"]), verified
