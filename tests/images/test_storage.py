"""Storage against local files and S3 servers that run: nothing here is a stand-in for a request."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import use
from pyarrow import fs

from benchmarks.object_store import ObjectStore, moto_server
from ucvgl.images import connections, retries, storage
from ucvgl.images.folder import read_catalog
from ucvgl.images.retries import StorageError
from ucvgl.images.storage import list_files, list_folders, locate, read, read_ahead
from ucvgl.images.uris import join

SLOW = pytest.mark.slow  # pyarrow tries again for six seconds before it says a word
OTHER_FAULTS = [(500, "InternalError"), (0, "")]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.05)


class Faults(BaseHTTPRequestHandler):
    """A way to the server that fails for as long as it is told to."""

    target: str
    answer: tuple[int, str]
    while_true: Callable[[], bool] = staticmethod(lambda: False)
    thinking_s: float = 0
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        time.sleep(type(self).thinking_s)
        if type(self).while_true():
            self._refuse(*self.answer)
            return
        request = urllib.request.Request(self.target + self.path, headers=dict(self.headers), method=self.command)
        try:
            reply = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as error:
            reply = error
        body = reply.read()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            if name.lower() not in ("connection", "transfer-encoding", "server", "date"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET

    def _refuse(self, status: int, code: str) -> None:
        if not status:
            self.close_connection = True
            return
        body = f"<Error><Code>{code}</Code><Message>later, please</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/xml")
        self.end_headers()
        self.wfile.write(body if self.command != "HEAD" else b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def faults(moto: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Faults]]:
    """The faults between this process and the server of `bucket`."""
    handler = type("TheseFaults", (Faults,), {"target": moto.endpoint})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        use(replace(moto, port=server.server_port), monkeypatch)
        yield handler
        server.shutdown()
        thread.join()


def put(store: ObjectStore, bucket: str, **objects: bytes) -> None:
    client = store.client()
    for key, body in objects.items():
        client.put_object(Bucket=bucket, Key=key, Body=body)


@pytest.mark.parametrize("name", ["plain.jpg", "with space #1 100%.jpg", "ümlaut?.jpg"])
def test_local_files_of_any_name_are_read_with_and_without_scheme(tmp_path, name):
    (tmp_path / name).write_bytes(b"abc")
    assert read(str(tmp_path / name)) == b"abc"
    assert read(f"file://{tmp_path / name}") == b"abc"


def test_a_bucket_is_connected_to_once_and_its_keys_are_not_parsed():
    options = "?region=eu-west-1&scheme=https"
    store, path = locate(f"s3://bucket/tiles/a b#1%.jpg{options}")
    again, _ = locate(f"s3://bucket/tiles/other.jpg{options}")
    assert path == "bucket/tiles/a b#1%.jpg"
    assert store is again


def test_an_object_of_any_name_is_read(moto, bucket):
    for key in ("plain.jpg", "a b#1%.jpg", "ümlaut+&=.jpg"):
        put(moto, bucket, **{key: key.encode()})
        assert read(f"s3://{bucket}/{key}") == key.encode()
    with pytest.raises(FileNotFoundError):
        read(f"s3://{bucket}/absent.jpg")


def test_a_key_that_would_forge_a_line_on_a_terminal_is_left_out_and_named(moto, bucket):
    put(moto, bucket, **{"a/good.jpg": b"1", "a/gpj.\u202eevil": b"2", "a/red\x1b[2J.jpg": b"3"})
    found = storage.look_through(f"s3://{bucket}")
    assert list(found.files) == ["a/good.jpg"]
    assert set(found.left_out) == {"a/gpj.\\u202eevil", "a/red\\x1b[2J.jpg"}


def test_the_endpoint_may_stand_in_the_uri(moto, bucket, monkeypatch):
    put(moto, bucket, **{"a.jpg": b"abc"})
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    connections.forget_connections()
    options = f"?scheme=http&endpoint_override=127.0.0.1:{moto.port}"
    assert read(join(f"s3://{bucket}{options}", "a.jpg")) == b"abc"


def test_a_listing_of_several_pages_and_folders_is_whole(moto, bucket):
    client = moto.client()
    keys = [f"set/pano/{k:04d}.jpg" for k in range(110)] + [f"set/tiles/{k % 7}/x/{k}.png" for k in range(60)]
    for key in [*keys, "set/top.csv", "other/a", "set/empty/"]:  # the last is how a folder is marked
        client.put_object(Bucket=bucket, Key=key, Body=b"")
    assert len(client.list_objects_v2(Bucket=bucket)["Contents"]) == 25, "the pages are not small"
    expected = sorted(key.removeprefix("set/") for key in [*keys, "set/top.csv"])
    assert sorted(list_files(f"s3://{bucket}/set")) == expected
    assert list_folders(f"s3://{bucket}/set") == {"pano", "tiles", "empty"}
    with pytest.raises(FileNotFoundError):
        list_files(f"s3://{bucket}/nowhere")


def test_a_local_folder_is_listed_the_same_way(tmp_path):
    for name in ("a/b/c.jpg", "a/d.jpg", "e.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    for root in (str(tmp_path), f"{tmp_path}/", f"file://{tmp_path}"):
        assert sorted(list_files(root)) == ["a/b/c.jpg", "a/d.jpg", "e.jpg"]
        assert list_folders(root) == {"a"}


def test_a_data_set_in_a_bucket_is_one_like_a_folder(moto, bucket):
    put(moto, bucket, **{"city/panorama/a.jpg": b"", "city/satellite/b/c.png": b"", "city/satellite/d.heic": b""})
    put(moto, bucket, **{"city/references.csv": b"file,lat,lon\nb/c.png,41.5,-87\n"})
    catalog = read_catalog(f"s3://{bucket}/city", "train")
    assert catalog.queries["uri"].to_pylist() == [f"s3://{bucket}/city/panorama/a.jpg"]
    assert catalog.references["uri"].to_pylist() == [f"s3://{bucket}/city/satellite/b/c.png"]
    assert catalog.references["lat"].to_pylist() == [41.5]
    assert catalog.missing == ("a kind of image that is not read: satellite/d.heic",)


def test_files_are_read_ahead_in_order_and_each_tells_of_its_own_fault(moto, bucket, tmp_path):
    put(moto, bucket, **{f"{k}.jpg": str(k).encode() for k in range(50) if k != 20})
    (tmp_path / "local.jpg").write_bytes(b"local")
    uris = [f"s3://{bucket}/{k}.jpg" for k in range(50)]
    uris.insert(30, str(tmp_path / "local.jpg"))
    found = []
    for result in read_ahead(uris):
        try:
            found.append(result())
        except FileNotFoundError:
            found.append(None)
    expected: list = [str(k).encode() if k != 20 else None for k in range(50)]
    expected.insert(30, b"local")
    assert found == expected


def test_only_a_few_files_are_read_ahead(monkeypatch):
    asked = []
    monkeypatch.setattr(storage, "read", lambda uri: asked.append(uri) or b"")
    next(read_ahead(f"s3://b/{k}" for k in range(1000)))
    assert len(asked) <= 2 * storage.AT_ONCE


@pytest.mark.parametrize("answer", [(503, "SlowDown"), *(pytest.param(fault, marks=SLOW) for fault in OTHER_FAULTS)])
def test_a_fault_that_passes_costs_time_and_nothing_else(faults, moto, bucket, answer, caplog):
    """It lasts until even pyarrow, which tries again for seconds, has given up."""
    put(moto, bucket, **{"a.jpg": b"abc"})
    faults.answer, faults.while_true = answer, lambda: "trying again in" not in caplog.text
    assert read(f"s3://{bucket}/a.jpg") == b"abc"
    assert not faults.while_true()
    assert list(list_files(f"s3://{bucket}")) == ["a.jpg"]


@SLOW
def test_a_fault_that_lasts_ends_with_the_reason(faults, bucket, monkeypatch):
    monkeypatch.setattr(retries, "GIVE_UP_S", 1.0)
    faults.answer, faults.while_true = (500, "InternalError"), lambda: True
    with pytest.raises(StorageError, match=r"a.jpg cannot be reached after \d+ s of trying again: .*the same command"):
        read(f"s3://{bucket}/a.jpg")


@SLOW
def test_an_answer_that_takes_its_time_is_waited_for(faults, moto, bucket, caplog):
    """Longer than the three seconds after which Arrow would ask again, and again."""
    put(moto, bucket, **{"set/a.jpg": b"abc"})
    faults.thinking_s = 4
    start = time.monotonic()
    assert list(list_files(f"s3://{bucket}/set")) == ["a.jpg"]
    assert "trying again" not in caplog.text
    assert time.monotonic() - start < 9, "it was asked for twice"


@SLOW
def test_a_store_that_is_not_there_is_told(moto, bucket, monkeypatch):
    monkeypatch.setattr(retries, "GIVE_UP_S", 0.2)
    use(replace(moto, port=1), monkeypatch)
    with pytest.raises(StorageError, match="cannot be reached after .*onnect to server"):
        list_files(f"s3://{bucket}/a")


def test_a_bucket_that_does_not_exist_is_told(moto, bucket):
    for call in (list_files, list_folders):
        with pytest.raises(StorageError, match="s3://no-such-bucket does not exist; check its name, and AWS_ENDPOINT"):
            call("s3://no-such-bucket/a")


def test_wrong_credentials_are_told_and_never_repeated(monkeypatch):
    with moto_server(INITIAL_NO_AUTH_ACTION_COUNT="0") as strict:
        use(strict, monkeypatch)
        with pytest.raises(StorageError, match="b-1 refuses the credentials .INVALID_ACCESS_KEY_ID.*AWS_PROFILE") as a:
            list_files("s3://b-1/a")
        with pytest.raises(StorageError, match=r"s3://b-1/a.jpg: access denied .*check the credentials") as b:
            read("s3://b-1/a.jpg")
    for caught in (a, b):
        assert strict.secret not in str(caught.value)


def test_a_uri_with_credentials_is_refused_without_repeating_them():
    with pytest.raises(StorageError, match=r"s3://\*\*\*@bucket/a: a URI with credentials would be written") as caught:
        read("s3://AKIA:s3cr3t@bucket/a")
    assert "s3cr3t" not in str(caught.value)


def test_a_place_that_nobody_knows_is_refused():
    with pytest.raises(StorageError, match="is no place that can be read"):
        locate("ftp://host/a")
    assert isinstance(locate("plain")[0], fs.LocalFileSystem)


def test_the_root_of_a_machine_is_not_the_folder_one_stands_in() -> None:
    assert [locate(uri)[1] for uri in ("/", "file:///", "/a/")] == ["/", "/", "/a"]
