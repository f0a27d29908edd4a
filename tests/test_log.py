"""One handler; libraries speak only when something is wrong."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest

from ucvgl.log import start_logging


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def test_starting_twice_prints_every_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging()
    start_logging()
    logging.getLogger("ucvgl.x").info("hello")
    logging.getLogger("ray.data").info("chatter")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].endswith(" hello")


def test_a_name_of_100_000_letters_is_told_without_its_middle(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging()
    logging.getLogger("ucvgl.x").info("%s: no such file\nsecond line", "a" * 120_000)
    first, second = capsys.readouterr().err.splitlines()
    assert re.search(r"a … \(\d\d\d,\d\d\d letters\) … a+: no such file$", first) and len(first) < 4_000
    assert second == "second line"


def test_rank_0_tells_and_the_others_warn_with_their_rank(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging(rank=0)
    logging.getLogger("ucvgl.x").info("step 1")
    start_logging(rank=1)
    logging.getLogger("ucvgl.x").info("step 1")
    logging.getLogger("ucvgl.x").warning("loss is not finite")
    told = [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert told == ["[rank 0] step 1", "[rank 1] loss is not finite"]
