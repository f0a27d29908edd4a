import pytest


def test_what_shares_a_ray_runs_in_one_process(request):
    """Where xdist reads no group, every process starts every Ray of its own, and jobs run several times."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("one process runs all")
    items = [item for item in request.session.items if item.get_closest_marker("ray")]
    assert [item.nodeid for item in items if "@ray " not in item.nodeid] == []


def test_what_a_file_makes_once_is_made_in_one_process(request):
    """Else each process makes it again: three of them trained for `test_same_answer`, 75 s each."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("one process runs all")
    items = [item for item in request.session.items if "tests/training/test_same_answer.py" in item.nodeid]
    groups = {item.nodeid.rpartition("@")[2] for item in items if "trained" in item.fixturenames}
    assert groups <= {"tests/training/test_same_answer.py"}
