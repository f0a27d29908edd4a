"""Settings of earlier versions, which runs and frozen models have written down.

Most became constants beside the code that uses them. Where a constant has the value that was written, nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RETIRED: Mapping[str, Any] = {
    "translation.learning_rate": 2e-4,
    "translation.cycle_weight": 10.0,
    "translation.identity_weight": 0.5,
    "contrast.weight_decay": 0.01,
    "contrast.rotate": True,
    "contrast.flip": True,
    "contrast.scale": 0.1,
    "contrast.holes": 3,
    "contrast.clip_gradient": 10.0,
    "curriculum.patience": 0,
    "supervision.neighbours": 128,
    "evaluation.rounds": "auto",
    "adaptation.facet": "token",
    "adaptation.vlad_centres": 8,
    "adaptation.width": 0,
    "adaptation.centred": True,
    "adaptation.weight_decay": 0.01,
    "adaptation.temperature": 0.07,
    "adaptation.label_smoothing": 0.1,
    "adaptation.partners": 2,
    "adaptation.mutual": True,
    "adaptation.threshold_scale": "quantile",
    "adaptation.relabel": True,
    "dataset.synthetic.look.hand_deg": 2.0,
    "dataset.drone.size": 128,
    **dict.fromkeys(f"adaptation.{name}" for name in ("gem_power", "transport_temperature", "transport_balance")),
    **dict.fromkeys(f"resources.train_{name}" for name in ("workers", "cpus", "gpus", "workers_at_least")),
    **dict.fromkeys(f"resources.{name}" for name in ("image_workers", "model_workers", "model_gpus")),
    **dict.fromkeys(f"resources.{name}" for name in ("search_workers", "search_gpus")),
    **dict.fromkeys(f"curriculum.{name}" for name in ("fake_labels", "first_scan", "own_fakes")),
}
"""By dotted name: the value that it has for good; None: it means nothing any more."""


def as_ever(name: str, value: Any) -> bool:
    """Whether a setting is one of earlier versions, with the value that it has for good."""
    return name in RETIRED and RETIRED[name] in (None, value)


def no_more(name: str, value: Any) -> str:
    """What is wrong with a setting of earlier versions that has another value, and the way out."""
    kept = RETIRED[name]
    told = "it means nothing any more" if kept is None else f"it is {kept!r} for good, and no setting any more"
    return f"{name}: {value!r}, but {told}; leave it out, or use the version of ucvgl that had it"


def without_retired(group: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of one group, as an earlier version kept them beside weights, without those that are none any more.

    Raises:
        ValueError: one of them was not what it is for good.
    """
    names = {name: f"{group}.{name}" for name in values}
    for name, full in names.items():
        if full in RETIRED and not as_ever(full, values[name]):
            raise ValueError(no_more(full, values[name]))
    return {name: value for name, value in values.items() if names[name] not in RETIRED}
