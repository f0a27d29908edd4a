"""The stages in the process of a test: where Ray is not what is tested, its processes take longer than the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.in_process import InProcess, streamed
from ucvgl.distributed import bulk, levelling, projecting, rendering
from ucvgl.distributed.parcels import packed, unpacked
from ucvgl.distributed.placement import Placement
from ucvgl.settings.experiment import Dataset, Resources
from ucvgl.stages import catalog
from ucvgl.world import panorama_worlds


def without_ray(patch: pytest.MonkeyPatch) -> None:
    """Let worlds be rendered, and images be projected and embedded, one after the other."""
    one = Placement(1, 1, 0, 1)
    patch.setattr("ucvgl.distributed.cluster.connect", lambda resources: None)
    patch.setattr(catalog, "render_worlds", _render_worlds)
    for module in (projecting, rendering):
        patch.setattr(module, "several_machines", lambda: False)
    for module in (bulk, levelling, projecting):
        patch.setattr(module, "placed", lambda resources: one)
    patch.setattr(projecting, "stream_missing", lambda missing, *steps: streamed(missing(), *steps))
    patch.setattr(bulk, "threads_each", lambda actors: 1)
    patch.setattr(bulk, "stream", streamed)
    patch.setattr(levelling, "stream", streamed)


def _render_worlds(dataset: Dataset, resources: Resources) -> None:
    for world in panorama_worlds.plan(dataset.synthetic):
        rendering.render(dataset, world, panorama_worlds.WHOLE)


class Crew(InProcess):
    """Stands in for `ucvgl.distributed.machines.Machines`; programs get what has been packed for another machine."""

    def run(self, program: Callable[..., Any], *, progress: Any = None, **arguments: Any) -> Any:
        return super().run(program, progress=progress, **unpacked(packed(arguments)))

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None: ...
