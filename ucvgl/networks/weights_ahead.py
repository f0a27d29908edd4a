"""Whether the weights that an experiment names can be had, asked before anything starts: a stage would notice late."""

from __future__ import annotations

import difflib
import os
import socket
from pathlib import Path

from ucvgl.run.weights import weights_of
from ucvgl.settings.experiment import Experiment, Model

HUB_S = 5.0
"""How long the hub may take to open its port."""


def missing_weights(experiment: Experiment, *, frozen: bool = False) -> list[str]:
    """All that is wrong with the weights, and with the network for them, in plain words; empty when nothing is.

    Args:
        frozen: the network is only looked at, layer by layer, and not trained.
    """
    found = []
    for setting, source in (
        ("supervision.start", experiment.supervision.start),
        ("adaptation.source", experiment.adaptation.source),
    ):
        try:
            if source and "://" not in source:
                from ucvgl.networks.network_ahead import unfit_source  # brings PyTorch

                found += unfit_source(weights_of(source, setting=setting), experiment, setting=setting)
        except ValueError as error:
            found.append(str(error))
    if experiment.adaptation.source:
        return found
    if (wrong := _of_backbone(experiment.model)) or (experiment.model.backbone == "strided" and not frozen):
        return found + wrong
    from ucvgl.networks.network_ahead import unfit

    return found + unfit(experiment, frozen=frozen)


def _of_backbone(model: Model) -> list[str]:
    if model.checkpoint and not Path(model.checkpoint).is_file():
        return [f"model.checkpoint: {model.checkpoint} is no file"]
    if model.backbone == "strided":
        return _of_checkpoint(model)
    import timm

    if not timm.is_model(model.backbone):
        close = ", ".join(difflib.get_close_matches(model.backbone, timm.list_models(), n=6))
        return [f"model.backbone: {model.backbone!r} is no timm model; some that look alike: {close or 'none'}"]
    if not model.pretrained or model.checkpoint:
        return _of_checkpoint(model)
    way_out = "set model.checkpoint to a local file, or model.pretrained to false to start from scratch"
    weights = timm.get_pretrained_cfg(model.backbone)
    if weights is None or not weights.has_weights:
        return [f"model.pretrained: timm has no weights for {model.backbone!r}; {way_out}"]
    if weights.hf_hub_id is None or _is_here(weights.hf_hub_id) or _hub_answers():
        return []
    nowhere = f"the weights of {model.backbone!r} are not on this machine, and no hub answers"
    return [f"model.pretrained: {nowhere}; {way_out}"]


def _of_checkpoint(model: Model) -> list[str]:
    if not model.checkpoint:
        return []
    from ucvgl.networks.network_ahead import unreadable

    return unreadable(model)


def _is_here(repository: str) -> bool:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    snapshots = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model") / "snapshots"
    return any(snapshots.glob("*/*"))


def _hub_answers() -> bool:
    from urllib.parse import urlsplit

    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy")):
        return not constants.HF_HUB_OFFLINE  # behind a proxy only the attempt tells
    host = urlsplit(constants.ENDPOINT)
    try:
        port = host.port or (443 if host.scheme == "https" else 80)
        socket.create_connection((host.hostname or "", port), timeout=HUB_S).close()
    except OSError:
        return False
    return True
