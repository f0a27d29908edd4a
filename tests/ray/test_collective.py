import os
import socket

import psutil
import pytest
import torch

from ucvgl.distributed.collective import MeetingPlace, interface_of, use_rays_interface


def test_an_interface_is_found_by_its_address():
    assert interface_of("127.0.0.1") in psutil.net_if_addrs()
    assert interface_of("203.0.113.9") is None  # kept free for examples


def test_gloo_is_told_rays_interface_unless_it_was_told_another(cluster, monkeypatch):
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    use_rays_interface()
    assert os.environ["GLOO_SOCKET_IFNAME"] in psutil.net_if_addrs()
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "mine")
    use_rays_interface()
    assert os.environ["GLOO_SOCKET_IFNAME"] == "mine"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_gpus_that_ray_counts_and_pytorch_does_not_find_are_told_by_machine():
    class ThisProcess:
        def execute(self, function):
            return [function()] * 2

    said = MeetingPlace().without_gpu(ThisProcess())
    assert said.startswith(f"PyTorch finds no GPU on {socket.gethostname()}, though Ray counts one there")
    assert said.endswith("compute on CPUs, and all talk over gloo")
