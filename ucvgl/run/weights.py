"""Whose weights are the result of a run, and where they lie."""

from __future__ import annotations

from pathlib import Path

from ucvgl.files.parts import in_order, number_of
from ucvgl.run.record import DONE, read_record

RESULTS = ("5_curriculum", "5_supervised", "4_adapt")
"""Stages whose encoders are a run's result; all others serve these."""


def weights_of(source: Path | str, *, setting: str = "", unfinished: bool = False) -> Path:
    """The `model.pt` that a source means: itself, the one in a folder, or the result of a run.

    Args:
        setting: that names the source, for messages.
        unfinished: of a run that has no result yet, take the last encoders that it made.

    Raises:
        ValueError: there is none, or the run is not finished.
    """
    path, prefix = Path(source), f"{setting}: " if setting else ""
    for file in (path, path / "model.pt"):
        if file.is_file():
            return file
    for stage in RESULTS:
        if (path / stage / DONE).is_file():
            return path / stage / "model.pt"
    last = _last(path)
    if last is not None and unfinished:
        return last
    goes_on = "the command that began this run goes on with it"
    if last is not None:
        way_out = f"name {last} itself" if setting else "add --unfinished, where a command takes it,"
        raise ValueError(
            f"{prefix}{source} is not finished: its last encoders are those of {described(last)}, which are not its "
            f"result; {goes_on}, or {way_out} to use them"
        )
    if (path / "config.yaml").is_file():
        raise ValueError(f"{prefix}{source} has no trained encoders yet; {goes_on}")
    raise ValueError(
        f"{prefix}{source} is neither a model.pt nor a run that has one; name the folder that the job which trained it "
        "was given with --run"
    )


def is_result(model: Path) -> bool:
    """Whether a `model.pt` of a run is its result."""
    return model.parent.name in RESULTS


def described(model: Path) -> str:
    """Which encoders of a run a `model.pt` holds, in words."""
    folder = model.parent
    if folder.name.startswith("round_"):
        return f"round {number_of(folder) + 1} of {folder.parent.name.removesuffix('.partial')}"
    record = read_record(folder / DONE)
    if record is None or not is_result(model) or "rounds" not in record.summary:
        return folder.name
    kept = str(record.summary.get("kept") or record.summary.get("result") or "")
    if not kept.startswith("round_") and kept not in ("", "adapted"):  # without a round, or computed without training
        return f"{kept}, the result of {folder.name}"
    number = number_of(Path(kept)) + 1 or record.summary["rounds"]
    return f"round {number} of {folder.name}"


def _last(run: Path) -> Path | None:
    """The last encoders of a run without a result: of a round, else of the cold start."""
    rounds = [model for stage in RESULTS for model in in_order(run.glob(f"{stage}.partial/round_*/model.pt"))]
    done = [run / "4_cold_start" / "model.pt"] if (run / "4_cold_start" / DONE).is_file() else []
    return next((model for model in [*rounds[::-1], *done] if model.is_file()), None)
