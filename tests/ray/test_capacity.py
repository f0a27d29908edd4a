"""What may never be placed is refused before anything starts; machine files say what their cluster may grow to."""

from dataclasses import replace

import pytest

from tests.clusters.machine_files import KUBERAY, RAY_UP, announced, kinds
from ucvgl.distributed.capacity import Machine, growth, machines_of
from ucvgl.distributed.cluster import ClusterInfo, preflight
from ucvgl.settings.experiment import Resources
from ucvgl.settings.presets import PRESETS

EMPTY = ClusterInfo("10.0.0.1:6379", nodes=1, cpus=0, gpus=0, ray_version="", logs="", grows=True)


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


def test_an_empty_cluster_that_grows_takes_what_it_may_grow_to_and_no_more():
    grown = replace(EMPTY, machines=(Machine(16, 0, 2), Machine(8, 1, 1)))
    fits = Resources(train_workers=4, train_cpus=8, train_gpus=0.15, model_gpus=0.4, search_workers=2)
    preflight(fits, grown)
    assert str(grown).endswith("0 logical CPUs, 0 GPUs, up to 40 and 1")
    with pytest.raises(ValueError, match=r"44 CPUs at once.*can grow to 40; lower"):
        preflight(replace(fits, train_workers=5), grown)
    with pytest.raises(ValueError, match=r"has 0;.*if it starts machines on demand, its head must say so"):
        preflight(fits, replace(EMPTY, grows=False))


def test_a_worker_that_is_larger_than_any_machine_is_refused_though_the_sum_would_do():
    wide = replace(EMPTY, machines=(Machine(4, 0, 16),))
    with pytest.raises(ValueError, match=r"a train worker asks for 6 CPUs on one machine.*16 x 4 CPUs.*train_cpus"):
        preflight(Resources(train_cpus=6), wide)
    apart = replace(EMPTY, machines=(Machine(16, 0, 4), Machine(2, 1, 4)))
    with pytest.raises(ValueError, match=r"a train worker asks for 3 CPUs and 0.6 GPUs on one machine"):
        preflight(Resources(train_cpus=3), apart)


@pytest.mark.parametrize("name", [*RAY_UP, *KUBERAY])
def test_the_head_announces_the_machines_of_its_file(name, monkeypatch):
    monkeypatch.setenv("UCVGL_MACHINES", announced(name))
    assert list(growth()) == [Machine(kind["CPU"], kind["GPU"], int(kind["most"])) for kind in kinds(name)]


@pytest.mark.parametrize("name", [*RAY_UP, *KUBERAY])
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_fits_into_every_machine_file(name, preset, monkeypatch):
    monkeypatch.setenv("UCVGL_MACHINES", announced(name))
    preflight(PRESETS[preset]().resources, replace(EMPTY, machines=growth()))
