"""Connect to the Ray cluster this job should run on, or start a local one, quietly."""

from __future__ import annotations

import atexit
import logging
import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import ray
import ray.data
from ray._common.utils import get_system_memory

import ucvgl
from ucvgl.distributed.admission import said_at_the_door
from ucvgl.distributed.capacity import VARIABLE, Machine, growth, machines_of
from ucvgl.distributed.pending import watch
from ucvgl.distributed.placement import Placement, place
from ucvgl.distributed.start import authenticate, join, start
from ucvgl.run.places import SHARED
from ucvgl.settings.experiment import Resources

log = logging.getLogger(__name__)

OBJECT_STORE_BYTES, OBJECT_STORE_SHARE = (800_000_000, 8_000_000_000), 1 / 8
"""Of a local Ray: that share of the memory this process may use, within these bounds. With less room than a few shards
in flight take, reading waits for writing (`docs/performance.md`); what is not used is not taken. From 10 GB on Ray
refuses to start where /dev/shm is smaller, as in a container."""

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # C++ lines on the terminal alarm without cause; Python errors stay
    "RAY_DEDUP_LOGS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune's own reports; ours are shorter
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # an interrupted sweep ends as any job does
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # prints of workers would appear twice
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths keep their meaning in workers
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
REMOTE = {"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1"}
PATIENT = {"RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "1800"}
"""A machine has to be found, to boot and to fetch its image first."""
NO_PROGRESS_S, NO_PROGRESS_GROWING_S = 120, 1800
"""Ray Data gives up after so long without a row; starvation would otherwise be 30 silent minutes."""
LOCAL = {
    "RAY_AUTH_MODE": "disabled",  # unset, a token file of an earlier Ray locks `ray job submit` out
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # a process more for each group of workers; nobody takes this machine
    "RAY_num_workers_soft_limit": str(os.cpu_count()),  # idle processes, each tens of MB
    "OMP_NUM_THREADS": "1",
    "RAY_worker_niceness": "0",  # added to ours; Ray adds 15, with which any other program starves the training
}


@dataclass(frozen=True)
class ClusterInfo:
    """The cluster as the first screen of a run shows it."""

    address: str
    """`local`, or where the cluster was found."""
    nodes: int
    cpus: float
    gpus: float
    ray_version: str
    logs: str
    """Folder of Ray's own logs on this machine."""
    machines: tuple[Machine, ...] = ()
    """Those that it has, or, if it starts machines on demand, those that it may have."""
    grows: bool = False
    placement: Placement | None = None
    """Of the job that connected."""

    @property
    def most_cpus(self) -> float:
        """CPUs when every machine that may come has come."""
        return max(self.cpus, sum(machine.most * machine.cpus for machine in self.machines))

    @property
    def most_gpus(self) -> float:
        """GPUs when every machine that may come has come."""
        return max(self.gpus, sum(machine.most * machine.gpus for machine in self.machines))

    def __str__(self) -> str:
        where = "a local Ray" if self.address == "local" else f"Ray at {self.address}"
        now = f"{self.nodes} node{'s' * (self.nodes != 1)}, {self.cpus:g} logical CPUs, {self.gpus:g} GPUs"
        most = f", up to {self.most_cpus:g} and {self.most_gpus:g}" if self.grows else ""
        return f"{where}, {now}{most}" + (f"; {self.placement}" if self.placement else "")


def connect(resources: Resources) -> ClusterInfo:
    """Connect to `resources.address`, else to the cluster this job was submitted to, else start a local Ray.

    Raises:
        ValueError: a given cluster is too small for `resources`, or runs another version of Ray or Python; or this
            machine is too busy to start a Ray.
    """
    address = resources.address or os.environ.get("RAY_ADDRESS", "")
    grown = growth() if address else ()
    _defaults(REMOTE | (PATIENT if grown else {}) if address else LOCAL)
    _defaults(QUIET)
    quiet = {"logging_level": logging.WARNING, "log_to_driver": False, "configure_logging": True}
    if address:
        authenticate()
        join(address, runtime_env=_code(), job_config=said_at_the_door(resources), **quiet)
    else:
        _make_importable()
        start(
            num_cpus=max(os.cpu_count() or 1, _asked(resources)) + 1,  # one for what Ray itself schedules
            object_store_memory=_object_store_bytes(),
            include_dashboard=True,  # Ray Train polls the State API, which lives there
            dashboard_host="127.0.0.1",
            **quiet,
        )
    atexit.register(ray.shutdown)
    _quiet_data(NO_PROGRESS_GROWING_S if grown else NO_PROGRESS_S)
    total, context = ray.cluster_resources(), ray.get_runtime_context()
    info = ClusterInfo(
        address=address or "local",
        nodes=sum(node["Alive"] for node in ray.nodes()),
        cpus=total.get("CPU", 0),
        gpus=total.get("GPU", 0),
        ray_version=ray.__version__,
        logs=str(Path(context.get_temp_dir()) / context.get_session_name() / "logs"),
        machines=grown or machines_of(ray.nodes()),
        grows=bool(grown),
    )
    placed.cache_clear()
    info = replace(info, placement=placed(resources))
    if address:
        watch()
    return info


@cache
def placed(resources: Resources) -> Placement:
    """Where the workers of a job with these settings go on the cluster that this process is connected to.

    It is decided once: machines that are lost later may come again.

    Raises:
        ValueError: it could never hold them.
    """
    grown = growth()
    machines = grown or machines_of(ray.nodes())
    where = "this machine"
    if not _one_machine():
        hint = "" if grown else f" (if it starts machines on demand, its head must say so in {VARIABLE})"
        where = f"the cluster{hint}"
    elif machines:  # a local Ray counts more CPUs than the machine has
        (machine,) = machines
        machines = (replace(machine, cpus=min(machine.cpus, max(os.cpu_count() or 1, _asked(resources)))),)
    return place(resources, machines, grows=bool(grown), where=where)


def threads_each(actors: int) -> int:
    """Threads for each of so many actors that work alone: on a single machine they share all its cores."""
    return max(1, (os.cpu_count() or 1) // actors) if _one_machine() else 1


def several_machines() -> bool:
    """Whether work may be done on machines that do not see this one's files: those of `UCVGL_RUNS` all of them see."""
    return SHARED not in os.environ and not _one_machine()


def _one_machine() -> bool:
    """Whether this machine is the whole cluster and stays so."""
    return len(ray.nodes()) == 1 and not growth()


def _asked(resources: Resources) -> int:
    """CPUs that are asked for by number."""
    return max(resources.workers * max(1, resources.worker_cpus), resources.worker_cpus, resources.image_cpus)


def _defaults(environment: dict[str, str]) -> None:
    for name, value in environment.items():
        os.environ.setdefault(name, value)


def _object_store_bytes() -> int:
    least, most = OBJECT_STORE_BYTES
    return max(least, min(most, int(get_system_memory() * OBJECT_STORE_SHARE)))


def _code() -> dict | None:
    """Ship this package, unless the job's submission has shipped the working directory already."""
    package = Path(ucvgl.__file__).parent
    shipped = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ or "site-packages" in package.parts
    return None if shipped else {"py_modules": [str(package)]}


def _make_importable() -> None:
    """Local workers inherit this environment: let them find the package where the driver found it."""
    root = str(Path(ucvgl.__file__).resolve().parents[1])
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if root not in known:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, *known]))


def _quiet_data(no_progress_s: int) -> None:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = no_progress_s
    context.raise_original_map_exception = True  # else it is wrapped in an error that loses it
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # it would say before us, at length, what we say
    logging.getLogger("ray.train").setLevel(logging.ERROR)
