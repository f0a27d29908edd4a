"""The network over which workers talk to each other: that of Ray."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, replace
from typing import Any

import psutil
import ray
import torch
import torch.distributed as dist
from ray.train.torch import TorchConfig, get_device


@dataclass
class RaysNetwork(TorchConfig):
    """Ray Train's process group, with gloo on the network interface by which Ray reaches the machine.

    Left alone, gloo listens where the machine's own name leads. On many machines /etc/hosts leads it to the loopback
    address, where no other machine finds it. Where NCCL was asked for and does not work, gloo is taken.

    Args:
        mailbox: is told which actor starts the workers, which Ray Train says to nobody, and why NCCL is not used.
    """

    mailbox: Any = None

    @property
    def backend_cls(self) -> type:
        """What Ray Train asks for to set up each worker."""
        return MeetingPlace


class MeetingPlace(TorchConfig().backend_cls):
    """Brings the workers of a new group together, over NCCL where that works."""

    def on_start(self, worker_group: Any, backend_config: RaysNetwork) -> None:
        """Called by Ray Train, in its controller, whose log nobody sees: so what is wrong goes to the mailbox."""
        backend_config.mailbox.led_by.remote(ray.get_runtime_context().current_actor)
        worker_group.execute(use_rays_interface)
        if backend_config.backend == "nccl":
            trouble = self.without_gpu(worker_group) or self._over_nccl(worker_group, backend_config)
            if not trouble:
                return
            backend_config.mailbox.report.remote({"warning": trouble})
            backend_config = replace(backend_config, backend="gloo")
        super().on_start(worker_group, backend_config)

    def without_gpu(self, worker_group: Any) -> str:
        """Which machines have a GPU only in Ray's books, in a sentence; empty where PyTorch finds them all."""
        hosts = sorted({host for host in worker_group.execute(host_without_gpu) if host})
        if not hosts:
            return ""
        return (
            f"PyTorch finds no GPU on {', '.join(hosts)}, though Ray counts one there (the driver is missing or "
            "broken, or this PyTorch is a build without CUDA): its workers compute on CPUs, and all talk over gloo"
        )

    def _over_nccl(self, worker_group: Any, config: RaysNetwork) -> str:
        """Have the workers meet over NCCL; why they cannot, in a sentence, or nothing."""
        try:
            super().on_start(worker_group, config)
            said = worker_group.execute(nccl_error)
        except Exception as error:  # PyTorch raises ValueError, RuntimeError or its own, Ray wraps them
            said = [_last_line(error)]
        error = next((one for one in said if one), "")
        if not error:
            return ""
        worker_group.execute(part)
        return (
            f"the workers cannot talk over NCCL ({error}) and use gloo, which moves everything through the machines' "
            "memory, so steps take longer; NCCL_DEBUG=INFO in the environment of Ray's machines has NCCL say more, in "
            "the workers' logs"
        )


def use_rays_interface() -> None:
    """Tell gloo the interface, unless the machine's administrator has."""
    if found := interface_of(ray.util.get_node_ip_address()):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", found)


def interface_of(address: str) -> str | None:
    """The name of the network interface of this machine that has an address, if one has."""
    for name, addresses in psutil.net_if_addrs().items():
        if address in (one.address for one in addresses):
            return name
    return None


def host_without_gpu() -> str:
    """This machine's name where PyTorch finds no GPU on it, else nothing."""
    return "" if torch.cuda.is_available() else socket.gethostname()


def nccl_error() -> str:
    """What a first sum over all workers fails with: NCCL makes its connections only then."""
    try:
        one = torch.ones(1, device=get_device())
        dist.all_reduce(one)
        one.item()
    except RuntimeError as error:
        return _last_line(error)
    return ""


def part() -> None:
    """Leave the process group, where there is one, so that another can be made."""
    if dist.is_initialized():
        dist.destroy_process_group()


def _last_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[-1].strip()
