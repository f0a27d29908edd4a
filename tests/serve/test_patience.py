"""Nobody can keep the server from the next person: by coming slowly, by reading nothing, by many connections."""

import asyncio
import json
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from urllib.parse import quote

import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")

from tests.index.areas import make_index, pictures
from tests.serve.server import serving
from ucvgl.serve import app as page
from ucvgl.serve import patience
from ucvgl.serve.app import Desk, application
from ucvgl.serve.patience import may_ask, names_of


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("patience")


@pytest.fixture(scope="module")
def localizer(home):
    return make_index(home / "area")


@pytest.fixture
def photo(home):
    return pictures(home / "photos", 1, (32, 128), seed=7)[0].read_bytes()


@pytest.fixture
def server(localizer, monkeypatch):
    monkeypatch.setattr(patience, "LOOK_S", 0.5)
    monkeypatch.setattr(page, "SILENCE_S", 1.0)
    with serving(application(localizer, tiles=4, max_bytes=200_000)) as running:
        yield running


def connected(server, sent):
    client = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    client.sendall(sent)
    return client


def answer(client):
    """All that comes until the server closes the connection."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


WHOLE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALF = b"POST /localize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc"


@pytest.mark.parametrize("sent", [b"", WHOLE[:24], WHOLE + b"GET /ab"])
def test_a_client_that_never_finishes_its_request_is_let_go(server, sent):
    with connected(server, sent) as client:
        told = answer(client)
    assert told.count(b"HTTP/1.1 200") == sent.count(b"\r\n\r\n")


def test_a_photo_that_stops_coming_is_given_up(server):
    head = b"POST /localize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    with connected(server, head + b"abc") as client:
        assert b"408" in answer(client).partition(b"\r\n")[0]


def test_clients_that_do_nothing_keep_no_photo_waiting(server, photo):
    idle = [connected(server, HALF) for _ in range(64)]
    assert server.ask("POST", "/localize", photo).status == 200
    for client in idle:
        assert b" 408 " in answer(client).partition(b"\r\n")[0], "it was sent away at once, and proves nothing"
        client.close()


def test_beyond_the_most_connections_new_ones_are_closed_and_the_old_ones_answered(server, monkeypatch):
    monkeypatch.setattr(patience.PatientProtocol, "most", 4)
    held = [connected(server, b"") for _ in range(4)]
    time.sleep(0.1)
    with connected(server, b"") as late:
        assert late.recv(1) == b""
    held[0].sendall(b"GET /about HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer(held[0]).startswith(b"HTTP/1.1 200")
    for client in held:
        client.close()


def test_a_tile_in_a_store_that_does_not_answer_keeps_no_photo_waiting(localizer, photo, monkeypatch):
    begun, enough = threading.Event(), threading.Event()

    def hang(uri):
        begun.set()
        enough.wait(60)

    monkeypatch.setattr(page, "tile_jpeg", hang)
    monkeypatch.setattr(page, "TILE_S", 0.5)
    with serving(application(localizer, tiles=4)) as server:
        asked = [threading.Thread(target=server.ask, args=("GET", "/tile/0.jpg")) for _ in range(12)]
        for one in asked:
            one.start()
        assert begun.wait(30)
        assert server.ask("POST", "/localize", photo).status == 200
        assert server.ask("GET", "/tile/0.jpg").status == 504
        for one in asked:
            one.join()
        enough.set()


def test_a_queue_has_an_end(localizer, photo, monkeypatch):
    enough, told = threading.Event(), []
    monkeypatch.setattr(page, "WAITING", 2)
    monkeypatch.setattr(page, "answer", lambda *_: enough.wait(60) and {})
    with serving(application(localizer, tiles=4)) as server:
        asked = [
            threading.Thread(target=lambda: told.append(server.ask("POST", "/localize", photo).status))
            for _ in range(10)
        ]
        for one in asked:
            one.start()
        while len(told) < 10 - page.AT_ONCE - 2:
            time.sleep(0.01)
        enough.set()
        for one in asked:
            one.join()
    assert sorted(told) == [200] * (page.AT_ONCE + 2) + [503] * (8 - page.AT_ONCE)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("localhost", True), ("LOCALHOST:8080", True), ("127.0.0.1:80", True), ("[::1]:8080", True), ("::1", True),
     ("geo.example.org", True), ("geo.example.org.:80", True), ("evil.example", False), ("127.0.0.1.evil", False),
     ("localhost@evil.example", False), ("", False), ("localhost:80:80", False), ("[evil.example]", False)],
)  # fmt: skip
def test_a_server_answers_to_its_own_names_only(host, allowed):
    assert may_ask(host, names_of("127.0.0.1", ["Geo.example.org"])) == allowed


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}])
def test_a_page_of_another_site_is_answered_nothing(server, headers):
    told = server.ask("GET", "/about", headers=headers)
    assert told.status == 421 and "by another name" in json.loads(told.body)["detail"]


def test_few_files_mean_few_connections_and_no_crash(localizer, home):
    """160 clients at 128 open files: the server once spun."""
    words = [sys.executable, "-m", "ucvgl.cli", "serve", str(home / "area"), "--port", "0"]

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))

    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=few) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            port = int(process.stdout.readline().split()[0].rpartition(":")[2])
            held = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(160)]
            for client in held:
                client.close()
            with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
                client.sendall(b"GET /about HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert answer(client).startswith(b"HTTP/1.1 200")
        finally:
            process.terminate()
        assert process.stderr.read() == "ucvgl serve: interrupted\n"


@pytest.mark.parametrize("name", ["9" * 5000, "-1", "1.0", "\u0663", ""])
def test_a_tile_of_no_number_is_not_there(server, name):
    assert server.ask("GET", f"/tile/{quote(name)}.jpg").status == 404


def test_work_that_outlives_the_server_ends_without_a_word(caplog):
    release = threading.Event()
    desk = Desk(1)

    async def ask_and_leave():
        asking = asyncio.create_task(desk.do(release.wait, 60))
        await asyncio.sleep(0)
        asking.cancel()

    asyncio.run(ask_and_leave())
    release.set()
    desk._threads.shutdown()
    assert not caplog.text


@pytest.mark.parametrize("sent", [HALF, WHOLE * 1000], ids=["slow", "reads nothing"])
def test_a_server_that_is_ended_waits_for_no_client_that_is_slow_or_reads_nothing(localizer, monkeypatch, sent):
    monkeypatch.setattr(patience, "GRACE_S", 0.5)
    with ExitStack() as held:
        with serving(application(localizer, tiles=4)) as server:
            client = held.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect(("127.0.0.1", server.port))
            client.settimeout(0.5)
            with suppress(TimeoutError):
                client.sendall(sent)
            time.sleep(0.5)
            begun = time.monotonic()
        assert time.monotonic() - begun < 8


def test_what_is_asked_when_the_server_is_ended_is_still_answered(localizer, monkeypatch):
    asked = threading.Event()
    monkeypatch.setattr(page, "answer", lambda *_: (asked.set(), time.sleep(1), {"here": 1})[-1])
    with ThreadPoolExecutor(1) as pool:
        with serving(application(localizer, tiles=4)) as server:
            told = pool.submit(server.ask, "POST", "/localize", b"photo")
            assert asked.wait(30)
        assert told.result().body == b'{"here":1}'


@pytest.mark.parametrize(("came", "times", "codes"), [(signal.SIGHUP, 1, [129]), (signal.SIGINT, 3, [0, 130])])
def test_a_server_whose_terminal_goes_or_that_is_ended_twice_shows_no_traceback(localizer, home, came, times, codes):
    """One that has ended at the first Ctrl-C, before the second came, ended well."""
    words = [sys.executable, "-m", "ucvgl.cli", "serve", str(home / "area"), "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None and server.stderr is not None
        assert "Ctrl-C ends it" in server.stdout.readline()
        time.sleep(1)
        for _ in range(times):
            server.send_signal(came)
            time.sleep(0.05)
        said = server.stderr.read()
    assert server.returncode in codes and "Traceback" not in said, said
