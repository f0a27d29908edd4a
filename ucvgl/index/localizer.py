"""One object that answers photos: the encoders with their preprocessing and, of an index, its tiles."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from ucvgl.images.decode import BadImage
from ucvgl.images.decode import load as load_image
from ucvgl.images.retries import StorageError
from ucvgl.images.storage import exists
from ucvgl.images.uris import is_local, join
from ucvgl.index.answers import Answer, Candidate
from ucvgl.index.area import Index, open_index
from ucvgl.index.camera_place import Camera, camera, pose_of
from ucvgl.index.confidence import margins
from ucvgl.index.doubt import doubt_of
from ucvgl.index.encoders import AT_ONCE, Encoders
from ucvgl.index.ground import Found, Ground, in_verified_order
from ucvgl.index.headings import check_heading, each_turned, search
from ucvgl.index.manifest import is_index, photo_ground
from ucvgl.index.presence import RIVALS, leads
from ucvgl.index.trained_run import TrainedRun
from ucvgl.poses.turns import Heading, turns_of
from ucvgl.projection.preprocessing import Image, Query, query_of

TILE_S = 10.0
"""How long a tile may take that lies in a store."""


class Localizer:
    """What `ucvgl.load` returns.

    Args:
        encoders: the model and how images reach it.
        index: the tiles to search; None for a run, which can embed but has nothing to search.
        about: which encoders of their run these are, in words.
        heading: of the photos; None: as the index was made for.
        looks_deg: where all photos look, clockwise from north; None: as each says, and panoramas to north.

    Raises:
        ValueError: a heading is unknown of photos that are not seen from above.
    """

    def __init__(
        self,
        encoders: Encoders,
        index: Index | None = None,
        *,
        about: str = "",
        heading: Heading | None = None,
        looks_deg: float | None = None,
    ) -> None:
        self.encoders, self.index = encoders, index
        self.heading: Heading = heading or (index.manifest.heading if index is not None else "known")
        check_heading(self.heading, encoders.projection)
        self.looks_deg = 0.0 if self.heading == "unknown" else looks_deg
        self.about = index.manifest.encoders if index is not None else about

    def embed_queries(self, images: Sequence[Image]) -> Float[np.ndarray, "n d"]:
        """Unit-norm descriptors of panoramas: paths, URIs, bytes of image files, or RGB pixels."""
        return self.encoders.embed_queries(images)

    def embed_references(self, images: Sequence[Image]) -> Float[np.ndarray, "n d"]:
        """Unit-norm descriptors of tiles; their inner products with those of queries are the similarities."""
        return self.encoders.embed_references(images)

    def localize(self, images: Image | Sequence[Image], *, k: int = 5) -> list[Answer]:
        """The k most similar tiles of each photo, best first, with coordinates and a confidence.

        Raises:
            ValueError: there is no index to search, or k is not positive.
            BadImage: a photo is not a whole image.
        """
        photos = [images] if isinstance(images, (str, os.PathLike, bytes, np.ndarray)) else list(images)
        names = [name_of(photo, number) for number, photo in enumerate(photos, 1)]
        found: list[Answer] = []
        ground = None if self.index is None else photo_ground(self.index.manifest)
        for start in range(0, len(photos), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            shown = [self.query(photo, name) for photo, name in zip(photos[some], names[some], strict=True)]
            doubts, around = [self.doubt(one) for one in shown], [one.panorama for one in shown]
            turns = (list(each_turned(one, self.heading)) for one in around)
            vectors = np.stack([self.encoders.embed_panoramas(some) for some in turns])
            seen: dict[str, Any] = {"grounds": [ground(one) for one in around] if ground else []}
            seen["looked_deg"] = [one.looked_deg for one in shown]
            found += self.answers(names[some], vectors, k=k, doubts=doubts, **seen)
        return found

    def query(self, photo: Image, name: str = "the photo") -> Query:
        """A photo and the panorama that it is a part of, as it is asked for.

        Raises:
            BadImage: it is not a whole image, or nobody says where it looked.
        """
        return query_of(photo, self.encoders.preprocessing("query"), name, heading_deg=self.looks_deg)

    def doubt(self, query: Query) -> str:
        """Why an answer for a photo means little; empty where nothing speaks against it."""
        aspect = None if self.index is None else self.index.manifest.photo_aspect
        return doubt_of(query, self.encoders.preprocessing("query"), aspect)

    def answers(
        self,
        names: Sequence[str],
        vectors: Float[np.ndarray, "n t d"],
        *,
        k: int,
        doubts: Sequence[str] = (),
        grounds: Sequence[Ground] = (),
        looked_deg: Sequence[float] = (),
    ) -> list[Answer]:
        """The answers for queries that are embedded already.

        The first tiles are verified by the ground, and the camera is placed on the first, where the index can.

        Args:
            vectors: of each query at each of its turns (`ucvgl.poses.turns.turns_of`).
            doubts: of each query, if any; where there is one, no confidence and no camera is given.
            grounds: around each query's camera (`ucvgl.index.area.photo_ground`); none where nothing is found by it.
            looked_deg: where each is said to have looked; none: all to north.

        Raises:
            ValueError: there are no tiles to search, or none is asked for.
        """
        if self.index is None:
            raise ValueError("a run has no tiles to search; make an index with `ucvgl index RUN TILES --out INDEX`")
        if k < 1:
            raise ValueError(f"k is {k}; ask for at least one tile")
        score, row, turn = self.searched(vectors, max(k, RIVALS + 1), grounds)
        manifest, made_for = self.index.manifest, self.index.manifest.heading
        asked_otherwise = "" if self.heading == made_for else f"no confidence: the index is for {made_for} headings"
        known = not asked_otherwise
        sure = manifest.calibration.confidence(margins(score)) if known and manifest.calibration else None
        here = manifest.presence.here(leads(score)) if known and manifest.presence else None
        headings = -turns_of(self.heading)[turn[:, 0]] % 360
        found = []
        for number, name in enumerate(names):
            against = doubts[number] if doubts else ""
            found.append(
                Answer(
                    query=name,
                    confidence=None if sure is None or against else float(sure[number]),
                    here=None if here is None or against else float(here[number]),
                    candidates=self._candidates(self.index, score[number, :k], row[number, :k]),
                    note="; ".join(filter(None, (against, asked_otherwise, self._unfinished))),
                    heading_deg=float(headings[number]) if self.heading == "unknown" else None,
                )
            )
        if not len(grounds):
            return found
        looked = looked_deg or [0.0] * len(found)
        told = zip(found, grounds, looked, doubts or [""] * len(found), strict=True)
        return [
            one if against else replace(one, camera=self._camera(one, seen, looks))
            for one, seen, looks, against in told
        ]

    def searched(self, vectors: Float[np.ndarray, "n t d"], k: int, grounds: Sequence[Ground]) -> Found:
        """The k best tiles of queries, the first of them verified where the index does so.

        Args:
            vectors: of each query at each of its turns.
            grounds: around each query's camera; may be none where nothing is verified.
        """
        assert self.index is not None
        found, count = search(self.index.search, vectors, k), self.index.manifest.verified
        if not count or self.index.grounds is None:
            return found
        return in_verified_order(found, grounds, self.index.grounds, count=count, heading=self.heading)

    def _camera(self, answer: Answer, ground: Ground, looked_deg: float) -> Camera | None:
        index = self.index
        if index is None or index.manifest.placing is None or index.grounds is None or not answer.candidates:
            return None
        first, side = answer.candidates[0], index.manifest.tile_side_m
        shown = tile_pixels(first.uri) if side is None else None
        if side is None and shown is None:
            return None  # neither metres nor pixels are known
        pose = pose_of(ground, index.grounds(first.row), index.manifest.placing, heading_deg=answer.heading_deg)
        pose = replace(pose, heading_deg=pose.heading_deg + looked_deg)
        wide = 0 if shown is None else shown.shape[1]
        return camera(pose, tile_side_m=side, tile_pixels=wide, lat=first.lat, lon=first.lon)

    @property
    def _unfinished(self) -> str:
        if self.index is None or self.index.manifest.finished:
            return ""
        return f"the index was made with encoders that are no result: {self.about}"

    def _candidates(self, index: Index, score: np.ndarray, row: np.ndarray) -> tuple[Candidate, ...]:
        found = []
        for similarity, at in zip(score.tolist(), row.tolist(), strict=True):
            if at < 0:  # an approximate index may find fewer
                continue
            lat, lon = index.places[at].tolist()
            known = lat == lat
            found.append(
                Candidate(
                    row=at,
                    id=index.tiles["id"][at].as_py(),
                    uri=index.tiles["uri"][at].as_py(),
                    similarity=similarity,
                    lat=lat if known else None,
                    lon=lon if known else None,
                )
            )
        return tuple(found)


def load(
    run_or_index: str | os.PathLike,
    *,
    device: str = "",
    unfinished: bool = False,
    heading: Heading | float | None = None,
) -> Localizer:
    """The encoders of a run, or of an index with its tiles, ready for images.

    Args:
        run_or_index: a run or an index: a folder or a URI.
        device: `cpu` or `cuda`; empty: the GPU when there is one.
        unfinished: of a run that has no result yet, take the last encoders that it made.
        heading: of the photos, or where all of them look, degrees clockwise from north; None: as the index was made
            for.

    Raises:
        ValueError: it is neither, not finished, or broken.
    """
    where = os.fspath(run_or_index)
    known: Heading | None = heading if heading is None or isinstance(heading, str) else "known"
    looks = {"heading": known, "looks_deg": heading if isinstance(heading, (int, float)) else None}
    if not is_index(where) and (is_local(where) or exists(join(where, "config.yaml"))):
        run = TrainedRun(where, unfinished=unfinished)
        return Localizer(run.encoders(device=device), about=run.about, **looks)
    index, model = open_index(where)
    manifest = index.manifest
    how = {"origin": f"{where}/model.pt", "device": device, "lens": manifest.lens}
    encoders = Encoders(model, manifest.projection, level=index.level, **how)
    sizes = [list(encoders.size("query")), list(encoders.size("reference"))]
    told = manifest.dimension, [manifest.query_size, manifest.reference_size], manifest.from_above, manifest.both
    if (encoders.dimension, sizes, encoders.from_above, encoders.both) != told:
        raise ValueError(
            f"{where}: the encoders see images of {sizes} and make {encoders.dimension} numbers, the manifest says "
            f"{[manifest.query_size, manifest.reference_size]} and {manifest.dimension}; make the index anew"
        )
    return Localizer(encoders, index, **looks)


def tile_pixels(uri: str, *, patience_s: float | None = TILE_S) -> UInt8[np.ndarray, "h w 3"] | None:
    """The tile's image; None where it can no longer be read: an index may be used far from its images."""
    try:
        return load_image(uri, patience_s=patience_s)
    except (BadImage, OSError, StorageError):
        return None


def name_of(photo: Image, number: int) -> str:
    """What an answer calls its photo: its path, or its place in the list."""
    return os.fspath(photo) if isinstance(photo, (str, os.PathLike)) else f"photo {number}"
