"""What a URI is made of: which part is a place, which an option, which a secret. Keys are data, whatever they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

OPTIONS = frozenset(
    """region scheme endpoint_override project_id retry_limit_seconds anonymous user replication buffer_size
    default_block_size connect_timeout request_timeout force_virtual_addressing allow_bucket_creation
    allow_bucket_deletion allow_delayed_open check_directory_existence_before_creation background_writes smart_defaults
    tls_ca_file_path""".split()  # noqa: SIM905
)
"""Of pyarrow's stores, behind `?`; none of them is secret, and whatever else stands there may be."""
START = r"(?:[A-Za-z][A-Za-z0-9+.-]{0,30}://|\b(?:s3a?|gs|gcs|abfss?|wasbs?|az|hdfs|swift|https?):[/\\]{0,2})"
"""Of a URI, also of one that was begun with too few slashes or the wrong ones; of a bounded length, as else a name of
100,000 letters takes a minute."""
BEGUN = re.compile(START, re.IGNORECASE)
URI = re.compile(
    rf"({START}(?:[^\s/@?'\"<>:]*(?::|%3A)(?!\d+[/\s'\"])\S*@)?[^\s'\"<>]*[^\s'\"<>:;,.)])([:;,.)]*)", re.IGNORECASE
)
"""In a sentence, whose punctuation may follow."""
PASSWORD = re.compile(r"[^/@?]*(?::|%3A).*@", re.IGNORECASE | re.DOTALL)
"""From the scheme on: a name, a colon, and whatever comes before the last `@`, as secrets hold `/` and `?`."""
USER = re.compile(r"(?!anonymous@)[^/@?#]+@")
NAMES_BEFORE_AT = ("abfs", "abfss", "wasb", "wasbs", "hdfs", "viewfs", "ssh", "sftp", "file")
"""Where a container or a user stands before the `@`; elsewhere it is a token, or a key's name, or `anonymous`."""
NAMED = re.compile(
    r"((?:[#;&?]|%(?:25)*(?:23|3B|26|3F))"
    r"(?:[\w.-]*(?:token|secret|passw|pwd|signature|credential|auth|key|access)[\w.-]*|pw|pass|sig)=)"
    r"(?:\"[^\"]*\"|'[^']*'|<[^>]*>|[^&;#\s'\"<>]*[^&;#\s'\"<>:,.)])",
    re.IGNORECASE,
)
"""What calls itself a secret behind `#`, `;`, `&` or `?`, wherever it stands: in a fragment, in a key."""
CONNECTION = re.compile(r"\b(Account_?Key|SharedAccess(?:Key|Signature)|aws_secret_access_key|aws_session_token)"
                        r"(\s*[=:]\s*)[^\s;,'\"]+", re.IGNORECASE)  # fmt: skip
"""In the words of a store's own library."""
PORT = re.compile(r"[^/@?:]+:\d+(/|$)")
SCHEMES = ("file", "s3", "gs", "gcs", "hdfs", "viewfs", "abfs", "abfss")
"""Of the places that pyarrow can read."""
ESCAPED = re.compile(r"%((?:25)*)3([FD])")
"""A `?` or `=` of a key, so that it begins no option and calls itself no secret."""

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
    name = ESCAPED.sub(r"%25\g<1>3\g<2>", path).replace("?", "%3F")
    name = name.replace("=", "%3D") if NAMED.search(f"{name}x") else name
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
    return ESCAPED.sub(lambda found: f"%{found[1][2:]}3{found[2]}" if found[1] else "?="["FD".index(found[2])], path)


def holds_secrets(uri: str) -> bool:
    """Whether a URI carries a password, a key or what may be one, as `s3://key:secret@bucket` or `?secret_key=`."""
    return without_secrets(uri) != uri


def without_secrets(uri: str) -> str:
    """The same URI with `***` for what should stay secret."""
    begun = BEGUN.match(uri)
    if begun is None:
        return uri
    scheme, rest = uri.partition(":")[0].lower(), uri[begun.end() :]
    found = PASSWORD.match(rest) or (scheme not in NAMES_BEFORE_AT and USER.match(rest))
    if found and not (scheme == "hdfs" and PORT.match(rest)):
        rest = f"***@{rest[found.end() :]}"
    path, question, options = rest.partition("?")
    return NAMED.sub(r"\1***", f"{begun[0]}{path}{question}{_shown(options)}")


def refuse_secrets(words: Iterable[str]) -> None:
    """Refuse words of a command with credentials anywhere in them, before anybody reads, repeats or sends them.

    Raises:
        ValueError: there are some; where, and what to do instead.
    """
    for word in words:
        for begun in BEGUN.finditer(word):
            before, uri = word[: begun.start()], word[begun.start() :]
            if holds_secrets(uri):
                raise ValueError(f"{before}{without_secrets(uri)}: {NO_CREDENTIALS}")


def scrubbed(text: str) -> str:
    """A text in which no URI tells a secret, nor what calls itself one."""
    text = URI.sub(lambda found: without_secrets(found[1]) + found[2], text)
    return CONNECTION.sub(r"\1\2***", NAMED.sub(r"\1***", text))


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


def _shown(options: str) -> str:
    shown: list[str] = []
    for option in options.split("&"):
        name, equals, value = option.partition("=")
        hidden = any(before.endswith("***") for before in shown)  # a secret with `&` in it
        plain = _unquoted(value)
        telling = re.search("[@?#;]", plain) or (name == "user" and ":" in plain) or holds_secrets(plain)
        secret = equals and value and (name not in OPTIONS or telling)
        shown.append(f"{name}=***" if secret else "***" if hidden and option and not equals else option)
    return "&".join(shown)


def _unquoted(value: str) -> str:
    for _ in range(5):  # written percent-encoded once more by every program that it went through
        value = unquote(value)
    return value
