import logging

import pytest

from ucvgl.distributed import progress
from ucvgl.distributed.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds, which pass when a test says so."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_every_few_seconds_says_how_far_how_fast_and_how_long_still(clock, caplog):
    caplog.set_level(logging.INFO)
    step = Progress("match", 1000, unit="pairs", every_s=5)
    for passed, amount in ((4, 100), (2, 100), (1, 100), (3, 700)):
        clock[0] += passed
        step.advance(amount)
    assert caplog.messages == [
        "match: 200/1000 pairs, 33.3 pairs/s, ETA 24 s",
        "match: 1000/1000 pairs, 100 pairs/s, took 10.0 s",
    ]


def test_what_is_done_at_once_is_not_told_of(clock, caplog):
    caplog.set_level(logging.INFO)
    for seconds in (1, 2):
        step = Progress("match", 1000, unit="pairs")
        clock[0] += seconds
        step.advance(1000)
    assert caplog.messages == ["match: 1000/1000 pairs, 500 pairs/s, took 2.0 s"]


def test_what_was_done_before_does_not_count_as_speed(clock, caplog):
    caplog.set_level(logging.INFO)
    step = Progress("embed", 100, done=80)
    clock[0] += 10
    step.advance(10)
    assert caplog.messages == [
        "embed: 80/100 images were done before",
        "embed: 90/100 images, 1 images/s, ETA 10 s",
    ]
