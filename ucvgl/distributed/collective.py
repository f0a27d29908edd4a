"""The network over which workers talk to each other: that of Ray."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from typing import Any

import psutil
import ray
import torch
from ray.train.torch import TorchConfig

log = logging.getLogger(__name__)


@dataclass
class RaysNetwork(TorchConfig):
    """Ray Train's process group, with gloo on the network interface by which Ray reaches the machine.

    Left alone, gloo listens where the machine's own name leads. On many machines /etc/hosts leads it to the loopback
    address, where no other machine finds it.

    Args:
        mailbox: is told which actor starts the workers, which Ray Train says to nobody.
    """

    mailbox: Any = None

    @property
    def backend_cls(self) -> type:
        """What Ray Train asks for to set up each worker."""
        return _Backend


class _Backend(TorchConfig().backend_cls):
    def on_start(self, worker_group: Any, backend_config: RaysNetwork) -> None:
        backend_config.mailbox.led_by.remote(ray.get_runtime_context().current_actor)
        worker_group.execute(use_rays_interface)
        if backend_config.backend == "nccl" and not all(worker_group.execute(torch.cuda.is_available)):
            log.warning("PyTorch cannot use the GPUs that Ray counts (driver, or a build without CUDA); CPUs compute")
            backend_config = replace(backend_config, backend="gloo")
        super().on_start(worker_group, backend_config)


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
