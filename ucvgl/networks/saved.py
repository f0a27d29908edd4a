"""The one door for weights and checkpoints: only tensors and plain values are read, and only as they were written."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ucvgl.atomic import whole
from ucvgl.files import cached
from ucvgl.files.parts import check_part

SMALL_BYTES = 2**20
"""So much a tensor may have that repeats what is stored of it, as positions do."""


def load_saved(
    source: Path | str | BytesIO, *, device: torch.device | str = "cpu", origin: str = ""
) -> Any:
    """What `torch.save` wrote; no code in it is run.

    PyTorch does not compare the checksums of its own files, so this is done here where no list of parts does it.

    Args:
        origin: what to call it in errors; empty: its path.

    Raises:
        ValueError: it is missing, cut off, damaged, or holds something else.
    """
    origin = origin or name_of(source)
    try:
        if isinstance(source, BytesIO) or not check_part(cached.here(Path(source))):
            _compare_checksums(source)
        saved = torch.load(source, map_location=device, weights_only=True)
        _refuse_odd(saved, device)
        return saved
    except FileNotFoundError:
        raise ValueError(f"{origin} is missing; copy it again from where it was made, or make it anew") from None
    except ValueError:
        raise
    except Exception as error:  # the unpickler raises anything on bytes that it does not expect
        raise ValueError(
            f"{origin} does not hold weights that can be read ({_reason(error)}): it is damaged, cut off or something "
            "else; copy it again, or make it anew"
        ) from error


def _reason(error: Exception) -> str:
    """The words of PyTorch, of which some advise to run what the file says."""
    told = (str(error).splitlines() or [""])[0] or type(error).__name__
    if "weights_only" in told or "Weights only" in told:
        return "no file of PyTorch, or one with objects or code of Python in it, which are not read"
    return told.partition(" This is an internal miniz error")[0].rstrip(".")


def name_of(source: Path | str | BytesIO) -> str:
    """What to call a file of weights in errors."""
    return "the model" if isinstance(source, BytesIO) else str(source)


@contextmanager
def built_from(origin: str) -> Iterator[None]:
    """Refuse, in one sentence, weights from which nothing of ours can be built.

    Raises:
        ValueError: whatever building raised; a file may hold anything under any name.
    """
    try:
        yield
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0] if isinstance(error, ValueError | RuntimeError) else repr(error)
        raise ValueError(
            f"{origin} does not hold the encoders of a run ({reason}); name the model.pt of a run, made by this version"
        ) from error


def save(content: Any, path: Path) -> None:
    """Write with PyTorch, whole or not at all.

    Raises:
        OSError: there is no room for it.
    """
    with whole(path) as aside, aside.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # PyTorch hides a full disk behind where it meant to go on
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def _compare_checksums(source: Path | str | BytesIO) -> None:
    damaged = None
    if zipfile.is_zipfile(source):  # else of the years before PyTorch 1.6, or nothing of PyTorch's
        with zipfile.ZipFile(source) as file:
            _refuse_bomb(file)
            damaged = file.testzip()
    if isinstance(source, BytesIO):
        source.seek(0)
    if damaged is not None:
        raise zipfile.BadZipFile(f"the checksum of {damaged} differs")


def _refuse_odd(saved: Any, device: torch.device | str) -> None:
    """Refuse tensors of other kinds than weights are, and those that would fill a memory with a number of the file."""
    left, met = [saved], set[int]()
    while left:
        value = left.pop()
        if isinstance(value, Tensor):
            if value.layout != torch.strided or value.is_quantized or (value.is_meta and str(device) != "meta"):
                raise zipfile.BadZipFile("a tensor in it is sparse, quantized or without numbers")
            claimed = value.numel() * value.element_size()
            if claimed > max(SMALL_BYTES, value.untyped_storage().nbytes()):
                raise zipfile.BadZipFile(f"a tensor in it would have {claimed / 1e6:,.0f} MB, and less is stored of it")
        elif isinstance(value, Mapping | list | tuple) and id(value) not in met:
            met.add(id(value))
            left += value.values() if isinstance(value, Mapping) else value


def _refuse_bomb(file: zipfile.ZipFile) -> None:
    """PyTorch compresses nothing, so that what is longer than its file was made to fill a memory."""
    assert file.fp is not None
    if sum(part.file_size for part in file.infolist()) > file.fp.seek(0, os.SEEK_END):
        raise zipfile.BadZipFile("it would unpack to more than its own length, as no file of PyTorch does")
