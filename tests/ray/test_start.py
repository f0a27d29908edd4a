"""A cluster that does not answer, or a machine that cannot hold a Ray, is told of within seconds."""

import socket
import subprocess
import sys

import pytest

from ucvgl.distributed import start


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


def test_a_long_folder_for_sockets_is_told_with_the_way_out(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / ("x" * 90)))
    with pytest.raises(ValueError, match="longer than the 107 bytes that this system takes; set RAY_TMPDIR=/tmp"):
        start._check_machine()


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


def test_workers_of_a_local_ray_are_as_nice_as_their_driver(cluster):
    import os

    import ray

    @ray.remote(num_cpus=0)
    def niceness():
        return os.nice(0)

    assert ray.get(niceness.remote()) == os.nice(0)
