"""What is known about a photo's place, and how it is written down: table, JSON lines, GeoJSON, Parquet rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from ucvgl.files.printable import json_for_terminals, printable
from ucvgl.index.camera_place import Camera


@dataclass(frozen=True)
class Candidate:
    """A tile that may show the place.

    Args:
        row: of the tile in the index.
        similarity: cosine of the two descriptors; of a tile that was verified, with what its ground adds
            (`ucvgl.poses.verifying`), which may be above 1.
        lat: of the tile's centre, degrees; None where the index does not know it.
    """

    row: int
    id: str
    uri: str
    similarity: float
    lat: float | None
    lon: float | None


@dataclass(frozen=True)
class Answer:
    """The most similar tiles of one photo, best first.

    Args:
        confidence: probability that the first is the true one, if the place is in the index; None where the index is
            not calibrated, or where the answer means little.
        here: probability that the place is in the index; likewise.
        note: what speaks against the answer; empty: nothing.
        camera: where on the first tile the photo was taken; None where the index cannot tell.
        heading_deg: of the panorama's middle, clockwise from north, to the nearest turn at which it was searched for;
            None where it was said to be known.
    """

    query: str
    confidence: float | None
    candidates: tuple[Candidate, ...]
    note: str = ""
    camera: Camera | None = None
    here: float | None = None
    heading_deg: float | None = None


ROWS = pa.schema(
    [
        ("query", pa.string()),
        ("confidence", pa.float32()),
        ("here", pa.float32()),
        ("rank", pa.int32()),
        ("id", pa.string()),
        ("uri", pa.string()),
        ("similarity", pa.float32()),
        ("lat", pa.float64()),
        ("lon", pa.float64()),
        ("note", pa.string()),
        ("heading_deg", pa.float32()),
        ("camera_lat", pa.float64()),
        ("camera_lon", pa.float64()),
        ("camera_east", pa.float32()),
        ("camera_north", pa.float32()),
        ("camera_radius", pa.float32()),
        ("camera_unit", pa.string()),
        ("camera_heading_deg", pa.float32()),
        ("camera_heading_radius_deg", pa.float32()),
    ]
)
PLACED = tuple(name for name in ROWS.names if name.startswith("camera_"))


def rows(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """One flat row per candidate; `rank` begins at 1. All rows of a photo say where its camera stood."""
    return [
        {"query": answer.query, "confidence": answer.confidence, "here": answer.here, "rank": rank, **_told(candidate)}
        | {"note": answer.note, "heading_deg": answer.heading_deg}
        | _placed(answer)
        for answer in answers
        for rank, candidate in enumerate(answer.candidates, 1)
    ]


def table(answers: Sequence[Answer]) -> str:
    """For people: the photo and its confidence, then a line per tile."""
    lines = []
    for answer in answers:
        lines.append(printable(answer.query) + sure_words(answer))
        lines += [f"  note: {printable(answer.note)}"] if answer.note else []
        if answer.camera:
            lines.append(f"  camera  {in_words(answer.camera)}")
        elif answer.heading_deg is not None:
            lines.append(f"  heading about {answer.heading_deg:.0f} degrees")
        for rank, tile in enumerate(answer.candidates, 1):
            place = "" if tile.lat is None else f"  {tile.lat:11.6f} {tile.lon:11.6f}"
            lines.append(f"  {rank:>2}  {tile.similarity:6.3f}{place}  {printable(tile.uri)}")
    return "\n".join(lines)


def sure_words(answer: Answer) -> str:
    """How sure an answer is, for people; empty where nobody knows."""
    told = (("confidence", answer.confidence), ("here", answer.here))
    return "".join(f"   {name} {value:.2f}" for name, value in told if value is not None)


def in_words(camera: Camera) -> str:
    """Where a camera stood and looked, for people."""
    heading = f"heading {camera.heading_deg:.1f} +- {camera.heading_radius_deg:.1f} degrees"
    if camera.lat is not None:
        return f"{camera.lat:.6f} {camera.lon:.6f} +- {camera.radius:.1f} {camera.unit}, {heading}"
    east, north = (f"{abs(off):.1f} {camera.unit} {side[off < 0]}" for off, side in (
        (camera.east, ("east", "west")), (camera.north, ("north", "south"))
    ))  # fmt: skip
    return f"{east} and {north} of the middle of tile 1 +- {camera.radius:.1f} {camera.unit}, {heading}"


def json_lines(answers: Sequence[Answer]) -> str:
    """One JSON object per photo."""
    return "\n".join(
        json_for_terminals(
            {
                "query": answer.query,
                "confidence": _rounded(answer.confidence),
                "here": _rounded(answer.here),
                "note": answer.note,
                "heading_deg": _rounded(answer.heading_deg),
                "camera": None if answer.camera is None else _shortened(asdict(answer.camera)),
                "tiles": [
                    {**_told(tile), "similarity": _rounded(tile.similarity)} for tile in answer.candidates
                ],
            }
        )
        for answer in answers
    )


def geojson(answers: Sequence[Answer]) -> str:
    """A FeatureCollection (RFC 7946): a point for each tile, longitude first; null where it has no coordinates.

    The camera is a point of rank 0, where it is known.
    """
    features = []
    for answer in answers:
        camera = answer.camera
        if camera is not None and camera.lat is not None and camera.lon is not None:
            told = {"query": answer.query, "rank": 0, "note": answer.note, "heading_deg": _rounded(answer.heading_deg)}
            told |= {"confidence": _rounded(answer.confidence), "here": _rounded(answer.here)}
            point = {"type": "Point", "coordinates": [round(camera.lon, 7), round(camera.lat, 7)]}
            placed = {name: value for name, value in _shortened(_placed(answer)).items() if value is not None}
            features.append({"type": "Feature", "geometry": point, "properties": told | placed})
    for row in rows(answers):
        for name in PLACED:
            del row[name]
        lat, lon = row.pop("lat"), row.pop("lon")
        point = None if lat is None else {"type": "Point", "coordinates": [lon, lat]}
        numbers = {name: _rounded(row[name]) for name in ("confidence", "here", "similarity")}
        features.append({"type": "Feature", "geometry": point, "properties": row | numbers})
    return json_for_terminals({"type": "FeatureCollection", "features": features}, indent=1)


FORMATS: Mapping[str, Callable[[Sequence[Answer]], str]] = {
    "table": table,
    "jsonl": json_lines,
    "geojson": geojson,
}


def _told(tile: Candidate) -> dict[str, Any]:
    return {name: value for name, value in asdict(tile).items() if name != "row"}


def _placed(answer: Answer) -> dict[str, Any]:
    placed = {} if answer.camera is None else asdict(answer.camera)
    return {name: placed.get(name.removeprefix("camera_")) for name in PLACED}


def _shortened(told: Mapping[str, Any]) -> dict[str, Any]:
    """Degrees of latitude to a centimetre, everything else to four places."""
    return {
        name: round(value, 7 if name.endswith(("lat", "lon")) else 4) if isinstance(value, float) else value
        for name, value in told.items()
    }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 4)
