import socket
import subprocess
import sys
import urllib.request

import pytest

from tests.index.areas import make_index, make_run
from ucvgl import cli

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")


def test_the_command_says_where_it_serves_and_serves_there(tmp_path):
    make_index(tmp_path / "area")
    words = [sys.executable, "-m", "ucvgl.cli", "serve", str(tmp_path / "area"), "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url, _, about = process.stdout.readline().partition("   ")
            assert url.startswith("http://127.0.0.1:") and about == "6 tiles; Ctrl-C ends it\n"
            with urllib.request.urlopen(url, timeout=60) as page:
                assert b"Where was this photo taken?" in page.read()
        finally:
            process.terminate()


def test_a_run_cannot_be_served(tmp_path, capsys):
    assert cli.main(["serve", str(make_run(tmp_path / "run"))]) == 2
    assert "is a run; make an index with `ucvgl index" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(tmp_path, capsys):
    make_index(tmp_path / "area")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert cli.main(["serve", str(tmp_path / "area"), "--port", port]) == 2
    assert f"cannot listen at 127.0.0.1, port {port} (Address already in use" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [("--tiles", "-3"), ("--tiles", "0"), ("--max-megabytes", "nan"), ("--max-megapixels", "inf"), ("--port", "-1")],
)
def test_an_absurd_number_is_refused_before_the_index_is_read(flags, capsys):
    assert cli.main(["serve", "nowhere", *flags]) == 2
    assert f"{flags[0]} {flags[1]}: it must lie between" in capsys.readouterr().err
