"""What a URI is made of: which part is a place, which an option, which a secret. Keys are data, whatever they hold."""

from __future__ import annotations

import re
from urllib.parse import unquote

OPTIONS = frozenset(
    """region scheme endpoint_override project_id retry_limit_seconds anonymous user replication buffer_size
    default_block_size connect_timeout request_timeout force_virtual_addressing allow_bucket_creation
    allow_bucket_deletion allow_delayed_open check_directory_existence_before_creation background_writes smart_defaults
    tls_ca_file_path""".split()  # noqa: SIM905
)
"""Of pyarrow's stores, behind `?`; none of them is secret, and whatever else stands there may be."""
URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]*[^\s'\"<>:;,.)])([:;,.)]*)")
"""In a sentence, whose punctuation may follow."""
PASSWORD = re.compile(r"[^/@?]*(?::|%3A).*@", re.IGNORECASE | re.DOTALL)
"""From the scheme on: a name, a colon, and whatever comes before the last `@`, as secrets hold `/` and `?`."""
PORT = re.compile(r"[^/@?:]+:\d+(/|$)")
SCHEMES = ("file", "s3", "gs", "gcs", "hdfs", "viewfs", "abfs", "abfss")
"""Of the places that pyarrow can read."""
ESCAPED = re.compile(r"%((?:25)*)3F")

NO_CREDENTIALS = (
    "a URI with credentials would be written into the run's files; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, for gs:// GOOGLE_APPLICATION_CREDENTIALS, for abfs:// AZURE_STORAGE_CONNECTION_STRING, "
    "instead (docs/data.md)"
)


def is_local(uri: str) -> bool:
    """Whether a URI means a file of this machine."""
    return "://" not in uri or uri.startswith("file://")


def join(root: str, path: str) -> str:
    """The URI of a path below a root, whose options behind `?` stay at the end; a `?` of the path is data."""
    if is_local(root):
        return f"{root.rstrip('/')}/{path}"
    plain, options = split_options(root)
    scheme, _, rest = plain.partition("://")
    name = ESCAPED.sub(r"%25\g<1>3F", path).replace("?", "%3F")
    home = rest.rstrip("/").replace("?", "%3F")  # of the root, too, what begins no option is data
    return f"{scheme}://{home}/{name}{options and '?'}{options}"


def split_options(uri: str) -> tuple[str, str]:
    """A URI without its options, and these. A `?` that begins none is a part of the name."""
    plain, question, options = uri.partition("?")
    names = [option.partition("=") for option in options.split("&")]
    known = question and all(equals and name in OPTIONS for name, equals, _ in names)
    return (plain, options) if known else (uri, "")


def key_of(path: str) -> str:
    """What `join` made of a name, undone."""
    return ESCAPED.sub(lambda found: f"%{found[1][2:]}3F" if found[1] else "?", path)


def holds_secrets(uri: str) -> bool:
    """Whether a URI carries a password, a key or what may be one, as `s3://key:secret@bucket` or `?secret_key=`."""
    return without_secrets(uri) != uri


def without_secrets(uri: str) -> str:
    """The same URI with `***` for what should stay secret."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return uri
    if (found := PASSWORD.match(rest)) and not (scheme == "hdfs" and PORT.match(rest)):
        rest = f"***@{rest[found.end() :]}"
    path, question, options = rest.partition("?")
    return f"{scheme}://{path}{question}{'&'.join(map(_shown, options.split('&')))}"


def scrubbed(text: str) -> str:
    """A text in which no URI tells a secret."""
    return URI.sub(lambda found: without_secrets(found[1]) + found[2], text)


def no_place(uri: str) -> str:
    """Why nothing can lie at a URI, by its form alone; empty where something may."""
    scheme, _, rest = uri.partition("://")
    if is_local(uri):
        return "" if uri else "it is empty; name a folder"
    if scheme.lower() not in SCHEMES:
        return f"{uri} is no place that can be read; there are local folders, s3://, gs://, abfs:// and hdfs://"
    if not split_options(rest)[0].partition("/")[0].rpartition("@")[2] and scheme not in ("hdfs", "viewfs"):
        return f"{uri} names no bucket; write {scheme}://BUCKET/FOLDER"
    return ""


def climbs(path: str) -> bool:
    """Whether a name leads out of its folder, or through none."""
    return any(part in ("", ".", "..") for part in path.split("/"))


def _shown(option: str) -> str:
    name, equals, value = option.partition("=")
    plain = unquote(value)
    secret = name not in OPTIONS or "@" in plain or holds_secrets(plain)
    return f"{name}=***" if equals and value and secret else option
