"""OpenStack Swift with s3api on loopback: an S3 store from PyPI that keeps its data on disk and verifies signatures.

    python -m venv swift-env && swift-env/bin/pip install swift
    UCVGL_SWIFT=swift-env/bin python -m pytest -m swift
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.object_store import ObjectStore, free_port, wait_for

KEY, SECRET = "test:tester", "testing"
KINDS = ("account", "container", "object")

DEFAULT = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
swift_dir = {folder}/etc
devices = {folder}/srv
mount_check = false
workers = 0
log_level = WARNING
disable_fallocate = true
[pipeline:main]
pipeline = {pipeline}
"""
STORAGE = """\
[app:{kind}-server]
use = egg:swift#{kind}
"""
FILTERS = {
    "catch_errors": "",
    "gatekeeper": "",
    "cache": "memcache_servers = 127.0.0.1:1",
    "listing_formats": "",
    "s3api": "s3_acl = no\nlocation = us-east-1",
    "tempauth": f"user_{KEY.replace(':', '_')} = {SECRET} .admin",
    "copy": "",
    "slo": "",
    "dlo": "",
    "symlink": "",
    "versioned_writes": "allow_versioned_writes = true",
}
"""Of the proxy, in this order; without memcached the cache stays empty."""
PROXY = """\
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
"""


@contextmanager
def swift_server(programs: Path) -> Iterator[ObjectStore]:
    """One Swift of four processes while the context lasts.

    Args:
        programs: the folder that holds `swift-proxy-server`.
    """
    with tempfile.TemporaryDirectory(prefix="swift") as folder:
        ports = {kind: free_port() for kind in (*KINDS, "proxy")}
        _configure(Path(folder), ports, programs)
        started = [_start(programs, kind, Path(folder)) for kind in (*KINDS, "proxy")]
        try:
            store = ObjectStore(ports["proxy"], KEY, SECRET)
            for kind, process in zip(ports, started, strict=True):
                wait_for(f"http://127.0.0.1:{ports[kind]}/healthcheck", process)
            yield store
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(timeout=30)


def _configure(folder: Path, ports: dict[str, int], programs: Path) -> None:
    etc = folder / "etc"
    etc.mkdir()
    (folder / "srv" / "d1").mkdir(parents=True)
    hashing = "[swift-hash]\nswift_hash_path_suffix = x1\nswift_hash_path_prefix = x2\n"
    (etc / "swift.conf").write_text(f"{hashing}[storage-policy:0]\nname = p0\ndefault = yes\n")
    here = {"folder": folder, "user": os.environ.get("USER", "root")}
    for kind in KINDS:
        text = DEFAULT.format(port=ports[kind], pipeline=f"{kind}-server", **here) + STORAGE.format(kind=kind)
        (etc / f"{kind}-server.conf").write_text(text)
        ring = [programs / "swift-ring-builder", f"{kind}.builder"]
        for step in (["create", "4", "1", "0"], ["add", f"r1z1-127.0.0.1:{ports[kind]}/d1", "1"], ["rebalance"]):
            subprocess.run([*ring, *step], cwd=etc, check=True, stdout=subprocess.DEVNULL)
    text = DEFAULT.format(port=ports["proxy"], pipeline=" ".join([*FILTERS, "proxy-server"]), **here) + PROXY
    for name, options in FILTERS.items():
        text += f"[filter:{name}]\nuse = egg:swift#{'memcache' if name == 'cache' else name}\n{options}\n"
    (etc / "proxy-server.conf").write_text(text)


def _start(programs: Path, kind: str, folder: Path) -> subprocess.Popen:
    command = [programs / f"swift-{kind}-server", folder / "etc" / f"{kind}-server.conf"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, cwd=folder / "etc", **quiet)
