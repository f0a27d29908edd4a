"""The vectors of one side of a search, in memory or in files, read a few at a time into memory that is used again.

Fresh memory for every block costs more than reading does, several times more where the machine is short of it.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float32

from ucvgl.files import cached


class InMemory:
    """Vectors in one array, numbered from `start`."""

    def __init__(self, vectors: Float32[np.ndarray, "n d"], start: int = 0) -> None:
        self._vectors, self._start = vectors, start
        self.span = start, start + len(vectors)
        self.dimension = vectors.shape[1]

    def room(self, rows: int) -> Float32[np.ndarray, "rows d"]:
        """Memory that `read` may need."""
        return np.empty((0, self.dimension), np.float32)

    def read(self, start: int, stop: int, room: Float32[np.ndarray, "_ d"]) -> Float32[np.ndarray, "n d"]:
        """The vectors numbered `start:stop`, whole in memory; overwritten by the next read into the same room."""
        return np.require(self._vectors[start - self._start : stop - self._start], requirements=("C", "W"))

    def pieces(self, start: int, stop: int) -> list[tuple[int, Float32[np.ndarray, "_ d"]]]:
        """The same vectors without a copy, some at a time, with the number of the first of each piece."""
        return [(start, self._vectors[start - self._start : stop - self._start])]


@dataclass(frozen=True)
class Stored:
    """Vectors in `.npy` parts, float32 [n d], numbered from 0; does what `InMemory` does."""

    parts: tuple[Path, ...]
    ends: tuple[int, ...]
    """The number that follows the last vector of each part."""
    dimension: int

    @staticmethod
    def of(parts: Sequence[Path]) -> Stored:
        """The vectors of some `.npy` parts, one after the other; nothing is read yet but their headers.

        Raises:
            ValueError: a part is not float32 [n d], or has another d than the first.
        """
        headers = [cached.peek(part, _header) for part in parts]
        for part, (shape, by_columns, dtype) in zip(parts, headers, strict=True):
            if dtype != np.float32 or len(shape) != 2 or shape[1:] != headers[0][0][1:] or by_columns:
                raise ValueError(
                    f"{part} holds {dtype} {shape}; all parts must be float32 [n d] with the same d, "
                    "by rows: write them anew"
                )
        shapes = [shape for shape, _, _ in headers]
        return Stored(tuple(parts), tuple(accumulate(rows for rows, *_ in shapes)), shapes[0][1] if shapes else 0)

    @property
    def span(self) -> tuple[int, int]:
        """The first number, and the one after the last."""
        return 0, self.ends[-1] if self.ends else 0

    def room(self, rows: int) -> Float32[np.ndarray, "rows d"]:
        """Memory that `read` can fill again and again."""
        return np.empty((rows, self.dimension), np.float32)

    def read(self, start: int, stop: int, room: Float32[np.ndarray, "_ d"]) -> Float32[np.ndarray, "n d"]:
        """The vectors of rows `start` to `stop`, read into the beginning of `room`.

        A part whose last row was read makes room in a cache, as the next block begins behind it.
        """
        for number, low, high in self._overlaps(start, stop):
            wanted = room[low - start : high - start]
            with cached.opened(self.parts[number], lambda path: path.open("rb")) as file:
                file.seek((low - self.ends[number]) * wanted.itemsize * self.dimension, 2)  # headers have any length
                file.readinto(wanted.data)
            self._leave(number, high)
        return room[: stop - start]

    def pieces(self, start: int, stop: int) -> list[tuple[int, Float32[np.ndarray, "_ d"]]]:
        """The same rows as views of the mapped files: (first row, vectors), part by part."""
        found = []
        for number, low, high in self._overlaps(start, stop):
            found.append((low, self._mapped(number)[low - self._first(number) : high - self._first(number)]))
            self._leave(number, high)  # what is mapped stays, whatever becomes of its name
        return found

    def _mapped(self, number: int) -> np.ndarray:
        """A part as a memory map, by PyTorch, which keeps no file open for it; there may be thousands."""
        rows = self.ends[number] - self._first(number)
        numbers = cached.opened(self.parts[number], _mapped_whole)
        return numbers[len(numbers) - rows * self.dimension :].reshape(rows, self.dimension)

    def _leave(self, number: int, high: int) -> None:
        if high == self.ends[number]:
            cached.done_with(self.parts[number])

    def _overlaps(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Parts that hold some of these vectors, and the numbers of the first and after the last that they do."""
        for number in range(bisect_right(self.ends, start), len(self.parts)):
            if self._first(number) >= stop:
                return
            if self.ends[number] > self._first(number):
                yield number, max(start, self._first(number)), min(stop, self.ends[number])

    def _first(self, number: int) -> int:
        return self.ends[number - 1] if number else 0


def _mapped_whole(path: Path) -> np.ndarray:
    try:
        return torch.from_file(str(path), size=os.path.getsize(path) // 4, dtype=torch.float32).numpy()
    except RuntimeError as error:  # PyTorch's, of a file that went between the two
        if path.exists():
            raise
        raise FileNotFoundError(str(path)) from error


def _header(file: pa.NativeFile) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether by columns, and type of an `.npy` file."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


Vectors = InMemory | Stored
