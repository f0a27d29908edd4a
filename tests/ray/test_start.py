"""A cluster that does not answer, or a machine that cannot hold a Ray, is told of within seconds."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from ucvgl.distributed import start
from ucvgl.distributed.caretaker import living_in


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:{free}", "no Ray cluster answers at 127.0.0.1:"),
        ("no-such-host.invalid:6379", "no Ray cluster answers at no-such-host.invalid:6379"),
        ("nonsense", "nonsense is no address of a Ray cluster; write HOST:PORT"),
        ("127.0.0.1:99999999", "no Ray cluster answers"),
        ("http://127.0.0.1", "is no address of a Ray cluster"),
    ],
)
def test_a_stale_address_is_told_at_once(address, words):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nothing answers
        with pytest.raises(ValueError, match=words):
            start._knock(address.format(free=taken.getsockname()[1]))


def test_a_port_that_takes_nobody_in_is_waited_for_ten_seconds_at_most(monkeypatch):
    assert start.DOOR_S <= 10
    monkeypatch.setattr(start, "DOOR_S", 0.5)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as waiting:
        for _ in range(4):  # the first is taken in, and the others are not answered
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        begun = time.monotonic()
        with pytest.raises(ValueError, match="no Ray cluster answers at 127.0.0.1:[0-9]+ .timed out"):
            start._knock("{}:{}".format(*full.getsockname()))
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("said", "words"), [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "something else does"), (b"", "timed out")]
)
def test_a_port_at_which_something_listens_that_is_no_ray_is_told(monkeypatch, said, words):
    monkeypatch.setattr(start, "GREETING_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as other, ExitStack() as taken_in:

        def answer():
            guest = taken_in.enter_context(other.accept()[0])
            guest.sendall(said)

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(ValueError, match=rf"no Ray cluster answers at 127.0.0.1:[0-9]+ \({words}\)"):
            start._knock("{}:{}".format(*other.getsockname()))
        answering.join()


def test_a_port_whose_owner_ray_cannot_join_is_told_with_the_way_out(monkeypatch):
    def refuse(**how):
        raise ConnectionError("Failed to connect to Ray cluster at 10.0.0.1:6379")

    monkeypatch.setattr(start.ray, "init", refuse)
    monkeypatch.setattr(start, "_knock", lambda address: None)
    with pytest.raises(ValueError, match="no Ray cluster answers at 10.0.0.1:6379; is it up, and its port reachable"):
        start.join("10.0.0.1:6379")


def test_a_long_folder_for_sockets_is_told_with_the_way_out(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / ("x" * 90)))
    with pytest.raises(ValueError, match="longer than the 107 bytes that this system takes; set RAY_TMPDIR=/tmp"):
        start._check_machine()


@pytest.mark.parametrize("where", ["", "here", "s3://bucket/ray"])
def test_a_folder_for_sockets_that_begins_at_no_root_is_told_and_not_made(where, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_TMPDIR", where)
    with pytest.raises(ValueError, match="below the folder one stands in; set RAY_TMPDIR to a folder from the root on"):
        start._check_machine()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_for_rays_own_files_is_told_with_the_way_out(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=600_000))
    with pytest.raises(ValueError, match=r"would lie in /tmp, where 0.6 MB are free, .* make room there, or set"):
        start._check_machine()


def test_the_last_words_of_a_process_of_ray_that_did_not_start_are_told(monkeypatch):
    def fails(**how):
        try:
            raise Exception("\nThe last 20 lines of dashboard.log (...): \nINFO loading\nOSError: port 8265 is taken")
        except Exception as error:
            raise error from error  # as Ray does

    monkeypatch.setattr(start.ray, "init", fails)
    with pytest.raises(ValueError, match=r"^a process of Ray did not start \(OSError: port 8265 is taken\); its logs"):
        start.start()


@pytest.mark.parametrize(
    "told",
    [
        "The last 20 lines of dashboard.log: \n2026-11-27 22:52:13,204\tINFO head.py:341 -- Loaded 10",
        "Timed out waiting for file /tmp/ucvgl/ray/session/gcs_server_port_6cc1",  # its server was killed, or slow
    ],
)
def test_a_process_of_ray_that_was_merely_slow_says_that_the_machine_is_busy(told, monkeypatch):
    def fails(**how):
        raise Exception(told)

    monkeypatch.setattr(start.ray, "init", fails)
    with pytest.raises(ValueError, match="^Ray did not start on this machine within the 30 s that it gives"):
        start.start()


def test_too_few_open_files_are_raised_or_told():
    code = """if True:
        import resource, sys
        from ucvgl.distributed import start
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, int(sys.argv[1])))
        start._check_machine()
        print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"""
    raised = subprocess.run([sys.executable, "-c", code, "2048"], capture_output=True, text=True)
    assert raised.stdout.strip() == "1024"
    refused = subprocess.run([sys.executable, "-c", code, "200"], capture_output=True, text=True)
    assert "one may open 128 files here and Ray needs 1024; run `ulimit -n 4096` first" in refused.stderr


def test_too_little_address_space_is_told(monkeypatch):
    limits = {start.resource.RLIMIT_AS: 9 * 10**9}
    monkeypatch.setattr(start.resource, "getrlimit", lambda which: (limits.get(which, 4096), 4096))
    with pytest.raises(ValueError, match="may map 9.0 GB here, and Ray maps up to 16; run `ulimit -v unlimited`"):
        start._check_machine()


def test_workers_of_a_local_ray_are_as_nice_as_their_driver(cluster):
    import ray

    @ray.remote(num_cpus=0)
    def niceness():
        return os.nice(0)

    assert ray.get(niceness.remote()) == os.nice(0)


DRIVER = """
import os
from ucvgl.distributed.cluster import connect
from ucvgl.settings.experiment import Resources
connect(Resources())
print(*(name for name in os.listdir("/tmp") if name.startswith("ray-")), flush=True)
os.kill(os.getpid(), 9)
"""


STOPPED = """
import os, signal, sys, threading, time
from ucvgl.distributed import start
from ucvgl.run.ending import ended

def stop():
    home = os.environ.get("TMPDIR")
    while os.environ.get("TMPDIR") == home or not os.listdir(os.environ["TMPDIR"]):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=stop, daemon=True).start()
sys.exit(ended(start.start, print))
"""


def test_a_signal_while_ray_starts_ends_the_program_with_a_word_and_the_usual_code():
    env = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "RAY_TMPDIR", "TMPDIR")}
    done = subprocess.run([sys.executable, "-c", STOPPED], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (143, "interrupted\n"), done


def test_a_driver_that_is_killed_leaves_no_process_and_no_folder():
    """What a closed terminal leaves is the same to who tidies up: tests/distributed/test_caretaker.py."""
    before = set(os.listdir("/tmp"))
    env = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "RAY_TMPDIR", "TMPDIR")}
    driver = [sys.executable, "-c", DRIVER]
    ended = subprocess.run(driver, env=env, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended
    (folder,) = (f"/tmp/{name}" for name in set(ended.stdout.split()) - before)
    end = time.monotonic() + 60
    while (os.path.exists(folder) or living_in(folder)) and time.monotonic() < end:
        time.sleep(0.2)
    assert not os.path.exists(folder) and not living_in(folder)
