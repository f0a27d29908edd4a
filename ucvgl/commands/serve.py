"""`ucvgl serve`: a web page that answers photos."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Literal

import tyro


def main(argv: Sequence[str]) -> None:
    """Read the command line and serve until interrupted."""
    tyro.cli(serve, args=list(argv), prog="ucvgl serve")


def serve(
    index: tyro.conf.Positional[str],
    /,
    host: str = "127.0.0.1",
    port: int = 8080,
    tiles: int = 5,
    max_megabytes: float = 20.0,
    max_megapixels: float = 50.0,
    names: tuple[str, ...] = (),
    heading: Literal["", "known", "unknown"] = "",
) -> None:
    """Serve a web page: drop a photo, see the most similar tiles and a map. No other server is asked.

    Args:
        index: folder or URI that `ucvgl index` wrote.
        host: address to listen at. Anyone who reaches it may ask: there is no login.
        port: 0 takes a free one.
        tiles: shown for each photo.
        max_megabytes: of an upload.
        max_megapixels: of a photo.
        names: by which people ask for it, as geo.example.org, besides addresses and this machine's own name.
        heading: of panoramas: known, with north in their middle, or unknown; empty: as the index was made for.

    Raises:
        ValueError: it is a run and no index, or what serves pages is not installed.
    """
    _check(port, tiles, max_megabytes, max_megapixels)
    try:
        from ucvgl.serve.app import application
        from ucvgl.serve.patience import names_of, patient
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("fastapi", "uvicorn", "starlette"):
            raise
        raise ValueError(f"{error.name} is not installed; pip install 'ucvgl[serve]'") from error
    from ucvgl.index.localizer import load

    localizer = load(index, heading=heading or None)
    if localizer.index is None:
        raise ValueError(f"{index} is a run; make an index with `ucvgl index {index} TILES --out INDEX` and serve that")
    app = application(
        localizer,
        tiles=tiles,
        max_bytes=round(max_megabytes * 1e6),
        max_pixels=round(max_megapixels * 1e6),
        names=names_of(host, names),
    )
    with _listener(host, port) as listener:
        where = f"[{host}]" if ":" in host else host
        print(f"http://{where}:{listener.getsockname()[1]}   {len(localizer.index)} tiles; Ctrl-C ends it", flush=True)
        patient(app).run(sockets=[listener])


def _check(port: int, tiles: int, max_megabytes: float, max_megapixels: float) -> None:
    from ucvgl.images.bounds import MAX_BYTES, MAX_PIXELS

    for flag, value, low, high in (
        ("--port", port, 0, 65_535),
        ("--tiles", tiles, 1, 100),
        ("--max-megabytes", max_megabytes, 0.001, MAX_BYTES / 1e6),
        ("--max-megapixels", max_megapixels, 0.001, MAX_PIXELS / 1e6),
    ):
        if not low <= value <= high:  # NaN is in no interval
            raise ValueError(f"{flag} {value:g}: it must lie between {low:g} and {high:g}")


def _listener(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        reason = str(getattr(error, "strerror", None) or error).partition(" (while")[0]
        raise ValueError(f"cannot listen at {host}, port {port} ({reason}); choose another with --port") from error
