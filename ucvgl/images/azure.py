"""Azure's store: pyarrow reads it, Azure's own client writes it.

pyarrow empties a blob before it writes it anew, and who looks then finds nothing in it. Azure's client sends all blocks
first and puts them in place of the old ones with one request.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pyarrow import fs

from ucvgl.images.retries import StorageError

SCHEMES = ("abfs", "abfss")
CONNECTION, ACCOUNT = "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT"
CLOUD = "core.windows.net"
BLOCK = 2**23
"""Bytes that are sent at a time, and held until then; a blob may have 50,000 of them."""
NOT_INSTALLED = "nothing can be written to abfs:// without Azure's client: pip install 'ucvgl[azure]'"


class Account(NamedTuple):
    """A storage account.

    Args:
        name: of it.
        server: host and port of its blobs, with a dot in front where the name comes before.
        scheme: `https`, or `http` for a server on this machine.
        key: of the account; empty where the machine's role counts.
        signature: for shared access, in its place.
    """

    name: str
    server: str = f".blob.{CLOUD}"
    scheme: str = "https"
    key: str = ""
    signature: str = ""

    @property
    def url(self) -> str:
        """Of its blobs."""
        named = f"{self.name}{self.server}" if self.server.startswith(".") else f"{self.server}/{self.name}"
        return f"{self.scheme}://{named}"


def is_installed() -> bool:
    """Whether Azure's client is there."""
    try:
        import azure.identity  # pyright: ignore[reportMissingImports]
        import azure.storage.blob  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        return False
    return True


def container_of(host: str) -> str:
    """The container in the host of `abfs://CONTAINER@ACCOUNT.dfs.core.windows.net` or `abfs://CONTAINER`."""
    user, _, rest = host.rpartition("@")
    return user if "." in rest else rest


def account_of(host: str) -> Account:
    """The account that the host of a URI means.

    Raises:
        StorageError: neither it nor the environment names one.
    """
    _, _, server = host.rpartition("@")
    given = _given()
    if "." not in server:
        if given is None:
            raise StorageError(
                f"abfs://{host} names no storage account; write abfs://CONTAINER@ACCOUNT.dfs.{CLOUD}/FOLDER, or set "
                f"{CONNECTION} or {ACCOUNT}"
            )
        return given
    name, _, domain = server.partition(".")
    if given and given.name == name:
        return given
    return Account(name, f".{domain.replace('dfs.', 'blob.', 1)}")


def connected(host: str) -> fs.FileSystem:
    """The store that the host of a URI means, to read."""
    account = account_of(host)
    return fs.AzureFileSystem(
        account.name,
        account_key=account.key or None,
        sas_token=account.signature or None,
        blob_storage_authority=account.server,
        dfs_storage_authority=account.server.replace(".blob.", ".dfs.", 1),
        blob_storage_scheme=account.scheme,
        dfs_storage_scheme=account.scheme,
    )


def put(host: str, name: str, data: Iterable[bytes]) -> None:
    """Write a blob, which appears whole or not at all; what was there before stays until then.

    Raises:
        StorageError: Azure's client is not installed.
        OSError: it cannot be written.
    """
    with _faults():
        _blob(host, name).upload_blob(data, overwrite=True)


def remove(host: str, name: str) -> None:
    """Delete a blob. pyarrow takes a lease on it first, which keeps others out and outlives a lost machine.

    Raises:
        StorageError: Azure's client is not installed.
        FileNotFoundError: there is no such blob.
        OSError: it cannot be deleted.
    """
    with _faults():
        _blob(host, name).delete_blob(delete_snapshots="include")


def forget_clients() -> None:
    """Make them anew next time, by the environment of that time."""
    _client.cache_clear()


@contextmanager
def _faults() -> Iterator[None]:
    """What Azure's client raises, as the system would."""
    if not is_installed():
        raise StorageError(NOT_INSTALLED)
    from azure.core.exceptions import (  # pyright: ignore[reportMissingImports]
        AzureError,
        HttpResponseError,
        ResourceNotFoundError,
        ServiceRequestError,
        ServiceResponseError,
    )

    try:
        yield
    except ResourceNotFoundError as error:
        raise FileNotFoundError(str(error)) from error
    except HttpResponseError as error:
        raise OSError(f"HTTP status {error.status_code}: {error.message}") from error
    except (ServiceRequestError, ServiceResponseError) as error:
        raise ConnectionError(str(error)) from error
    except AzureError as error:
        raise OSError(str(error)) from error


def _blob(host: str, name: str) -> Any:
    return _client(account_of(host)).get_blob_client(container_of(host), name)


@lru_cache(maxsize=8)
def _client(account: Account) -> Any:
    from azure.identity import DefaultAzureCredential  # pyright: ignore[reportMissingImports]
    from azure.storage.blob import BlobServiceClient  # pyright: ignore[reportMissingImports]

    logging.getLogger("azure").setLevel(logging.WARNING)  # it tells of every request
    credential = account.key or account.signature or DefaultAzureCredential()
    return BlobServiceClient(account.url, credential=credential, max_single_put_size=BLOCK, max_block_size=BLOCK)


def _given() -> Account | None:
    """The account that the environment names."""
    parts = [part.partition("=") for part in os.environ.get(CONNECTION, "").split(";")]
    told = {name: value for name, _, value in parts}
    name = told.get("AccountName") or os.environ.get(ACCOUNT, "")
    if not name:
        return None
    scheme = told.get("DefaultEndpointsProtocol", "https")
    server = f".blob.{told.get('EndpointSuffix', CLOUD)}"
    if endpoint := told.get("BlobEndpoint"):
        scheme, server = urlsplit(endpoint).scheme, urlsplit(endpoint).netloc.removeprefix(name)
    return Account(name, server, scheme, told.get("AccountKey", ""), told.get("SharedAccessSignature", ""))
