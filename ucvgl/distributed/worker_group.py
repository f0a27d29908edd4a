"""Training programs on one Ray Train worker group that lives as long as the job.

A worker group takes about 12 s to start, so the CycleGAN, the cold start and every round of the curriculum
share one, whose workers ask a mailbox for the next program, again and again. A program is a plain function of
the core. When a worker dies, Ray Train replaces the group, which asks for the same program, and that goes on
from its own checkpoint.
"""

from __future__ import annotations

import importlib
import logging
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, get_device
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ucvgl.distributed.capacity import growth
from ucvgl.distributed.cluster import gpu_share
from ucvgl.distributed.collective import RaysNetwork
from ucvgl.distributed.mailbox import Command, Mailbox, Outcome
from ucvgl.run.ending import sentence
from ucvgl.settings.experiment import Resources

logger = logging.getLogger(__name__)

START_S, START_GROWING_S = 600, 3600
"""How long to wait for the first worker before giving up; longer where machines have to be found first."""


class TrainSession:
    """A context manager; the worker group starts with the first program.

    Args:
        folder: where Ray Train keeps its own small state.
        log: receives what programs report on rank 0, as keyword arguments.
    """

    def __init__(self, folder: Path, resources: Resources, log: Callable[..., None]) -> None:
        self.folder, self.resources, self.log = folder, resources, log
        self._mailbox: Any = None
        self._fit: threading.Thread | None = None
        self._fit_error: BaseException | None = None
        self._number = 0
        self._running = False

    def __enter__(self) -> TrainSession:
        return self

    def __exit__(self, *_: object) -> None:
        if self._fit is None:
            return
        ray.get(self._mailbox.close.remote())
        if not self._running:  # after Ctrl-C the workers are busy, and end with Ray
            self._fit.join(timeout=30)
        ray.kill(self._mailbox)
        self._fit = None

    def run(self, program: Callable[..., Any], **arguments: Any) -> Any:
        """Run `program(device=..., log=..., **arguments)` on every worker; the result is that of rank 0.

        Args:
            program: an importable function that resumes from a checkpoint of its own: it is called again
                after a worker died.

        Raises:
            ValueError: raised by the program, with its message.
            RuntimeError: any other error of the program, with the worker's traceback, or of the worker group.
        """
        if self._fit is None:
            self._start()
        self._number += 1
        command = Command(self._number, f"{program.__module__}:{program.__qualname__}", arguments)
        ray.get(self._mailbox.submit.remote(command))
        self._running, start, begun = True, time.monotonic(), 0
        while True:
            rows, outcome, attempts = ray.get(self._mailbox.drain.remote())
            for row in rows:
                self.log(**row)
            if outcome is not None:
                self._running = False
                return _result(outcome, command)
            if self._fit is None or not self._fit.is_alive():
                raise RuntimeError(f"the training workers died: {self._fit_error}") from self._fit_error
            if attempts > begun > 0:
                logger.warning("a training worker died: a new group goes on with %s", command.program)
            begun = attempts
            patience = START_GROWING_S if growth() else START_S
            if not attempts and time.monotonic() - start > patience:
                raise RuntimeError(f"no training worker started within {patience} s: {self._wanted()}")

    def _start(self) -> None:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._mailbox = ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=here).remote()
        gpus = gpu_share(self.resources.train_gpus)
        most, fewest = self.resources.train_workers, self.resources.train_workers_at_least
        workers = (fewest, most) if 0 < fewest < most else most
        trainer = TorchTrainer(
            work,
            train_loop_config={"mailbox": self._mailbox, "threads": self.resources.train_cpus},
            torch_config=RaysNetwork(backend="nccl" if gpus else "gloo"),
            scaling_config=ScalingConfig(
                num_workers=workers,
                use_gpu=bool(gpus),
                resources_per_worker={"CPU": self.resources.train_cpus} | ({"GPU": gpus} if gpus else {}),
            ),
            run_config=RunConfig(
                name=f"session-{uuid.uuid4().hex[:8]}",
                storage_path=str((self.folder / "ray_train").resolve()),
                # The mailbox counts deaths per program: a long job may outlive any number of machines.
                failure_config=FailureConfig(max_failures=-1),
            ),
        )
        logger.info("starting %s", self._wanted())
        self._fit = threading.Thread(
            target=self._fit_until_closed, args=(trainer,), daemon=True, name="ray-train"
        )
        self._fit.start()

    def _fit_until_closed(self, trainer: TorchTrainer) -> None:
        try:
            trainer.fit()
        except BaseException as error:
            self._fit_error = error

    def _wanted(self) -> str:
        free = ray.available_resources()
        return (
            f"{self.resources.train_workers} training workers x {self.resources.train_cpus} CPUs "
            f"({free.get('CPU', 0):g} CPUs, {free.get('GPU', 0):g} GPUs free)"
        )


def work(config: dict[str, Any]) -> None:
    """The loop of one worker: ask for a program, run it, say how it ended; return when the session closes."""
    torch.set_num_threads(config["threads"])
    context = ray.train.get_context()
    first, mailbox = context.get_world_rank() == 0, config["mailbox"]
    device = get_device() if torch.cuda.is_available() else torch.device("cpu")
    done = 0

    def log(**row: Any) -> None:
        if first:
            mailbox.report.remote(row)

    while True:
        command: Any = ray.get(mailbox.next.remote(done, first))
        if command == Mailbox.CLOSED:
            return
        if command is None:
            continue
        try:
            module, _, name = command.program.partition(":")
            value = getattr(importlib.import_module(module), name)(
                device=device, log=log, **command.arguments
            )
        except Exception as error:
            if lost_peer(error):
                raise  # a machine failed, not the program: Ray Train starts a new group, which runs it again
            outcome = Outcome(command.number, message=sentence(error) or "", traceback=traceback.format_exc())
            ray.get(mailbox.finish.remote(outcome))
            if context.get_world_size() > 1:
                raise  # the other workers may wait for this one in a collective: only a new group frees them
        else:
            if first:
                ray.get(mailbox.finish.remote(Outcome(command.number, value=value)))
        done = command.number


def lost_peer(error: Exception) -> bool:
    """Whether a collective failed because another worker is gone: gloo tells by its message only."""
    return isinstance(error, torch.distributed.DistError) or "gloo/transport" in str(error)


def _result(outcome: Outcome, command: Command) -> Any:
    if not outcome.traceback:
        return outcome.value
    worker = RuntimeError(f"{command.program} failed on a training worker\n{outcome.traceback}")
    if outcome.message:
        raise ValueError(outcome.message) from worker
    raise worker
