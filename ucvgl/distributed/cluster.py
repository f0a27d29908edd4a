"""Connect to the Ray cluster this job should run on, or start a local one, quietly."""

from __future__ import annotations

import atexit
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import ray
import ray.data
from ray._common.utils import get_system_memory

import ucvgl
from ucvgl.distributed.admission import said_at_the_door
from ucvgl.distributed.capacity import VARIABLE, Machine, growth, machines_of, refuse_what_fits_no_machine
from ucvgl.distributed.pending import watch
from ucvgl.distributed.start import authenticate, join, start
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
        return f"{where}, {now}" + (f", up to {self.most_cpus:g} and {self.most_gpus:g}" if self.grows else "")


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
        needs = said_at_the_door(held_at_once(resources), gpus_at_once(resources))
        join(address, runtime_env=_code(), job_config=needs, **quiet)
    else:
        _make_importable()
        start(
            num_cpus=max(os.cpu_count() or 1, round(cpus_at_once(resources)) + 2),
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
    if address:
        preflight(resources, info)
        watch()
    return info


def cpus_at_once(resources: Resources) -> float:
    """CPUs that the job holds at the same time: projection is over before training starts, the rest stays."""
    training = resources.train_workers * resources.train_cpus
    return max(resources.image_workers, training + resources.model_workers + resources.search_workers)


def held_at_once(resources: Resources) -> float:
    """CPUs that the job needs at the same time: its workers, and one for the tasks that read and write."""
    return cpus_at_once(resources) + 1


GPU_USERS = ("train", "model", "search")
"""Kinds of workers that may have a share of a GPU."""


def gpus_at_once(resources: Resources) -> float:
    """GPUs that the job holds at the same time, where there are any."""
    return sum(getattr(resources, f"{name}_workers") * getattr(resources, f"{name}_gpus") for name in GPU_USERS)


def preflight(resources: Resources, cluster: ClusterInfo) -> None:
    """Refuse what would wait for ever: Ray leaves work pending, without a word, when a cluster is too small.

    Raises:
        ValueError: with the numbers and the way out.
    """
    hint = "" if cluster.grows else f"; if it starts machines on demand, its head must say so in {VARIABLE}"
    holds = f"the cluster at {cluster.address} {'can grow to' if cluster.grows else 'has'}"
    needed = held_at_once(resources)
    if needed > cluster.most_cpus:
        raise ValueError(
            f"resources ask for {needed:g} CPUs at once (the larger of image_workers "
            f"{resources.image_workers} and train_workers {resources.train_workers} x train_cpus "
            f"{resources.train_cpus} + model_workers {resources.model_workers} + search_workers "
            f"{resources.search_workers}, and 1 to read and write) but {holds} {cluster.most_cpus:g}; "
            f"lower them, add nodes, or count a small machine higher (ray start --num-cpus){hint}"
        )
    gpus = gpus_at_once(resources)
    if cluster.most_gpus and gpus > cluster.most_gpus:
        sums = " + ".join(
            f"{name}_workers {getattr(resources, f'{name}_workers')} x "
            f"{name}_gpus {getattr(resources, f'{name}_gpus'):g}"
            for name in GPU_USERS
        )
        raise ValueError(
            f"resources ask for {gpus:g} GPUs at once ({sums}) but {holds} {cluster.most_gpus:g}; "
            f"lower them, or add nodes{hint}"
        )
    if cluster.machines:
        refuse_what_fits_no_machine(resources, cluster.machines, f"the cluster at {cluster.address}")


def gpu_share(wanted: float) -> float:
    """The GPU share an actor asks for: none where the cluster has no GPU and cannot get one."""
    there = ray.cluster_resources().get("GPU", 0) or any(machine.gpus for machine in growth())
    return wanted if there else 0


def one_machine() -> bool:
    """Whether this machine is the whole cluster and stays so."""
    return len(ray.nodes()) == 1 and not growth()


def cores() -> int:
    """Processes worth running at once: a local Ray counts more CPUs than the machine has."""
    logical = int(ray.cluster_resources().get("CPU", 1))
    return min(logical, os.cpu_count() or 1) if one_machine() else logical


def threads_each(actors: int) -> int:
    """Threads for each of so many actors that work alone: on a single machine they share all its cores."""
    return max(1, cores() // actors) if one_machine() else 1


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
