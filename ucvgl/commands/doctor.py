"""What is there of a data set, what is missing or unreadable, and what to do: `ucvgl doctor cvusa /data/CVUSA`."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import tyro

from ucvgl.files.printable import printable_lines
from ucvgl.images import cvact, cvusa, denseuav, folder, sues200, university1652, vigor
from ucvgl.images.bounds import MAX_BYTES
from ucvgl.images.corpora import read_catalog
from ucvgl.images.decode import BadImage, load
from ucvgl.images.listing import Split
from ucvgl.images.same_files import shared_images
from ucvgl.images.storage import locate, read
from ucvgl.images.uris import NO_CREDENTIALS, holds_secrets, is_local, without_secrets
from ucvgl.index.doubt import alike, doubt
from ucvgl.run.ending import sentence
from ucvgl.settings.experiment import PROTOCOLS, Dataset
from ucvgl.settings.presets import PRESETS
from ucvgl.truth.door import GroundTruth, read_truth, rows_of
from ucvgl.types import Catalog

Name = Literal["folder", "cvusa", "cvact", "vigor", "university1652", "sues200", "denseuav"]
TREES = {
    "folder": folder, "cvusa": cvusa, "cvact": cvact, "vigor": vigor, "university1652": university1652,
    "sues200": sues200, "denseuav": denseuav,
}  # fmt: skip
"""The modules whose first words are the tree of their data set."""
PUBLISHED = {
    ("cvusa", "train", ""): (35_532, 35_532),
    ("cvusa", "validation", ""): (8_884, 8_884),
    ("cvact", "train", "validation"): (35_532, 35_532),
    ("cvact", "train", "test"): (35_532, 35_532),
    ("cvact", "validation", "validation"): (8_884, 8_884),
    ("cvact", "validation", "test"): (92_802, 92_802),
    ("university1652", "train", "drone_to_satellite"): (37_854, 701),
    ("university1652", "validation", "drone_to_satellite"): (37_855, 951),
    ("university1652", "train", "satellite_to_drone"): (701, 37_854),
    ("university1652", "validation", "satellite_to_drone"): (701, 51_355),
    ("university1652", "validation", "street_to_satellite"): (2_579, 951),
    ("university1652", "validation", "satellite_to_street"): (701, 2_921),
    ("sues200", "train", "drone_to_satellite"): (6_000, 120),
    ("sues200", "validation", "drone_to_satellite"): (4_000, 200),
    ("sues200", "train", "satellite_to_drone"): (120, 6_000),
    ("sues200", "validation", "satellite_to_drone"): (80, 10_000),
    ("denseuav", "train", "drone_to_satellite"): (6_768, 13_536),
    ("denseuav", "validation", "drone_to_satellite"): (2_331, 18_198),
    ("denseuav", "train", "satellite_to_drone"): (13_536, 6_768),
    ("denseuav", "validation", "satellite_to_drone"): (4_662, 9_099),
}
"""Queries and references of the original, by data set, split and protocol, where they are published."""
LISTS = (".txt", ".csv", ".mat")
"""How the names of published lists of images end."""
SHOWN = 3
MOST_SAMPLES, MOST_IN_GEOMETRY = 1_000_000, 5000
"""Images that are opened, and that are in memory together while their geometry is searched for, an hour or so."""
MOST_SPAN = 200
"""Degrees from top to bottom; panoramas have no more than 180, and some are a little squeezed."""
MOST_COMPARED = 500
"""Tiles of equal size whose content is compared."""


@dataclass
class Findings:
    """What was found, line by line, and what to do about it."""

    lines: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    usable: bool = True

    def __str__(self) -> str:
        todo = ["", "what to do", *(f"  - {line}" for line in dict.fromkeys(self.advice))]
        return "\n".join([*self.lines, *todo])


def doctor(dataset: Name, where: str, *, protocol: str = "default", samples: int = 20) -> str:
    """The report of `examine` as text.

    Args:
        where: root of the data set.
        protocol: which of its uses; `default`: its first.
        samples: images of each pile that are decoded.
    """
    return str(examine(dataset, where, protocol=protocol, samples=samples))


def examine(dataset: Name, where: str, *, protocol: str = "default", samples: int = 20, geometry: int = 0) -> Findings:
    """Look at both splits of a data set: lists, missing files, true pairs, and some images of each view.

    Args:
        samples: images to open per view and split, drawn at random.
        geometry: images of each view of the training split to find the panoramas' geometry with.

    Raises:
        ValueError: the data set has no such protocol, or so many images cannot be looked at.
    """
    for flag, value, most in (("--samples", samples, MOST_SAMPLES), ("--geometry", geometry, MOST_IN_GEOMETRY)):
        if not 0 <= value <= most:
            raise ValueError(f"{flag} {value}: it must lie between 0 and {most}")
    if holds_secrets(where):
        raise ValueError(f"{without_secrets(where)}: {NO_CREDENTIALS}")
    choices = PROTOCOLS[dataset]
    if protocol not in ("default", *choices):
        offer = f"there are {', '.join(choices)}" if choices else "it has no choice"
        raise ValueError(f"{protocol!r} is no protocol of {dataset}; {offer}")
    settings = Dataset(name=dataset, root=where, protocol=protocol)  # pyright: ignore[reportArgumentType]
    chosen = f", protocol {settings.chosen_protocol}" if choices else ""
    found, catalogs = Findings([f"{dataset} in {where}{chosen}"]), dict[str, Catalog]()
    for split in get_args(Split):
        found.lines += ["", split]
        try:
            catalog = read_catalog(settings, split)
            truth = read_truth(settings, split)
        except (ValueError, OSError) as error:
            found.lines.append(f"  cannot be used: {str(sentence(error)).partition('; `ucvgl doctor')[0]}")
            found.usable = False
            continue
        _count(found, settings, split, catalog)
        _compare(found, split, catalog, truth)
        _open_some(found, settings, catalog, samples)
        _find_copies(found, catalog)
        catalogs[split] = catalog
        if geometry and split == "train":
            from ucvgl.commands.geometry_report import geometry_report  # brings PyTorch

            if PRESETS[dataset]().projection.bev:
                lines, advice = geometry_report(catalog.queries, catalog.references, geometry)
            else:
                lines, advice = ["  geometry: its queries are no panoramas, so that there is none to look for"], []
            found.lines += lines
            found.advice += advice
    for said in shared_images(catalogs) if found.usable else ():
        found.lines.append(f"  {said}")
        found.advice.append("take images that are the same file out of one of the two piles")
    if found.usable:
        flag = f" --dataset.protocol {protocol}" if protocol != "default" else ""
        command = f"python jobs/unsupervised.py {dataset} --dataset.root {where}{flag} --run runs/{dataset}"
        found.advice.append(f"it can be used: {command}")
    else:
        tree = TREES[dataset].__doc__
        found.advice.append(f"give the folder that holds this tree, or as much of it as you have:\n\n{tree}")
    return found


def _count(found: Findings, settings: Dataset, split: Split, catalog: Catalog) -> None:
    counts = catalog.queries.num_rows, catalog.references.num_rows
    published = PUBLISHED.get((settings.name, split, settings.chosen_protocol))
    original = f"; the original has {published[0]:,} and {published[1]:,}" if published else ""
    found.lines.append(f"  {counts[0]:,} queries, {counts[1]:,} references{original}")
    if not catalog.missing:
        return
    first = ", ".join(catalog.missing[:SHOWN])
    found.lines.append(f"  missing, {len(catalog.missing):,} in all: {first}")
    lists = [path for path in catalog.missing if path.lower().endswith(LISTS)]
    if lists:
        found.advice.append(
            f"fetch {', '.join(lists)}: without it the splits are not the official ones, and no recall compares with a "
            "published one"
        )
    if len(lists) < len(catalog.missing):
        found.advice.append(
            "images that are missing are left out and the rest is used; fetch them to compare with published recalls"
        )


def _compare(found: Findings, split: Split, catalog: Catalog, truth: GroundTruth | None) -> None:
    """Whether evaluation will have something to say; training reads none of it."""
    if "lat" in catalog.references.column_names:
        known = catalog.references.num_rows - catalog.references["lat"].null_count
        found.lines.append(f"  coordinates of {known:,} references")
    if truth is None:
        found.lines.append("  no true pairs are known: retrievals, but no recall")
        return
    ids = [np.array(table["id"].to_pylist()) for table in (catalog.queries, catalog.references)]
    answerable = int((rows_of(truth.positives, *ids) >= 0).any(axis=1).sum())
    found.lines.append(f"  {answerable:,} queries have a true reference in the pool ({truth.protocol})")


def _open_some(found: Findings, settings: Dataset, catalog: Catalog, samples: int) -> None:
    for view, table in (("queries", catalog.queries), ("references", catalog.references)):
        sizes: Counter[tuple[int, int]] = Counter()
        for uri, size in _sizes(table, samples):
            if isinstance(size, str):
                found.lines.append(f"  cannot be opened: {uri}: {size}")
                found.advice.append(
                    "fetch the images again that cannot be opened: a run leaves them out, and stops when they are more "
                    "than dataset.max_bad_share of all"
                )
            else:
                sizes[size] += 1
        told = ", ".join(f"{count} of {width} x {height}" for (height, width), count in sizes.most_common())
        found.lines.append(f"  opened {min(samples, table.num_rows)} {view}: {told or 'none could be read'}")
        advise = _advise_on_crop if view == "queries" else _advise_on_shape
        found.advice += advise(settings.name, list(sizes))


def _find_copies(found: Findings, catalog: Catalog) -> None:
    """Tiles that are one file many times, or show nothing, as where there is no imagery; of local ones as large."""
    of_size = defaultdict(list)
    for uri in catalog.references["uri"].to_pylist():
        if is_local(uri) and (size := os.path.getsize(locate(uri)[1])) <= MAX_BYTES:
            of_size[size].append(uri)
    groups = sorted((uris for uris in of_size.values() if len(uris) > 1), key=len, reverse=True)
    suspects = [uri for uris in groups for uri in uris][:MOST_COMPARED]
    content = {uri: hashlib.sha256(read(uri)).hexdigest() for uri in suspects}
    empty = {digest: _doubt(uri) for uri, digest in content.items()}
    shown = [(uri, digest, empty[digest]) for uri, digest in content.items()]
    for line in alike(shown, {uri: uri for uri in suspects}):
        found.lines.append(f"  {line}")


def _doubt(uri: str) -> str:
    """Why a tile shows nothing; empty where it shows something, or cannot be opened, which is told elsewhere."""
    try:
        return doubt(load(uri), None)
    except (BadImage, OSError):
        return ""


def _sizes(table: pa.Table, samples: int) -> Iterator[tuple[str, tuple[int, int] | str]]:
    """Height and width of some images, or why they cannot be opened."""
    rows = np.random.default_rng(0).permutation(table.num_rows)[:samples]
    for uri in table["uri"].take(rows).to_pylist():
        try:
            height, width = load(uri).shape[:2]
            yield uri, (height, width)
        except (BadImage, OSError) as error:
            yield uri, error.reason if isinstance(error, BadImage) else str(error)


def _advise_on_crop(name: str, sizes: Sequence[tuple[int, int]]) -> list[str]:
    """A panorama's shape tells how many degrees it spans from top to bottom; the preset has to say the same."""
    projection = PRESETS[name]().projection
    if not projection.bev:
        return []
    expected = projection.top_elevation_deg - projection.bottom_elevation_deg
    advice = []
    for height, width in sizes:
        span = 360 * height / width
        if span > MOST_SPAN:
            advice.append(
                f"images of {width} x {height} are too high for panoramas that show all around, which span 180 degrees "
                f"from top to bottom and not {span:.0f}: give --dataset.camera photo if an ordinary camera took them"
            )
        elif abs(span - expected) > 0.1 * expected:
            way_out = (
                "--projection.top-elevation-deg 90 --projection.bottom-elevation-deg -90"
                if abs(span - 180) < 18
                else "--projection.top-elevation-deg and --projection.bottom-elevation-deg, for the first and last row"
            )
            advice.append(
                f"panoramas of {width} x {height} span about {span:.0f} degrees if they show all around, but the "
                f"preset {name} says {expected:.0f}: give {way_out}"
            )
    return advice


def _advise_on_shape(name: str, sizes: Sequence[tuple[int, int]]) -> list[str]:
    """Tiles are made square, and what is seen of the ground from a panorama is."""
    oblong = [f"{width} x {height}" for height, width in sizes if abs(width - height) > 0.05 * height]
    words = "are squeezed into squares, and no place on them would be where it is said to be: cut them square"
    return [f"tiles of {', '.join(oblong)} {words}"] if oblong and PRESETS[name]().projection.bev else []


@dataclass(frozen=True)
class Arguments:
    """Say what is there of a data set, what is missing or unreadable, and what to do."""

    dataset: tyro.conf.Positional[Name]
    where: tyro.conf.Positional[str]
    """Folder or URI of the data set."""
    protocol: str = "default"
    """As the setting dataset.protocol."""
    samples: int = 20
    """Images to open per view and split."""
    geometry: int = 0
    """Panoramas and tiles of the training split (500, say) to find crop, scale and heading with; 0: not looked for."""


def main(argv: Sequence[str]) -> int:
    """Print the report; 0 when the data set can be used."""
    arguments = tyro.cli(Arguments, args=list(argv), prog="ucvgl doctor")
    found = examine(
        arguments.dataset,
        arguments.where,
        protocol=arguments.protocol,
        samples=arguments.samples,
        geometry=arguments.geometry,
    )
    print(printable_lines(str(found)))
    return 0 if found.usable else 1
