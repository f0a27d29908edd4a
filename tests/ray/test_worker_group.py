import os
import signal
import threading
import time

import pytest
import ray
import training_programs as programs
from ray.util.state import list_actors

from ucvgl.distributed import worker_group
from ucvgl.distributed.machines import Machines
from ucvgl.distributed.placement import Placement
from ucvgl.distributed.progress import Progress
from ucvgl.distributed.worker_group import WorkerGroup
from ucvgl.settings.experiment import Resources


@pytest.fixture(scope="module")
def alone(cluster, tmp_path_factory):
    """One worker, of a group that the second of its tests replaces and the third ends."""
    rows = []
    resources = Resources(workers=1, worker_cpus=1)
    with Machines(tmp_path_factory.mktemp("alone"), resources, lambda **row: rows.append(row)) as machines:
        yield machines, rows


@pytest.fixture(scope="module")
def session(cluster, tmp_path_factory):
    """A group of two, which tries to meet over NCCL as workers with GPUs do; the last test ends it."""
    rows = []
    group = WorkerGroup(tmp_path_factory.mktemp("two"), Placement(2, 1, 0, 1), lambda **row: rows.append(row))
    with pytest.MonkeyPatch.context() as patch, group as session:
        patch.setattr(worker_group, "RaysNetwork", lambda _, **more: programs.NetworkOfGpus("nccl", **more))
        session.rows = rows
        yield session


def test_one_worker_runs_several_programs_and_survives_their_errors(alone, tmp_path):
    session, rows = alone
    session.rest()  # it has not begun
    assert session.run(programs.total, number=5) == 5
    watching = [("class_name", "=", "PreemptionWatcher"), ("state", "=", "ALIVE")]
    own = ray.get_runtime_context().gcs_address  # other tests have Rays of their own beside it
    assert list_actors(own, filters=watching) == [], "nobody takes this machine away"
    with pytest.raises(ValueError, match="^the pond is dry; fill it$"):
        session.run(programs.fail, folder=tmp_path)
    with pytest.raises(RuntimeError, match=r"training_programs:misspell failed on a worker"):
        session.run(programs.misspell)
    assert session.run(programs.total, number=7) == 7
    assert rows == [{"step": 0, "number": 5}, {"step": 0, "number": 7}]
    assert session.run(programs.seldom_looked_through) > 100_000, "modules are looked through after every program"
    assert len(list(tmp_path.glob("tried-*"))) == 1, "an error that would come again was tried again"
    for pieces in (300, 200, 100):
        progress = Progress("keep", pieces)
        session.run(programs.keep, progress=progress, pieces=pieces)
        assert progress.done == pieces, "rows of one program were counted for another"
    session.run(programs.keep, pieces=100)
    assert len(rows) == 2, "what progress counts is no row of the log"


def test_what_workers_hold_is_free_while_they_rest(alone):
    def held():
        return ray.cluster_resources()["CPU"] - ray.available_resources().get("CPU", 0)

    machines, _ = alone
    assert machines.run(programs.total, number=5) == 5
    busy = held()
    machines.rest()
    deadline = time.monotonic() + 30
    while held() > busy - 1 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert held() <= busy - 1
    assert machines.run(programs.total, number=7) == 7


def test_workers_hear_that_a_job_is_broken_off(cluster, tmp_path):
    """Then nobody waits for those that only start, half a minute."""
    heard = []
    machines = Machines(tmp_path, Resources(), print)
    machines._started.push(lambda kind, *_: heard.append(kind))
    with pytest.raises(KeyboardInterrupt), machines:
        raise KeyboardInterrupt
    assert heard == [KeyboardInterrupt]


def waiting_for_ray():
    """Threads of this process in which Ray Train runs; Ray's shutdown would crash the process under them."""
    return [thread.name for thread in threading.enumerate() if thread.name == "ray-train"]


def test_a_mailbox_that_is_lost_hides_nothing_of_what_ended_the_job(alone):
    with pytest.raises(KeyboardInterrupt), alone[0]._group as session:
        session.run(programs.total, number=5)
        ray.kill(session._mailbox)
        raise KeyboardInterrupt
    assert not waiting_for_ray()


def test_workers_that_cannot_talk_over_nccl_talk_over_gloo_and_the_driver_says_why(session, caplog):
    assert session.run(programs.total, number=5) == 15
    assert "the workers cannot talk over NCCL (ValueError: ProcessGroupNCCL" in caplog.text
    assert "use gloo" in caplog.text


def test_two_workers_resume_when_one_is_killed_and_report_an_error_of_one(session, tmp_path):

    killer = threading.Thread(target=kill_at_step, args=(tmp_path, 3))
    killer.start()
    begin = session.run(programs.count_slowly, folder=tmp_path, steps=12)
    killer.join()
    assert 3 <= begin < 12, "the second attempt did not go on from the checkpoint"
    assert (tmp_path / "step").read_text() == "12"
    assert session.rows[-1] == {"step": 11}

    # The other worker waits in a collective at that moment, and must not hold the session up.
    with pytest.raises(ValueError, match="the pond is dry"):
        session.run(programs.fail, folder=tmp_path)
    assert session.run(programs.total, number=1) == 3
    assert len(list(tmp_path.glob("tried-0-*"))) == 1


def kill_at_step(folder, step):
    """kill -9 worker 1, so that worker 0 sees its peer vanish in a collective."""
    while not (folder / "step").exists() or int((folder / "step").read_text()) < step:
        time.sleep(0.02)
    os.kill(int((folder / "pid-1").read_text()), 9)


def test_workers_that_are_busy_end_with_the_job_though_nothing_of_ray_answers_any_more(session, tmp_path):
    def interrupt(**_):
        mailboxes = [("class_name", "=", "Mailbox"), ("state", "=", "ALIVE")]
        for actor in list_actors(ray.get_runtime_context().gcs_address, filters=mailboxes, detail=True):
            os.kill(actor.pid, signal.SIGSTOP)
        raise KeyboardInterrupt

    session.log = interrupt
    with pytest.raises(KeyboardInterrupt), session:
        session.run(programs.count_slowly, folder=tmp_path, steps=10_000)
    assert not waiting_for_ray()
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.kill(int((tmp_path / "pid-0").read_text()), 0)
            time.sleep(0.1)
