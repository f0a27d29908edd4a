"""Ray's own start, or a cluster's door: whatever is wrong there is a sentence within seconds, and Ctrl-C works."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import ray
from ray import _raylet
from ray._common.utils import get_default_ray_temp_dir, get_default_system_temp_dir
from ray._private import utils
from ray._private.services import canonicalize_bootstrap_address_or_die

from ucvgl.distributed.caretaker import UP, attend
from ucvgl.run.ending import interrupted_at_once, uninterrupted

TOO_LATE = (
    "timed out during startup", "Failed to start GCS", "Failed to start a dashboard", "Timed out waiting for file"
)  # fmt: skip
"""In Ray's errors when one of its processes did not come up in the time that Ray gives it, which is no setting."""
LAST_WORDS, MOST_WORDS, AT_WORK = "lines of", 300, "\tINFO "
"""In Ray's error when its dashboard did not start: the end of a log follows, of which so many letters are told, unless
that only says what it was doing when the time was over."""
SOCKET_PATH, SOCKET_BYTES = "/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.1", 107
"""Linux takes no longer path of a socket."""
FOLDER = "ray-"
"""How the name of a local Ray's own folder begins."""
CARETAKERS: list[subprocess.Popen[bytes]] = []
"""Of the local Rays of this process."""
FEWEST_FILES = 1024
"""Open files that Ray's processes and ours need on one machine."""
LEAST_SPACE = 16_000_000_000
"""Bytes of addresses that a process of Ray may map, most of which are never used; with less it crashes."""
LEAST_DISK = 32_000_000
"""Bytes for the logs and sockets of a Ray that has just started; with less its dashboard fails, or the first task."""
DOOR_S, GREETING_S = 10.0, 30.0
"""How long the head of a cluster may take to open its port, and to greet."""
HELLO, FRAME, SETTINGS = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0", 9, 4
"""How HTTP/2 begins (RFC 9113), which Ray's head speaks: both sides send a frame of settings, here an empty one; the
bytes of a frame's head, of which the fourth says what it is."""


def start(**how: Any) -> None:
    """Start a local Ray, whose files go when this process ends; Ray's own logs stay where `RAY_TMPDIR` is set.

    Raises:
        ValueError: this machine cannot hold one, or is too busy.
    """
    _check_machine()
    try:
        # stopped in the middle Ray crashes
        with uninterrupted(), _our_signals(), _silent_stderr(), _own_folder() as folder:
            ray.init(address="local", _temp_dir=folder, **how)
    except Exception as error:
        *_, last = str(error).strip().splitlines() or [""]
        if LAST_WORDS in str(error) and AT_WORK not in last:
            words = " ".join(last.split())
            raise ValueError(f"a process of Ray did not start ({words[-MOST_WORDS:]}); its logs: {_logs()}") from error
        if not any(told in str(error) for told in (*TOO_LATE, LAST_WORDS)):
            raise
        load, count = os.getloadavg()[0], os.cpu_count() or 1
        raise ValueError(
            f"Ray did not start on this machine within the 30 s that it gives itself; {load:.0f} programs want to run "
            f"on {count} core{'s' * (count != 1)}. Run the same command again when the machine is less busy; stages "
            f"that are done stay done. With enough free cores, Ray's logs say more: {_logs()}"
        ) from error


def join(address: str, **how: Any) -> None:
    """Connect to a cluster.

    Raises:
        ValueError: nothing answers there, or it runs another version of Ray or Python.
    """
    _knock(address)
    try:
        with interrupted_at_once(), _our_signals(), _silent_stderr():
            ray.init(address=address, **how)
    except ConnectionError as error:  # somebody else listens there, or a proxy in between
        raise _nobody(address) from error
    except RuntimeError as error:
        if "version" not in str(error).lower():
            raise
        here = f"Ray {ray.__version__} on Python {platform.python_version()}"
        raise ValueError(
            f"the cluster at {address} and this process do not match: here is {here}; {' '.join(str(error).split())}. "
            "Submit the job instead (make submit), so that it runs on the cluster's own Python, or install the same "
            "versions here"
        ) from error


def authenticate() -> None:
    """Say explicitly whether to send a token; Ray looks for one by itself only with address `auto`."""
    token = any(name in os.environ for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    token = token or os.path.exists(os.path.expanduser("~/.ray/auth_token"))
    if "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token" if token else "disabled"
        vars(_raylet)["Config"].initialize("")  # `import ray` has read the environment before


def _knock(address: str) -> None:
    """Ask for the cluster's port before Ray does, which would wait for a quarter of an hour and hear no Ctrl-C."""
    try:
        place = canonicalize_bootstrap_address_or_die(address) if address == "auto" else address
        host, _, port = place.rpartition("://")[2].partition("/")[0].rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), timeout=DOOR_S) as door:
            ray_is_there = "RAY_USE_TLS" in os.environ or _greets(door)
    except ValueError as error:
        raise ValueError(f"{address} is no address of a Ray cluster; write HOST:PORT, as 10.0.0.1:6379") from error
    except (OSError, OverflowError) as error:
        told = " ".join(str(getattr(error, "strerror", None) or error).split()).rstrip(".")
        raise _nobody(address, f" ({told})") from error
    if not ray_is_there:
        raise _nobody(address, " (something else does)")


def _greets(door: socket.socket) -> bool:
    """Whether who listens there begins as gRPC does."""
    door.settimeout(GREETING_S)
    door.sendall(HELLO)
    head = door.recv(FRAME, socket.MSG_WAITALL)
    return len(head) == FRAME and head[3] == SETTINGS


def _nobody(address: str, why: str = "") -> ValueError:
    return ValueError(
        f"no Ray cluster answers at {address}{why}; is it up, and its port reachable from here? Without "
        "--resources.address and RAY_ADDRESS a local Ray starts"
    )


def _check_machine() -> None:
    """What Ray would fail on in words of its own, or without any."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FEWEST_FILES and hard >= FEWEST_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FEWEST_FILES, hard))
    elif soft < FEWEST_FILES:
        raise ValueError(f"one may open {soft} files here and Ray needs {FEWEST_FILES}; run `ulimit -n 4096` first")
    space = resource.getrlimit(resource.RLIMIT_AS)[0]
    if 0 <= space < LEAST_SPACE:
        raise ValueError(
            f"a program may map {space / 1e9:.1f} GB here, and Ray maps up to {LEAST_SPACE / 1e9:.0f}; run `ulimit -v "
            "unlimited` first"
        )
    home = get_default_system_temp_dir()
    if not os.path.isabs(home):
        raise ValueError(
            f"Ray's logs and sockets would lie in {home!r}, below the folder one stands in; set RAY_TMPDIR to a folder "
            "from the root on, as /tmp, or unset it"
        )
    folder = get_default_ray_temp_dir() if "RAY_TMPDIR" in os.environ else f"{home}/{FOLDER}********"
    if len(os.fsencode(folder + SOCKET_PATH)) > SOCKET_BYTES:
        raise ValueError(
            f"Ray's sockets would lie in {folder}, and with that their names are longer than the {SOCKET_BYTES} bytes "
            "that this system takes; set RAY_TMPDIR=/tmp, or another short folder"
        )
    os.makedirs(home, exist_ok=True)
    if (free := shutil.disk_usage(home).free) < LEAST_DISK:
        raise ValueError(
            f"Ray's logs and sockets would lie in {home}, where {free / 1e6:.1f} MB are free, and it needs "
            f"{LEAST_DISK / 1e6:.0f}; make room there, or set RAY_TMPDIR to another short folder"
        )


def _logs() -> str:
    """Where they are, if they stay."""
    kept = f"{get_default_ray_temp_dir()}/session_latest/logs"
    return kept if "RAY_TMPDIR" in os.environ else "RAY_TMPDIR=FOLDER has them kept"


@contextmanager
def _own_folder() -> Iterator[str]:
    """Where Ray's processes keep their files; all that start in here know it as `TMPDIR`, and share its end."""
    folder = tempfile.mkdtemp(prefix=FOLDER, dir=get_default_system_temp_dir())
    caretaker = attend(folder)
    CARETAKERS.append(caretaker)
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = folder
    try:
        yield get_default_ray_temp_dir() if "RAY_TMPDIR" in os.environ else folder
    finally:
        assert caretaker.stdin is not None
        with suppress(BrokenPipeError):
            os.write(caretaker.stdin.fileno(), UP)
        del os.environ["TMPDIR"]
        os.environ |= {} if before is None else {"TMPDIR": before}


@contextmanager
def _our_signals() -> Iterator[None]:
    """Keep our own handler of SIGTERM: Ray's ends a program in the middle of its start, by a code of its own."""
    theirs = utils.set_sigterm_handler
    utils.set_sigterm_handler = lambda handler: None
    try:
        yield
    finally:
        utils.set_sigterm_handler = theirs


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """The C++ part announces that it will be quiet."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
