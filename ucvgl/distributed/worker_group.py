"""One Ray Train worker group for the whole job: its workers run one program after another, all the same one.

A worker group takes about 12 s to start, so training, translating, embedding, matching and ranking share one, whose
workers ask a mailbox for the next program, again and again. A program is a plain function of the core. When a worker
dies, Ray Train replaces the group, which asks for the same program, and that goes on from what it has written.
"""

from __future__ import annotations

import gc
import importlib
import logging
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from ray.exceptions import RayError
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.collective import broadcast_from_rank_zero
from ray.train.torch import TorchTrainer, get_device
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ucvgl.distributed.capacity import growth
from ucvgl.distributed.collective import RaysNetwork
from ucvgl.distributed.mailbox import Command, Mailbox, Member, Outcome
from ucvgl.distributed.parcels import packed, unpacked
from ucvgl.distributed.placement import Placement
from ucvgl.distributed.progress import Progress
from ucvgl.files import cached
from ucvgl.run.ending import sentence

logger = logging.getLogger(__name__)

START_S, START_GROWING_S = 600, 3600
"""How long to wait for the first worker before giving up; longer where machines have to be found first."""
COLLECTIVE_S = 6 * 3600
"""How long a worker waits for the others; one that has died is noticed by Ray Train, much sooner."""

END_S, BROKEN_OFF_S = 30, 3
"""How long to wait for each step of the workers' end; less where a job is broken off, as nobody answers if what ended
it ended Ray as well."""


class WorkerGroup:
    """A context manager; the workers start with the first program.

    Args:
        folder: where Ray Train keeps its own small state.
        placement: how many workers, and what each of them has.
        log: receives what programs report on rank 0, as keyword arguments.
        at_least: with how many to go on when machines are lost; 0: all.
    """

    def __init__(self, folder: Path, placement: Placement, log: Callable[..., None], *, at_least: int = 0) -> None:
        self.folder, self.placement, self.log, self._at_least = folder, placement, log, at_least
        self._mailbox: Any = None
        self._controller: Any = None
        self._fit: threading.Thread | None = None
        self._fit_error: BaseException | None = None
        self._number = 0
        self._running = False

    def __enter__(self) -> WorkerGroup:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._fit is None:
            return
        patience = END_S if kind is None else BROKEN_OFF_S
        with suppress(RayError):  # what ends a job may have ended the mailbox, and is not to be hidden by that
            ray.get(self._mailbox.close.remote(), timeout=patience)
            self._controller = self._controller or ray.get(self._mailbox.controller.remote(), timeout=patience)
            if kind is None:  # else the workers may be busy, as after Ctrl-C
                self._fit.join(timeout=patience)
        with suppress(RayError):
            if self._fit.is_alive() and self._controller is not None:
                # Its workers end with it. A thread that still waits for Ray when Ray shuts down may crash the process.
                ray.kill(self._controller)
                self._fit.join(timeout=patience)
            ray.kill(self._mailbox)
        self._fit = self._controller = None

    def run(self, program: Callable[..., Any], *, progress: Progress | None = None, **arguments: Any) -> Any:
        """Run `program(device=..., log=..., **arguments)` on every worker; the result is that of rank 0.

        Args:
            program: an importable function that goes on where it was broken off: it is called again after a worker
                died.
            progress: hears of rows with `kept` or `share`, which are not logged.

        Raises:
            ValueError: raised by the program, with its message.
            RuntimeError: any other error of the program, with the worker's traceback, or of the worker group.
        """
        if self._fit is None:
            self._start()
        self._number += 1
        command = Command(self._number, f"{program.__module__}:{program.__qualname__}", packed(arguments))
        ray.get(self._mailbox.submit.remote(command))
        self._running, start, begun = True, time.monotonic(), 0
        while True:
            rows, outcome, attempts = ray.get(self._mailbox.drain.remote())
            if attempts and self._controller is None:
                self._controller = ray.get(self._mailbox.controller.remote())
            for row in rows:
                if row.keys() == {"warning"}:
                    logger.warning("%s", row["warning"])
                elif row.keys() <= {"kept", "share"}:
                    if progress is not None:
                        progress.hear(**row)
                else:
                    self.log(**row)
            if outcome is not None:
                self._running = False
                return _result(outcome, command)
            if self._fit is None or not self._fit.is_alive():
                raise RuntimeError(f"the workers died: {self._fit_error}") from self._fit_error
            if attempts > begun > 0:
                logger.warning("a worker died: a new group goes on with %s", command.program)
            begun = attempts
            patience = START_GROWING_S if growth() else START_S
            if not attempts and time.monotonic() - start > patience:
                raise RuntimeError(f"no worker started within {patience} s: {self._wanted()}")

    def _start(self) -> None:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._mailbox = ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=here).remote()
        most, fewest, gpus = self.placement.workers, self._at_least, self.placement.gpus
        trainer = TorchTrainer(
            work,
            train_loop_config={"mailbox": self._mailbox, "threads": self.placement.cpus, "run": packed(self.folder)},
            torch_config=RaysNetwork("nccl" if gpus else "gloo", timeout_s=COLLECTIVE_S, mailbox=self._mailbox),
            scaling_config=ScalingConfig(
                num_workers=(fewest, most) if 0 < fewest < most else most,
                use_gpu=bool(gpus),
                resources_per_worker={"CPU": self.placement.cpus} | ({"GPU": gpus} if gpus else {}),
            ),
            run_config=RunConfig(
                name=f"session-{uuid.uuid4().hex[:8]}",
                storage_path=str((self.folder / "ray_train").resolve()),
                # The mailbox counts deaths per program: a long job may outlive any number of machines.
                failure_config=FailureConfig(max_failures=-1),
            ),
        )
        logger.info("starting %s", self._wanted())
        self._fit = threading.Thread(target=self._fit_until_closed, args=(trainer,), daemon=True, name="ray-train")
        self._fit.start()

    def _fit_until_closed(self, trainer: TorchTrainer) -> None:
        try:
            trainer.fit()
        except BaseException as error:
            self._fit_error = error

    def _wanted(self) -> str:
        free = ray.available_resources()
        return f"{self.placement} ({free.get('CPU', 0):g} CPUs, {free.get('GPU', 0):g} GPUs free)"


def work(config: dict[str, Any]) -> None:
    """The loop of one worker: ask for a program, run it, say how it ended; return when the session closes."""
    torch.set_num_threads(config["threads"])
    context, mailbox, done = ray.train.get_context(), config["mailbox"], 0
    run = unpacked(config["run"])
    member = Member(broadcast_from_rank_zero(uuid.uuid4().hex), context.get_world_rank(), context.get_world_size())
    device = get_device() if torch.cuda.is_available() else torch.device("cpu")

    told: list[Any] = []  # rows on their way, which may arrive in another order than they were sent

    def log(**row: Any) -> None:
        if member.rank == 0 or "kept" in row:
            told.append(mailbox.report.remote(row))

    def finish(outcome: Outcome) -> None:
        ray.get(told)  # else rows of this program would be counted for the next one
        told.clear()
        ray.get(mailbox.finish.remote(outcome, member))

    while True:
        command: Any = ray.get(mailbox.next.remote(done, member))
        if command == Mailbox.CLOSED:
            return
        if command is None:
            continue
        try:
            module, _, name = command.program.partition(":")
            program = getattr(importlib.import_module(module), name)
            cached.refuse_unseen(run)
            value = program(device=device, log=log, **unpacked(command.arguments))
        except Exception as error:
            if lost_peer(error):
                raise  # a machine failed, not the program: Ray Train starts a new group, which runs it again
            outcome = Outcome(command.number, message=sentence(error) or "", traceback=traceback.format_exc())
            finish(outcome)
            if member.size > 1:
                raise  # the other workers may wait for this one in a collective: only a new group frees them
        else:
            finish(Outcome(command.number, value=value))
        done = command.number
        gc.collect()
        gc.freeze()  # modules mostly: half a million objects, which each collection looked through for 0.2 s
        if device.type == "cuda":  # the next program has a peak of its own
            torch.cuda.empty_cache()


def lost_peer(error: Exception) -> bool:
    """Whether a collective failed because another worker is gone: gloo tells by its message only."""
    return isinstance(error, torch.distributed.DistError) or "gloo/transport" in str(error)


def _result(outcome: Outcome, command: Command) -> Any:
    if not outcome.traceback:
        return outcome.value
    worker = RuntimeError(f"{command.program} failed on a worker\n{outcome.traceback}")
    if outcome.message:
        raise ValueError(outcome.message) from worker
    raise worker
