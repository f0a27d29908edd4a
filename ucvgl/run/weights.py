"""Where the weights of a run of ours lie."""

from __future__ import annotations

from pathlib import Path


def weights_of(source: str) -> Path:
    """The `model.pt` that a source means: itself, the one in a folder, or that of a run's last stage.

    Raises:
        ValueError: there is none.
    """
    path = Path(source)
    inside = [path, path / "model.pt", *sorted(path.glob("[0-9]_*/model.pt"), reverse=True)]
    found = [file for file in inside if file.is_file() and not file.parent.name.endswith(".partial")]
    if not found:
        raise ValueError(
            f"adaptation.source: {source} is neither a model.pt nor a run that has one; name the folder that the "
            "job which trained it was given with --run"
        )
    return found[0]
