"""What is known about a photo's place, and how it is written down: table, JSON lines, GeoJSON, Parquet rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Candidate:
    """A tile that may show the place.

    Args:
        row: of the tile in the index.
        similarity: cosine of the two descriptors.
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
        confidence: probability that the first is the true one; None where the index is not calibrated, or where the
            answer means little.
        note: what speaks against the answer; empty: nothing.
    """

    query: str
    confidence: float | None
    candidates: tuple[Candidate, ...]
    note: str = ""


ROWS = pa.schema(
    [
        ("query", pa.string()),
        ("confidence", pa.float32()),
        ("rank", pa.int32()),
        ("id", pa.string()),
        ("uri", pa.string()),
        ("similarity", pa.float32()),
        ("lat", pa.float64()),
        ("lon", pa.float64()),
        ("note", pa.string()),
    ]
)


def rows(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """One flat row per candidate; `rank` begins at 1."""
    return [
        {"query": answer.query, "confidence": answer.confidence, "rank": rank, **_told(candidate), "note": answer.note}
        for answer in answers
        for rank, candidate in enumerate(answer.candidates, 1)
    ]


def table(answers: Sequence[Answer]) -> str:
    """For people: the photo and its confidence, then a line per tile."""
    lines = []
    for answer in answers:
        sure = "" if answer.confidence is None else f"   confidence {answer.confidence:.2f}"
        lines.append(f"{answer.query}{sure}")
        lines += [f"  note: {answer.note}"] if answer.note else []
        for rank, tile in enumerate(answer.candidates, 1):
            place = "" if tile.lat is None else f"  {tile.lat:11.6f} {tile.lon:11.6f}"
            lines.append(f"  {rank:>2}  {tile.similarity:6.3f}{place}  {tile.uri}")
    return "\n".join(lines)


def json_lines(answers: Sequence[Answer]) -> str:
    """One JSON object per photo."""
    return "\n".join(
        json.dumps(
            {
                "query": answer.query,
                "confidence": _rounded(answer.confidence),
                "note": answer.note,
                "tiles": [
                    {**_told(tile), "similarity": _rounded(tile.similarity)} for tile in answer.candidates
                ],
            },
            ensure_ascii=False,
        )
        for answer in answers
    )


def geojson(answers: Sequence[Answer]) -> str:
    """A FeatureCollection (RFC 7946): a point for each tile, longitude first; null where it has no coordinates."""
    features = []
    for row in rows(answers):
        lat, lon = row.pop("lat"), row.pop("lon")
        point = None if lat is None else {"type": "Point", "coordinates": [lon, lat]}
        numbers = {name: _rounded(row[name]) for name in ("confidence", "similarity")}
        features.append({"type": "Feature", "geometry": point, "properties": row | numbers})
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False, indent=1)


FORMATS: Mapping[str, Callable[[Sequence[Answer]], str]] = {
    "table": table,
    "jsonl": json_lines,
    "geojson": geojson,
}


def _told(tile: Candidate) -> dict[str, Any]:
    return {name: value for name, value in asdict(tile).items() if name != "row"}


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 4)
