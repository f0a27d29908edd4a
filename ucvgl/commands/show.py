"""`ucvgl show`: what there is to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import tyro


def main(argv: Sequence[str]) -> None:
    """Read the command line and print what was asked for."""
    print(tyro.cli(show, args=list(argv), prog="ucvgl show"))


def show(
    what: tyro.conf.Positional[Literal["presets", "datasets", "models", "config"]],
    which: tyro.conf.Positional[str] = "",
    /,
) -> str:
    """Print presets, datasets, models or settings.

    Args:
        what: presets; datasets; models (backbones; WHICH is a part of their name); config (every setting).
        which: of config: a preset (synthetic when not given) or a run; of models: a pattern, as `convnext*`.
    """
    return {"presets": _presets, "datasets": _datasets, "models": _models, "config": _config}[what](which)


def _presets(_: str) -> str:
    from inspect import cleandoc

    from ucvgl.settings.presets import PRESETS

    parts = []
    for name, preset in PRESETS.items():
        about = cleandoc(preset.__doc__ or "").splitlines()
        parts.append("\n".join([name, *(f"  {line}".rstrip() for line in about)]))
    return "\n\n".join(parts)


def _datasets(_: str) -> str:
    from ucvgl.settings.dotted import setting_types

    names = get_args(setting_types()["dataset.name"])
    return "\n".join([*names, "", "What each must look like on disk is in docs/data.md."])


def _models(pattern: str) -> str:
    import timm

    found = timm.list_models(pattern or "*")
    if not found:
        raise ValueError(f"no backbone is called {pattern!r}; try a pattern, as convnext*")
    own = ["strided   our small convolution net for CPUs"] if not pattern else []
    return "\n".join(own + found)


def _config(which: str) -> str:
    from pathlib import Path

    from ucvgl.settings.dotted import saved_settings, to_yaml
    from ucvgl.settings.presets import PRESETS

    which = which or "synthetic"
    if which in PRESETS:
        return to_yaml(PRESETS[which]()).rstrip()
    config = Path(which) / "config.yaml"
    if not config.is_file():
        raise ValueError(f"{which!r} is neither a preset ({', '.join(PRESETS)}) nor a run (a folder with config.yaml)")
    return to_yaml(saved_settings(config)).rstrip()
