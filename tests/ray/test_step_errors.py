"""An error inside a step of Ray Data arrives in its own words, on a real Ray."""

import errno
import os

import pytest
import ray
from one_job import wait_until

from ucvgl.distributed.stream import Step, stream
from ucvgl.images.decode import BadImage
from ucvgl.run.ending import at_work_on, sentence

ERRORS = {
    "ours": (ValueError("17 of 20 images cannot be used; repair them"), "17 of 20 images cannot be used; repair them"),
    "image": (BadImage("city/a.jpg", "cut off"), "city/a.jpg: cut off"),
    "disk": (
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/runs/part-0.arrow"),
        "/runs/part-0.arrow: no space left on device; make room there",
    ),
    "bucket": (OSError("AWS Error INTERNAL_FAILURE during GetObject"), "AWS Error INTERNAL_FAILURE during GetObject"),
}


def fail(row, *, kind):
    with at_work_on("b.jpg"):
        raise ERRORS[kind][0]


class FailsToStart:
    def __init__(self, kind):
        raise ERRORS[kind][0]

    def __call__(self, row):
        return row


def has_a_bug(row):
    return {"x": row["no such column"]}


def error_of(*steps):
    with pytest.raises(Exception) as caught:
        list(stream([{"a": 1}], *steps))
    return caught.value


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_of_a_task_keeps_its_words_and_the_name_of_its_image(cluster, kind):
    told = sentence(error_of(Step(fail, {"kind": kind})))
    assert told.startswith(ERRORS[kind][1]) and "DataContext" not in told and "b.jpg" in told


def test_an_error_of_an_actor_keeps_its_words_also_where_its_constructor_failed(cluster):
    assert sentence(error_of(Step(FailsToStart, {"kind": "ours"}))) == ERRORS["ours"][1]


def test_an_actor_whose_constructor_failed_leaves_its_cpu(cluster):
    before = ray.available_resources()["CPU"]
    error = error_of(Step(FailsToStart, {"kind": "ours"}))
    wait_until(lambda: ray.available_resources().get("CPU", 0) >= before)
    assert error.__context__ is None


def test_a_bug_in_a_step_keeps_its_own_traceback(cluster):
    error = error_of(Step(has_a_bug))
    assert sentence(error) is None
    assert 'return {"x": row["no such column"]}' in str(error) and str(error).strip().endswith("'no such column'")
