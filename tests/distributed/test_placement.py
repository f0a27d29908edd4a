"""Where the workers of a job go, on machines of every kind; the oracle packs them one by one."""

import pytest

from ucvgl.distributed.capacity import Machine
from ucvgl.distributed.placement import Placement, place
from ucvgl.settings.experiment import Resources
from ucvgl.settings.presets import PRESETS

LAPTOP, SERVER = Machine(2, 0, 1), Machine(64, 0, 1)
ONE_GPU, FOUR_GPUS, EIGHT_GPUS = Machine(16, 1, 1), Machine(48, 4, 1), Machine(192, 8, 1)
POOLS = {
    "a laptop": (LAPTOP,),
    "a server": (SERVER,),
    "three small machines": (Machine(3, 0, 3),),
    "one GPU": (ONE_GPU,),
    "four GPUs": (FOUR_GPUS,),
    "eight GPUs": (EIGHT_GPUS,),
    "two machines with GPUs": (Machine(16, 1, 2),),
    "two that differ": (Machine(8, 1, 1), EIGHT_GPUS),
    "a head, decoders and GPUs": (Machine(0, 0, 1), Machine(16, 0, 4), Machine(16, 1, 8)),
    "fewer CPUs than GPUs": (Machine(2, 4, 1),),
}


def packed(placement: Placement, machines) -> bool:
    """Whether every worker finds a machine with whole GPUs left, tried one after the other."""
    left = [[machine.cpus, int(machine.gpus)] for machine in machines for _ in range(machine.most)]
    for _ in range(placement.workers):
        home = next((one for one in left if one[0] >= placement.cpus and one[1] >= placement.gpus), None)
        if home is None:
            return False
        home[0], home[1] = home[0] - placement.cpus, home[1] - placement.gpus
    return True


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("pool", POOLS)
def test_every_preset_finds_a_place_on_every_pool_and_takes_all_its_gpus(preset, pool):
    placement = place(PRESETS[preset]().resources, POOLS[pool])
    assert packed(placement, POOLS[pool])
    gpus = sum(machine.most * machine.gpus for machine in POOLS[pool] if machine.cpus >= 1)
    assert placement.gpus == (gpus > 0)
    if pool != "fewer CPUs than GPUs":
        assert placement.workers == gpus or not gpus


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 7, 8, 9, 40])
@pytest.mark.parametrize("cpus", [0, 1, 2, 6])
@pytest.mark.parametrize("pool", POOLS)
def test_what_is_asked_for_is_placed_as_asked_or_refused_where_it_could_never_be(workers, cpus, pool):
    asked = Resources(workers=workers, worker_cpus=cpus)
    gpus = int(any(machine.gpus for machine in POOLS[pool]))
    if not packed(Placement(workers, cpus or 1, gpus, 1), POOLS[pool]):
        with pytest.raises(ValueError, match=f"^{workers} workers with .* are more than here holds"):
            place(asked, POOLS[pool])
        return
    placement = place(asked, POOLS[pool])
    assert (placement.workers, placement.gpus) == (workers, gpus)
    assert not cpus or placement.cpus == cpus
    assert packed(placement, POOLS[pool])


@pytest.mark.parametrize(
    ("machines", "expected"),
    [
        ((LAPTOP,), Placement(1, 2, 0, 2)),
        ((SERVER,), Placement(8, 8, 0, 64)),
        ((ONE_GPU,), Placement(1, 16, 1, 16)),
        ((FOUR_GPUS,), Placement(4, 12, 1, 48)),
        ((Machine(16, 1, 2),), Placement(2, 16, 1, 32)),
        ((Machine(8, 1, 1), EIGHT_GPUS), Placement(9, 8, 1, 200)),
    ],
)
def test_without_a_word_a_job_takes_what_there_is(machines, expected):
    assert place(Resources(), machines) == expected


def test_kinds_of_machines_that_stand_in_for_one_another_are_not_all_started():
    may_come = (Machine(16, 0, 8), Machine(16, 1, 8), Machine(16, 1, 8))
    assert place(Resources(), may_come, grows=True) == Placement(8, 16, 1, 128)
    assert place(Resources(workers=16), may_come, grows=True).workers == 16


def test_some_of_the_gpus_leave_the_cpus_of_the_others_alone():
    assert place(Resources(workers=3), (EIGHT_GPUS,)) == Placement(3, 24, 1, 192)


def test_what_could_never_be_placed_is_refused_with_the_numbers_and_the_way_out():
    told = r"^9 workers with 24 CPUs and a GPU each are more than X holds, 8 \(1 x 192 CPUs and 8 GPUs\); "
    with pytest.raises(ValueError, match=told + "lower resources.workers or resources.worker_cpus, add machines"):
        place(Resources(workers=9), (EIGHT_GPUS,), where="X")
    with pytest.raises(ValueError, match="^1 workers with 6 CPUs each are more than here holds, 0"):
        place(Resources(worker_cpus=6), (Machine(4, 0, 16),))
    told = "^resources.image_cpus: 65 processes are more than the CPUs that here has, 64 "
    with pytest.raises(ValueError, match=told):
        place(Resources(image_cpus=65), (SERVER,))
    with pytest.raises(ValueError, match="no machine"):
        place(Resources(), ())


def test_the_first_screen_says_who_works():
    assert str(Placement(8, 16, 1, 128)) == "8 workers with 16 CPUs and a GPU each; 128 for images"
    assert str(Placement(1, 1, 0, 2)) == "1 worker with 1 CPU each; 2 for images"
