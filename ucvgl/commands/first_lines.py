"""The first lines of any run: what was asked for, where it runs, and what will happen."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ucvgl.commands.invocation import Invocation
from ucvgl.files.printable import printable, shortened
from ucvgl.images.uris import scrubbed
from ucvgl.run.environment import environment
from ucvgl.run.prospects import Prospect


def first_screen(invocation: Invocation, cluster: str, plan: Sequence[Prospect]) -> str:
    """Version and run folder; settings that differ from the preset; cluster and versions; the plan."""
    found = environment()
    copied = f", copied to {invocation.store}" if invocation.store else ""
    lines = [printable(f"ucvgl {found['ucvgl']}   run folder {os.fspath(invocation.run)}{copied}")]
    if invocation.changed:
        lines.append(f"settings: preset {invocation.preset}, with")
        lines += [f"  {name}: {before} -> {now}" for name, before, now in invocation.changed]
    else:
        lines.append(f"settings: preset {invocation.preset}, unchanged")
    if fraction := invocation.experiment.supervision.label_fraction:
        told = f"of the training queries with a known tile, {100 * fraction:g} % come with it: this run uses labels"
        lines.append(f"labels:   {told}")
    versions = ", ".join(f"{name} {found[name]}" for name in ("ray", "torch", "python") if name in found)
    lines.append(printable(f"cluster:  {scrubbed(cluster)}; {versions}"))
    lines.append("plan:")
    width = max((len(prospect.stage) for prospect in plan), default=0)
    for prospect in plan:
        lines.append(f"  {prospect.stage:<{width}}  {prospect.state}")
    return shortened("\n".join(lines))
