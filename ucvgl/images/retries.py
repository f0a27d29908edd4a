"""Requests to an object store: tried again when that may help, explained in plain words when it cannot."""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable
from typing import TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
GIVE_UP_S = 120.0
"""A fault that lasts longer than this stops the job."""
GIVE_UP_THROTTLED_S = 3600.0
"""A store that asks to slow down is alive, and is given more time."""

THROTTLED = re.compile(
    r"SLOW_?DOWN|SERVER_?BUSY|THROTTL|TOO_?MANY_?REQUESTS|REQUEST_LIMIT|RESOURCE_EXHAUSTED|status 429", re.I
)
TRANSIENT = re.compile(
    r"NETWORK_CONNECTION|INTERNAL_(FAILURE|ERROR)|SERVICE_UNAVAILABLE|REQUEST_TIMEOUT|UNAVAILABLE|DEADLINE_EXCEEDED"
    r"|HTTP status 50[0234]|timed? ?out|connection (reset|closed|refused)|curlCode|broken pipe"
    r"|Azure Error: \[\w*\] 50[0234]|Fail to get a new connection",
    re.I,
)
CREDENTIALS = re.compile(
    r"INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE_DOES_NOT_MATCH|EXPIRED_TOKEN|InvalidToken|UNAUTHENTICATED"
    r"|UNRECOGNIZED_CLIENT|MISSING_AUTHENTICATION|status 401|AuthenticationFailed|DefaultAzureCredential",
    re.I,
)
DENIED = re.compile(r"ACCESS_DENIED|PERMISSION_DENIED|FORBIDDEN|status 403|Authorization\w*\] 403", re.I)
NO_FILE = re.compile(r"\[BlobNotFound\] 404")
"""Azure's store of a blob to copy."""
NO_BUCKET = re.compile(r"NO_SUCH_BUCKET|(bucket|container) does not exist", re.I)


CHAIN = {
    "s3": "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "abfs": "AZURE_STORAGE_CONNECTION_STRING, or a managed identity,",
    "abfss": "AZURE_STORAGE_CONNECTION_STRING, or a managed identity,",
}
"""Where the usual chain of each kind of store begins."""


class StorageError(ValueError):
    """Storage that cannot be used at all: unlike one missing file, this stops the job."""


def patiently(call: Callable[[], T], uri: str, patience_s: float | None = None) -> T:
    """The result of a request, which is made again after faults that pass, at growing distances.

    Args:
        uri: what is asked for, for messages.
        patience_s: how long at most; by the kind of fault where not given.

    Raises:
        StorageError: wrong credentials, no access, no such bucket, or a fault that does not pass.
        OSError: any other error, such as a file that does not exist.
    """
    start, wait = time.monotonic(), FIRST_WAIT_S
    while True:
        try:
            return call()
        except FileNotFoundError as error:
            if NO_BUCKET.search(str(error)) and "://" in uri:  # Google's store says so of both
                raise _no_bucket(uri) from error
            raise
        except OSError as error:
            if NO_FILE.search(str(error)):
                raise FileNotFoundError(str(error)) from error
            patience = min(_patience_s(error), GIVE_UP_THROTTLED_S if patience_s is None else patience_s)
            spent = time.monotonic() - start
            if patience == 0 or "://" not in uri:
                explained = _explained(error, uri)
                if explained is None:
                    raise
                raise explained from error
            if spent + wait > patience:
                message = f"{uri} cannot be reached after {spent:.0f} s of trying again: {_plain(error)}; {_KEPT}"
                raise StorageError(message) from error
            pause = wait * random.uniform(0.5, 1)  # so that many readers do not come back all at once
            log.warning("%s: %s; trying again in %.1f s", uri, _plain(error), pause)
        time.sleep(pause)
        wait = min(2 * wait, LONGEST_WAIT_S)


_KEPT = "finished work is kept, and the same command goes on when the store is back"


def _patience_s(error: OSError) -> float:
    text = str(error)
    if isinstance(error, (ConnectionError, TimeoutError)):
        return GIVE_UP_S
    if THROTTLED.search(text):
        return GIVE_UP_THROTTLED_S
    known = CREDENTIALS.search(text) or DENIED.search(text) or NO_BUCKET.search(text)
    return GIVE_UP_S if TRANSIENT.search(text) and not known else 0.0


def _explained(error: OSError, uri: str) -> StorageError | None:
    text, scheme, bucket = str(error), uri.partition("://")[0], _bucket(uri)
    if CREDENTIALS.search(text):
        return StorageError(
            f"{bucket} refuses the credentials ({_plain(error)}); set {CHAIN.get(scheme, 'them')} on every machine"
        )
    if DENIED.search(text):
        return StorageError(
            f"{uri}: access denied ({_plain(error)}); check the credentials ({CHAIN.get(scheme, 'of this store')}), "
            f"and that they may list and read {bucket}"
        )
    return _no_bucket(uri) if NO_BUCKET.search(text) else None


def _bucket(uri: str) -> str:
    return "/".join(uri.split("/", 3)[:3])


def _no_bucket(uri: str) -> StorageError:
    server = ", and AWS_ENDPOINT_URL where it is not Amazon's" if uri.startswith("s3://") else ""
    return StorageError(f"{_bucket(uri)} does not exist; check its name{server}")


def _plain(error: OSError) -> str:
    """The store's own sentence, without where in our code it was read."""
    words = re.sub(r"^.*?AWS Error ", "", " ".join(str(error).split()))
    return re.sub(r" \(Request ID: \S*\)|\. Detail: .*$", "", words).rstrip(". ")[:300]
