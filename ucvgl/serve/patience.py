"""Who may connect, and for how long: who sends or reads nothing is let go, who asks for other names is refused.

uvicorn waits for ever for a client that has begun a request, and takes connections until there are no files left.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import resource
import socket
from collections.abc import Collection
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

LOOK_S = 20.0
"""Between two looks at a connection: without a request in the meantime it is closed."""
ANSWER_LOOKS = 9
"""So many looks a request may last, from its first line to the last byte of its answer."""
MOST_CONNECTIONS = 256
SPARE_FILES = 32
"""For what the server itself opens."""
BACKLOG = 16
"""Connections that are accepted in one go; those beyond the most are closed two goes later, when they are told of."""
GOES = 3
GRACE_S = 5.0
"""For answers that are due when the server is ended; then whoever is still connected is let go."""


class PatientProtocol(H11Protocol):
    """HTTP to clients that are alive."""

    most = MOST_CONNECTIONS

    def connection_made(self, transport: Any) -> None:  # type: ignore[override]
        """Begin to look at it, or close it where there are too many."""
        if len(self.connections) >= self.most:
            transport.abort()
            return
        super().connection_made(transport)
        self._request, self._looks = None, 0
        self.loop.call_later(LOOK_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn does, where it was told of the connection."""
        if self.transport is not None:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As uvicorn does, where it was told of the connection."""
        if self.transport is not None:
            super().data_received(data)

    def _look(self) -> None:
        request = self.cycle
        self._looks = self._looks + 1 if request is self._request else 0
        at_work = request is not None and not request.response_complete
        if self.transport.is_closing() or self._looks >= ANSWER_LOOKS or (not at_work and request is self._request):
            self.transport.abort()  # one that closes may wait for a client that reads nothing
            return
        self._request = request
        self.loop.call_later(LOOK_S, self._look)


class PatientServer(uvicorn.Server):
    """A server that ends when it is told to, whoever is connected."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does, which would wait for the slowest client."""
        late = asyncio.get_running_loop().call_later(GRACE_S, self._let_go)
        await super().shutdown(sockets)
        late.cancel()

    def _let_go(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def patient(app: Any) -> uvicorn.Server:
    """A server of this application for clients that are alive."""
    PatientProtocol.most = connections_at_once()
    how = {"log_level": "error", "server_header": False, "lifespan": "off"}  # it would show a traceback at its end
    return PatientServer(uvicorn.Config(app, http=PatientProtocol, backlog=BACKLOG, **how))


def connections_at_once() -> int:
    """As many as there are files to open, up to a bound; the limit is raised to what is allowed first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = SPARE_FILES + GOES * BACKLOG + _open_files()
    wanted = MOST_CONNECTIONS + spare
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard) if hard >= 0 else wanted, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(1, min(MOST_CONNECTIONS, soft - spare))


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 64


def names_of(host: str, names: Collection[str] = ()) -> frozenset[str]:
    """Names by which this server may be asked for, besides bare addresses."""
    return frozenset({"localhost", host.lower(), socket.gethostname().lower(), *(name.lower() for name in names)})


def may_ask(host: str, names: Collection[str]) -> bool:
    """Whether a request's `Host` is a name of this server.

    A page of another site can point its own name at this address, and would read the answers as its own.
    """
    bare = host.rsplit(":", 1)[0] if host.rpartition("]")[2].count(":") == 1 else host
    bare = bare.strip("[]").rstrip(".").lower()
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        return bare in names
    return True
