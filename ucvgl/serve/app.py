"""A small web page over an index: drop a photo, see the tiles and a map. Nothing is fetched from elsewhere.

The server shows its page, answers photos, and shows tiles by their row in the index, decoded and encoded again. It
has no way to name a file, so no path of the machine can be read through it, and answers name none.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from PIL import Image

from ucvgl.images.decode import BadImage
from ucvgl.index.answers import rows
from ucvgl.index.localizer import Localizer
from ucvgl.pages.answer_picture import tile_pixels
from ucvgl.pages.gallery import at_most
from ucvgl.pages.tile_map import tile_map
from ucvgl.projection.preprocessing import pixels

PAGE = Path(__file__).with_name("page.html")
KINDS = ("JPEG", "PNG", "WEBP")
SHOWN_TALL = 320
"""Height of the photo, the bird's-eye view and the tiles as they are sent, pixels."""
AT_ONCE = 2
"""Photos worked on at the same time; the others wait."""
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
    localizer: Localizer, *, tiles: int = 5, max_bytes: int = 20_000_000, max_pixels: int = 50_000_000
) -> FastAPI:
    """The web page and its two answers.

    Args:
        tiles: shown for each photo.
        max_bytes: of an upload.
        max_pixels: of a photo, judged by its header, before anything is decoded.
    """
    index = localizer.index
    assert index is not None
    app = FastAPI(title="ucvgl", docs_url=None, redoc_url=None, openapi_url=None)
    turn = asyncio.Semaphore(AT_ONCE)
    page = PAGE.read_text(encoding="utf-8")
    script = page.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    headers = {name: value.replace("{script}", digest) for name, value in HEADERS.items()}
    limits = {"megabytes": max_bytes / 1e6, "megapixels": max_pixels / 1e6, "kinds": ", ".join(KINDS)}

    @app.middleware("http")
    async def guarded(request: Request, go_on: Any) -> Response:
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
        data = await _body(request, max_bytes)
        async with turn:
            try:
                found = await asyncio.to_thread(answer, localizer, data, tiles, max_pixels)
            except BadImage as error:
                raise HTTPException(415, f"this photo cannot be used: {error.reason}") from error
        return JSONResponse(found)

    @app.get("/tile/{row:int}.jpg")
    async def tile(row: int) -> Response:
        if not 0 <= row < len(index):
            raise HTTPException(404, f"there is no tile {row}; the index has {len(index)}")
        image = await asyncio.to_thread(tile_pixels, index.tiles["uri"][row].as_py())
        if image is None:
            raise HTTPException(404, "this tile's image cannot be read where the server runs")
        return Response(jpeg(image), media_type="image/jpeg")

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
    photo = pixels(data, "the photo")
    (found,) = localizer.localize(photo, k=tiles)
    bev = localizer.encoders.birdseye(photo, SHOWN_TALL)
    return {
        "confidence": found.confidence,
        "tiles": [_public(row, tile.row) for row, tile in zip(rows([found]), found.candidates, strict=True)],
        "map": tile_map(localizer.index.places, found.candidates),
        "bev": f"data:image/jpeg;base64,{base64.b64encode(jpeg(bev)).decode()}",
        "note": found.note,
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


def jpeg(image: np.ndarray) -> bytes:
    """At most `SHOWN_TALL` pixels tall."""
    return cv2.imencode(".jpg", at_most(image, SHOWN_TALL)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def _public(row: dict[str, Any], number: int) -> dict[str, Any]:
    """A tile without the place where its image lies."""
    return {"row": number} | {name: row[name] for name in ("rank", "id", "similarity", "lat", "lon")}


async def _body(request: Request, max_bytes: int) -> bytes:
    """The upload, given up as soon as it is too large, whatever its header claims."""
    told = request.headers.get("content-length", "")
    too_large = HTTPException(413, f"the photo is larger than {max_bytes / 1e6:g} MB; shrink it first")
    if told.isdigit() and int(told) > max_bytes:
        raise too_large
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > max_bytes:
            raise too_large
    if not data:
        raise HTTPException(400, "no photo came with the request; send its bytes as the body")
    return bytes(data)
