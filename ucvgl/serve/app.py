"""A small web page over an index: drop a photo, see the tiles and a map. Nothing is fetched from elsewhere.

The server shows its page, answers photos, and shows tiles by their row in the index, decoded and encoded again. It
has no way to name a file, so no path of the machine can be read through it, and answers name none.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jaxtyping import UInt8
from PIL import Image
from starlette.requests import ClientDisconnect

from ucvgl.images.decode import BadImage, load
from ucvgl.images.retries import StorageError
from ucvgl.index.answers import in_words, rows
from ucvgl.index.localizer import Localizer
from ucvgl.pages.camera_mark import camera_mark
from ucvgl.pages.gallery import at_most
from ucvgl.pages.tile_map import tile_map
from ucvgl.serve.patience import may_ask

T = TypeVar("T")

PAGE = Path(__file__).with_name("page.html")
KINDS = ("JPEG", "PNG", "WEBP")
SHOWN_TALL = 320
"""Height of the photo, the bird's-eye view and the tiles as they are sent, pixels."""
AT_ONCE, TILES_AT_ONCE = 2, 4
"""Photos worked on, and tiles read, at the same time, in threads of their own: neither waits for the other."""
WAITING = 32
"""Photos, and tiles, that may wait; who comes then is sent away."""
HELD = 10
"""Largest photos that may be held in memory while they come."""
SILENCE_S, UPLOAD_S = 15.0, 120.0
"""Longest pause in an upload, and how long one may take."""
TILE_S = 10.0
"""How long a tile may take that lies in a store; the thread that reads it gives up soon after."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' data: blob:; style-src 'unsafe-inline'; script-src 'sha256-{script}'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def application(
    localizer: Localizer,
    *,
    tiles: int = 5,
    max_bytes: int = 20_000_000,
    max_pixels: int = 50_000_000,
    names: Collection[str] = ("localhost",),
) -> FastAPI:
    """The web page and its two answers.

    Args:
        tiles: shown for each photo.
        max_bytes: of an upload.
        max_pixels: of a photo, judged by its header, before anything is decoded.
        names: by which the server may be asked for, besides bare addresses.
    """
    index = localizer.index
    assert index is not None
    app = FastAPI(title="ucvgl", docs_url=None, redoc_url=None, openapi_url=None)
    photos, shown = Desk(AT_ONCE), Desk(TILES_AT_ONCE)
    uploads = Uploads(max_bytes)
    page = PAGE.read_text(encoding="utf-8")
    script = page.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    headers = {name: value.replace("{script}", digest) for name, value in HEADERS.items()}
    limits = {"megabytes": max_bytes / 1e6, "megapixels": max_pixels / 1e6, "kinds": ", ".join(KINDS)}

    @app.middleware("http")
    async def guarded(request: Request, go_on: Any) -> Response:
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if not may_ask(host, names) or (origin and not may_ask(origin.rpartition("://")[2], names)):
            refused = "this server is asked for by another name; use its address, or start it with --names"
            response: Response = JSONResponse({"detail": refused}, 421)
        else:
            response = await go_on(request)
        response.headers.update(headers)
        return response

    @app.get("/")
    def show() -> HTMLResponse:
        return HTMLResponse(page)

    @app.get("/about")
    def about() -> dict[str, Any]:
        return {"tiles": len(index), "located": index.located} | limits

    @app.post("/localize")
    async def localize(request: Request) -> JSONResponse:
        data = await uploads.receive(request)
        try:
            found = await photos.do(answer, localizer, data, tiles, max_pixels)
        except BadImage as error:
            raise HTTPException(415, f"this photo cannot be used: {error.reason}") from error
        return JSONResponse(found)

    @app.get("/tile/{name}.jpg")
    async def tile(name: str) -> Response:
        row = int(name) if name.isascii() and name.isdigit() and len(name) < 19 else -1  # Python refuses long numbers
        if not 0 <= row < len(index):
            raise HTTPException(404, f"there is no tile {name[:19]}; the index has {len(index)}")
        try:
            image = await asyncio.wait_for(shown.do(tile_jpeg, index.tiles["uri"][row].as_py()), TILE_S)
        except asyncio.TimeoutError as error:
            raise HTTPException(504, "the store that holds this tile's image does not answer") from error
        if image is None:
            raise HTTPException(404, "this tile's image cannot be read where the server runs")
        return Response(image, media_type="image/jpeg")

    return app


def answer(localizer: Localizer, data: bytes, tiles: int, max_pixels: int) -> dict[str, Any]:
    """The answer for the bytes of an uploaded photo, as the page shows it.

    Args:
        data: the file's bytes.
        tiles: of the answer.
        max_pixels: of a photo that is decoded at all.

    Raises:
        BadImage: it is no image of a kind that is taken, is too large, or is damaged.
    """
    assert localizer.index is not None
    check_upload(data, max_pixels)
    (found,) = localizer.localize(data, k=tiles)
    bev = localizer.encoders.birdseye(localizer.query(data).panorama, SHOWN_TALL)
    return {
        "confidence": found.confidence,
        "here": found.here,
        "tiles": [_public(row, tile.row) for row, tile in zip(rows([found]), found.candidates, strict=True)],
        "map": tile_map(localizer.index.places, found.candidates),
        "bev": f"data:image/jpeg;base64,{base64.b64encode(jpeg(bev)).decode()}",
        "note": found.note,
        "heading_deg": found.heading_deg,
        "camera": found.camera and {"words": in_words(found.camera), "mark": camera_mark(found.camera)},
    }


def check_upload(data: bytes, max_pixels: int) -> None:
    """Refuse by the header alone what is not taken: before a pixel is decoded.

    Raises:
        BadImage: it is no image of a kind that is taken, or it has too many pixels.
    """
    try:
        with Image.open(io.BytesIO(data), formats=KINDS) as header:
            width, height = header.size
    except Image.DecompressionBombError as error:
        raise BadImage("the photo", f"it has more than {max_pixels / 1e6:g} megapixels; shrink it first") from error
    except Exception as error:  # Pillow's parsers raise anything on bytes they do not expect
        raise BadImage("the photo", f"it is not a {', '.join(KINDS[:-1])} or {KINDS[-1]} image") from error
    if width * height > max_pixels:
        raise BadImage(
            "the photo",
            f"it has {width * height / 1e6:.1f} megapixels, more than {max_pixels / 1e6:g}; shrink it first",
        )


def tile_jpeg(uri: str) -> bytes | None:
    """A tile's image as it is sent; None where it cannot be read."""
    try:
        return jpeg(load(uri, patience_s=TILE_S))
    except (BadImage, OSError, StorageError):
        return None


def jpeg(image: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """At most `SHOWN_TALL` pixels tall."""
    return cv2.imencode(".jpg", at_most(image, SHOWN_TALL)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def _public(row: dict[str, Any], number: int) -> dict[str, Any]:
    """A tile without the place where its image lies."""
    return {"row": number} | {name: row[name] for name in ("rank", "id", "similarity", "lat", "lon")}


class Desk:
    """Threads for one kind of work, and a queue before them that has an end."""

    def __init__(self, at_once: int) -> None:
        self._threads = ThreadPoolExecutor(at_once)
        self._most, self._here = at_once + WAITING, 0

    async def do(self, work: Callable[..., T], *arguments: Any) -> T:
        """The result of work in a thread.

        Raises:
            HTTPException: too many wait already.
        """
        if self._here >= self._most:
            raise HTTPException(503, "too many are asking at once; try again in a minute")
        self._here += 1
        done = self._threads.submit(work, *arguments)
        loop = asyncio.get_running_loop()

        def leave(_: Future[T]) -> None:  # also when nobody waits any more
            with suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(self._leave)

        done.add_done_callback(leave)
        return await asyncio.wrap_future(done)

    def _leave(self) -> None:
        self._here -= 1


class Uploads:
    """Photos as they come, bounded each and together."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._held = max_bytes, 0

    async def receive(self, request: Request) -> bytes:
        """The body of a request, given up as soon as it is too large, whatever its header claims, or too slow."""
        told, data = request.headers.get("content-length", ""), bytearray()
        too_large = HTTPException(413, f"the photo is larger than {self._max_bytes / 1e6:g} MB; shrink it first")
        if told.isdecimal() and int(told) > self._max_bytes:
            raise too_large
        parts, end = aiter(request.stream()), time.monotonic() + UPLOAD_S
        try:
            while part := await asyncio.wait_for(anext(parts, b""), min(SILENCE_S, max(0, end - time.monotonic()))):
                data += part
                self._held += len(part)
                if len(data) > self._max_bytes:
                    raise too_large
                if self._held > HELD * self._max_bytes:
                    raise HTTPException(503, "too many photos come at once; try again in a minute")
        except asyncio.TimeoutError as error:
            raise HTTPException(408, "the photo came too slowly", {"Connection": "close"}) from error
        except ClientDisconnect as error:
            raise HTTPException(400, "the photo did not come to its end") from error
        finally:
            self._held -= len(data)
        if not data:
            raise HTTPException(400, "no photo came with the request; send its bytes as the body")
        return bytes(data)
