"""moto's S3 server with a bucket of panoramas that it made itself, as 100,000 uploads would take longer than the rest.

python benchmarks/ingest_server.py COUNT HEIGHT PORT
"""

from __future__ import annotations

import sys

from ingest_images import good_images, names
from moto.backends import get_backend
from moto.server import main as serve

ACCOUNT = "123456789012"
"""The one that moto serves to whoever comes."""

if __name__ == "__main__":
    count, height, port = sys.argv[1:]
    backend = get_backend("s3")[ACCOUNT]["aws"]
    backend.create_bucket("ingest", "us-east-1")
    for name, content, _ in names(int(count), int(height)):
        backend.put_object("ingest", name, content)
    backend.put_object("ingest", "satellite/tile.jpg", good_images()[0])
    serve(["-H", "127.0.0.1", "-p", port])
