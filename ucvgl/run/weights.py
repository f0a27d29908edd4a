"""Where the weights of a run of ours lie."""

from __future__ import annotations

from pathlib import Path


def weights_of(source: Path | str, *, setting: str = "") -> Path:
    """The `model.pt` that a source means: itself, the one in a folder, or that of the last stage of a run.

    Args:
        setting: that names the source, for messages.

    Raises:
        ValueError: there is none, or the stage that makes it is not done.
    """
    path, prefix = Path(source), f"{setting}: " if setting else ""
    for file in (path, path / "model.pt"):
        if file.is_file():
            return file
    models = sorted(path.glob("[0-9]_*/model.pt"))
    if models and not models[-1].parent.name.endswith(".partial"):
        return models[-1]
    if models or (path / "config.yaml").is_file():
        raise ValueError(
            f"{prefix}{source} has no trained encoders yet; the command that began this run goes on with it"
        )
    raise ValueError(
        f"{prefix}{source} is neither a model.pt nor a run that has one; name the folder that the job which trained it "
        "was given with --run"
    )
