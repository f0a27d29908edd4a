"""What a CPU does with a tile of similarities: one read of it, and a second look at few of its elements.

A tile arrives as the bits of bfloat16 or float32 numbers, seen as integers: `ordered` turns these into keys that
compare like the numbers, and integers compare several times faster. Rows look at groups of `ROW_GROUP` columns and
columns at groups of `COLUMN_GROUP` rows; only groups whose highest key is high enough are read again.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int

from ucvgl.compiled import kernel

ROW_GROUP, COLUMN_GROUP = 64, 32


def ordered(bits: Int[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
    """Integers that compare as the floating-point numbers with these bits do; its own inverse."""
    return np.where(bits < 0, bits ^ np.iinfo(bits.dtype).max, bits)


def numbers(keys: Int[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """The float32 numbers with these keys."""
    bits = ordered(keys)
    return (bits.astype(np.int32) << 16 if bits.itemsize == 2 else bits).view(np.float32)


@kernel
def group_maxima(bits, flip, of_rows, of_columns):
    """Highest key of each group: `of_rows` [groups, rows] along the rows, `of_columns` [groups, columns] down them.

    Args:
        bits: the tile, as the integers that its numbers are stored as.
        flip: the largest such integer, which turns negative numbers into ordered keys.
        of_rows: written to.
        of_columns: written to.
    """
    height, width = bits.shape
    of_columns[:] = -flip - 1
    for row in range(height):
        band = row // COLUMN_GROUP
        for group in range(len(of_rows)):
            left = ROW_GROUP * group
            highest = bits.dtype.type(-flip - 1)
            if left + ROW_GROUP <= width:  # a fixed count, which the compiler turns into vector instructions
                for column in range(left, left + ROW_GROUP):
                    x = bits[row, column]
                    key = bits.dtype.type(x ^ flip if x < 0 else x)
                    highest = max(highest, key)
                    of_columns[band, column] = max(of_columns[band, column], key)
            else:
                for column in range(left, width):
                    x = bits[row, column]
                    key = bits.dtype.type(x ^ flip if x < 0 else x)
                    highest = max(highest, key)
                    of_columns[band, column] = max(of_columns[band, column], key)
            of_rows[group, row] = highest


@kernel
def keep_highest(best, first, maxima):
    """Insert `maxima` [groups, n] into the k highest keys so far, `best` [k, all], of the vectors `first...`."""
    n = maxima.shape[1]
    rest = np.empty(n, maxima.dtype)
    for group in range(len(maxima)):
        rest[:] = maxima[group]
        for rank in range(len(best)):
            for i in range(n):
                key, high = rest[i], best[rank, first + i]
                best[rank, first + i] = max(high, key)
                rest[i] = min(high, key)


@kernel
def cutoffs(best, first, lower, error, rounding, offset, out):
    """Raise `lower`, known to be reached by k exact scores, and set `out` to the lowest key still of interest.

    With key f, a score lies within `error + rounding |f|` of f + offset. `best` holds k keys or -flip - 1 for none.

    Args:
        best: [k, all] highest keys so far, of all vectors of a side.
        first: the vector that the tile begins with.
        lower: [all], raised where the best so far allow it.
        error: [all], absolute part of the bound.
        rounding: relative part of the bound.
        offset: what a key lacks of the score.
        out: [n], for the vectors of the tile.
    """
    k = len(best)
    shift = 32 - 8 * best.itemsize
    absent = -(1 << (31 - shift)) if shift else -(1 << 31)
    for i in range(len(out)):
        key = np.int64(best[k - 1, first + i])
        if key > absent:
            bits = (key ^ (-absent - 1)) if key < 0 else key
            f = np.int32(bits << shift).view(np.float32)
            lower[first + i] = max(lower[first + i], f - rounding * abs(f) - error[first + i] + offset)
        reach = lower[first + i] - offset - error[first + i]  # a key f matters where f + rounding |f| >= reach
        reach = reach / (1 + rounding) if reach >= 0 else reach / (1 - rounding)
        if reach < -3.0e38:
            out[i] = absent + 1
        else:
            near = np.float32(reach)
            floor = np.int64(near.view(np.int32))
            floor = floor ^ 0x7FFFFFFF if floor < 0 else floor
            out[i] = (floor - 2) >> shift  # two steps down, for the roundings here


@kernel
def candidates(bits, flip, maxima, cutoff, size, own, other, keys):
    """Log the elements that reach their row's cutoff; how many there are, which may be more than fit.

    `maxima` are those of groups of `size` along the rows. For columns everything is given transposed.

    Args:
        bits: the tile, as the integers that its numbers are stored as.
        flip: the largest such integer, which turns negative numbers into ordered keys.
        cutoff: [rows] lowest key of interest.
        own: row of each logged element, written to.
        other: its column, written to.
        keys: its key, written to.
    """
    count = 0
    for group in range(len(maxima)):
        for i in range(len(bits)):
            if maxima[group, i] >= cutoff[i]:
                for j in range(size * group, min(size * (group + 1), bits.shape[1])):
                    x = bits[i, j]
                    key = x ^ flip if x < 0 else x
                    if key >= cutoff[i]:
                        if count < len(keys):
                            own[count], other[count], keys[count] = i, j, key
                        count += 1
    return count
