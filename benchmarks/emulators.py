"""Servers on loopback that speak the API of Google's store and of Azure's, as processes of their own; both forget.

Google's is `gcp-storage-emulator` of PyPI. By hand, in one terminal and in another:

    python -c 'from benchmarks.emulators import serve_gcs; serve_gcs(9023)'
    CLOUD_STORAGE_EMULATOR_ENDPOINT=http://127.0.0.1:9023 ucvgl ... --run gs://anonymous@bucket/runs/tiny

Azure's is Azurite, of npm:

    npm install --prefix azurite-env azurite
    pip install '.[azure]'
    UCVGL_AZURITE=azurite-env/node_modules/.bin/azurite-blob python -m pytest tests/images
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from http import server as http
from importlib.util import find_spec
from pathlib import Path

from benchmarks.object_store import free_port, wait_for

BUCKET = "bucket"
AT_GOOGLES = f"gs://anonymous@{BUCKET}"
"""Whoever names nobody is asked for credentials before the first write."""
HAS_GCS = find_spec("gcp_storage_emulator") is not None
AZURITE = os.environ.get("UCVGL_AZURITE", "")
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's, known to everybody."""


@contextmanager
def azurite_server() -> Iterator[dict[str, str]]:
    """Azure's, empty, while the context lasts; the environment in which it is found."""
    port = free_port()
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    with tempfile.TemporaryDirectory() as home:
        program = [str(Path(AZURITE).resolve()), *options, "--blobPort", str(port)]
        with _running(program, port, home) as endpoint:
            yield {
                "AZURE_STORAGE_CONNECTION_STRING": f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
                f"AccountKey={KEY};BlobEndpoint={endpoint}/devstoreaccount1;"
            }


@contextmanager
def gcs_server() -> Iterator[dict[str, str]]:
    """Google's, with one empty bucket, while the context lasts; the environment in which pyarrow finds it."""
    port = free_port()
    program = f"from benchmarks.emulators import serve_gcs; serve_gcs({port})"
    with _running([sys.executable, "-c", program], port) as endpoint:
        yield {"CLOUD_STORAGE_EMULATOR_ENDPOINT": endpoint}


def serve_gcs(port: int) -> None:
    """Answer until the process ends.

    By itself the emulator answers one request after another, and pyarrow, which reads one thing while it asks for the
    next, waits for ever. So each request gets a thread, and what is stored a lock.
    """
    http.HTTPServer = http.ThreadingHTTPServer  # type: ignore[misc]
    from gcp_storage_emulator.server import create_server
    from gcp_storage_emulator.storage import Storage

    lock = threading.RLock()

    def alone(method: Callable) -> Callable:
        @wraps(method)
        def call(*given, **named):
            with lock:
                return method(*given, **named)

        return call

    for name, method in list(vars(Storage).items()):
        if callable(method) and not isinstance(method, staticmethod) and not name.startswith("__"):
            setattr(Storage, name, alone(method))
    create_server("127.0.0.1", port, in_memory=True, default_bucket=BUCKET).run()


@contextmanager
def _running(command: Sequence[str], port: int, home: str | Path = Path(__file__).parents[1]) -> Iterator[str]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=home, **quiet)
    try:
        endpoint = f"http://127.0.0.1:{port}"
        wait_for(endpoint, process)
        yield endpoint
    finally:
        process.terminate()
        process.wait(timeout=30)
