import threading

import pytest

from ucvgl.training.ahead import STEPS_AHEAD, Ahead


@pytest.mark.parametrize("first", [0, 7, 19])
def test_every_step_gets_its_own_wherever_it_begins(first):
    with Ahead(lambda step: step * step, 20) as read:
        assert [read[step] for step in range(first, 20)] == [step * step for step in range(first, 20)]


def test_while_a_step_works_the_next_two_are_read_and_no_more():
    begun, two_more = [], threading.Semaphore(0)

    def read(step):
        begun.append(step)
        two_more.release()
        return step

    with Ahead(read, 20) as batches:
        assert batches[3] == 3
        for _ in range(1 + STEPS_AHEAD):
            assert two_more.acquire(timeout=10)
    assert sorted(begun) == [3, 4, 5]


def test_what_goes_wrong_in_reading_goes_wrong_in_the_step_that_needs_it():
    def read(step):
        if step == 2:
            raise ValueError("shard 7 is cut off")
        return step

    with Ahead(read, 20) as batches:
        assert [batches[step] for step in range(2)] == [0, 1]
        with pytest.raises(ValueError, match="shard 7 is cut off"):
            batches[2]
