"""Which jobs wait for which; that they do is in test_two_jobs.py, on a real cluster."""

from ucvgl.distributed.admission import Needs, in_the_way

ROOM = Needs(12, 2)


def test_jobs_that_fit_together_do_not_wait_and_others_wait_for_all_who_came_before():
    small, large = Needs(5, 1), Needs(8, 1)
    assert in_the_way([], large, ROOM) == []
    assert in_the_way([small], small, ROOM) == []
    assert in_the_way([small], large, ROOM) == [small]
    assert in_the_way([small, large], Needs(1, 0), ROOM) == [small, large], "one that waits is not overtaken"


def test_a_job_alone_never_waits_even_where_machines_were_lost():
    assert in_the_way([], Needs(8, 0), Needs(0, 0)) == []


def test_gpus_count_only_where_there_are_some():
    assert in_the_way([Needs(1, 1.5)], Needs(1, 1), ROOM) == [Needs(1, 1.5)]
    assert in_the_way([Needs(1, 1.5)], Needs(1, 1), Needs(12, 0)) == []


def test_a_job_on_a_ray_of_its_own_begins_at_once(cluster):
    from ucvgl.distributed.admission import wait_for_turn

    wait_for_turn()
