import pytest


def test_what_shares_a_ray_runs_in_one_process(request):
    """Where xdist reads no group, every process starts every Ray of its own, and jobs run several times."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("one process runs all")
    items = [item for item in request.session.items if item.get_closest_marker("ray")]
    assert [item.nodeid for item in items if "@ray " not in item.nodeid] == []
