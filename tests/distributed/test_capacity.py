"""What may never be placed is refused before anything starts; machine files say what their cluster may grow to."""

import pytest

from tests.clusters.machine_files import KUBERAY, RAY_UP, announced, kinds
from ucvgl.distributed.capacity import Machine, growth, machines_of
from ucvgl.distributed.placement import place
from ucvgl.settings.presets import PRESETS


def test_the_variable_says_which_machines_may_come(monkeypatch):
    monkeypatch.delenv("UCVGL_MACHINES", raising=False)
    assert growth() == ()
    monkeypatch.setenv("UCVGL_MACHINES", "8xCPU:16, 2xCPU:24+GPU:1")
    assert growth() == (Machine(16, 0, 8), Machine(24, 1, 2))
    monkeypatch.setenv("UCVGL_MACHINES", "8xCPU:16,2xGPU:1")
    with pytest.raises(ValueError, match=r"'2xGPU:1' is not COUNTxCPU:N.*repair it in the file of the cluster"):
        growth()


def test_machines_that_are_gone_do_not_count():
    nodes = [{"Alive": True, "Resources": {"CPU": 4.0}}] * 2 + [{"Alive": False, "Resources": {"CPU": 9.0, "GPU": 1.0}}]
    assert machines_of(nodes) == (Machine(4, 0, 2),)


@pytest.mark.parametrize("name", [*RAY_UP, *KUBERAY])
def test_the_head_announces_the_machines_of_its_file(name, monkeypatch):
    monkeypatch.setenv("UCVGL_MACHINES", announced(name))
    assert list(growth()) == [Machine(kind["CPU"], kind["GPU"], int(kind["most"])) for kind in kinds(name)]


@pytest.mark.parametrize("name", [*RAY_UP, *KUBERAY])
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_fits_into_every_machine_file(name, preset, monkeypatch):
    monkeypatch.setenv("UCVGL_MACHINES", announced(name))
    placement = place(PRESETS[preset]().resources, growth(), grows=True)
    assert (placement.workers, placement.gpus) == (8, 1)
