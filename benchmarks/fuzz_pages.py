"""Requests that a seed makes of good ones, and what came of them: the cases of `benchmarks/fuzz.py` for the page."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fuzz_cases import Outcome, damaged

TARGETS = (
    *("/", "/about", "/localize", "/tile/0.jpg", "/tile/-1.jpg", "/tile/" + "9" * 5000 + ".jpg", "/tile/1.jpg/.."),
    *("/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//x", "*", "/\0", "/tile/é.jpg"),
)
HEADERS = (
    *({}, {"Host": "evil.example"}, {"Host": "a" * 9000}, {"Content_Length": "-1"}, {"Content_Length": "9" * 30}),
    *({"Origin": "null"}, {"Transfer_Encoding": "chunked"}, {"Expect": "100-continue"}, {"Range": "bytes=0-"}),
)


SERVERS: list[object] = []


def pages(home: Path, seed: int) -> Callable[[int], Outcome]:
    """Requests, whole and broken: each is answered, or its connection closed, and the next good one is answered."""
    from tests.index.areas import make_index, pictures
    from tests.serve.server import serving
    from ucvgl.serve import patience
    from ucvgl.serve.app import application

    patience.LOOK_S = 1.0
    photo = pictures(home / "photos", 1, (32, 128), seed=9)[0].read_bytes()
    running = serving(application(make_index(home / "area"), max_bytes=200_000))
    server = running.__enter__()
    SERVERS.append(running)  # it ends with this process

    def exchange(sent: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
            parts = []
            with suppress(ConnectionError):
                client.sendall(sent)
                while part := client.recv(65536):
                    parts.append(part)
            return b"".join(parts)

    def request(method: str, target: str, body: bytes = b"", **headers: str) -> bytes:
        told = {"Host": "localhost", "Content-Length": str(len(body)), "Connection": "close", **headers}
        lines = [f"{method} {target} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in told.items())]
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body

    def hostile(draw: random.Random) -> tuple[str, bytes]:
        target = draw.choice(TARGETS)
        method = draw.choice(["GET", "POST", "PUT", "HEAD", "OPTIONS", "TRACE", "X" * 300])
        body = draw.choice([b"", damaged(photo, draw)[1], draw.randbytes(300_000)])
        odd = draw.choice(HEADERS)
        whole = request(method, target, body, **odd)
        return f"{method[:9]} {target[:30]} {str(odd)[:40]}", damaged(whole, draw)[1] if draw.random() < 0.4 else whole

    def case(number: int) -> Outcome:
        what, sent = hostile(random.Random(f"{seed} pages {number}"))
        told = exchange(sent)
        if b"HTTP/1.1 5" in told or b"Traceback" in told or b"root:" in told:
            return "traceback", f"{what}: {told[:200]!r}"
        after = exchange(request("GET", "/about"))
        if not after.startswith(b"HTTP/1.1 200"):
            return "other", f"after {what}: {after[:100]!r}"
        return ("same" if b"HTTP/1.1 200" in told else "refused"), what

    return case
