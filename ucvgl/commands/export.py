"""`ucvgl export`: the encoders as files that run without this package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import tyro


def main(argv: Sequence[str]) -> None:
    """Read the command line and write the files."""
    tyro.cli(export, args=list(argv), prog="ucvgl export")


def export(
    source: tyro.conf.Positional[str],
    /,
    out: str,
    format: Literal["torch", "onnx"] = "torch",
    unfinished: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Write both encoders for use elsewhere, after checking that they give the same descriptors.

    Args:
        source: a finished run, or an index.
        out: folder for query and reference encoder and preprocessing.json, which says what they take.
        format: torch (torch.export, .pt2) or onnx.
        unfinished: take the last encoders of a run that has no result yet.
    """
    from ucvgl.files.owned import refuse_foreign, refuse_foreign_file
    from ucvgl.run.places import on_this_machine

    folder = on_this_machine(out, flag="--out")
    from ucvgl.index.localizer import load
    from ucvgl.networks.export import ABOUT, export_towers

    refuse_foreign(folder, (ABOUT,), "an export; name another folder with --out")
    refuse_foreign_file(folder / ABOUT, (b'"layout": "n 3 h w"',))
    encoders = load(source, device="cpu", unfinished=unfinished).encoders
    differences = export_towers(encoders.towers, folder, format, lens=encoders.lens)
    for view, difference in differences.items():
        print(f"{out}: {view} encoder, differs from the original by at most {difference:.1e}")
