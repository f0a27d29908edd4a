"""What a PNG is made of: only its picture goes to decoders, and no more of that than its header says."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

PNG_START = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 100_000
"""Pillow takes a second for every 100,000; of 2 kB each, they fill the largest file that is read."""
KEPT = (b"tRNS", b"eXIf", b"acTL", b"fcTL")
"""Chunks beside the picture's own that change what is seen, or tell that it moves."""
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By the header's number of the kind of colour."""
UNCOUNTED = 2**22
"""Packed bytes that unpack to 4 GB at most, in seconds; of more it is counted what they unpack to."""


def picture_of(data: bytes) -> tuple[bytes, str]:
    """A PNG without texts, profiles and what else is no picture, and why it is not decoded, or nothing.

    Texts and profiles may unpack to gigabytes, a million of them takes a parser minutes, and libpng prints a line of
    its own for any that it finds odd, as for what is cut off or has another checksum, which is told here.
    """
    kept, packed, met, at, view = [PNG_START], [], set(), len(PNG_START), memoryview(data)
    for count in range(MAX_CHUNKS + 1):
        length, kind = struct.unpack_from(">I4s", data, at) if at + 12 <= len(data) else (len(data), b"")
        end = at + 12 + length
        if end > len(data):
            return data, f"cut off or damaged ({len(data)} bytes)"
        if kind == b"IDAT":
            packed.append(view[at + 8 : end - 4])
        ours = kind[:1].isupper() or (kind in KEPT and (kind not in met or kind == b"fcTL"))
        if ours and zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return data, f"damaged (the checksum of {kind.decode(errors='replace')})"
        if ours:
            kept.append(data[at:end])
        met.add(kind)
        at = end
        if kind == b"IEND":
            return (data if len(kept) == count + 2 else b"".join(kept)), _unpacks_to_more(data, packed)
    return data, f"more than {MAX_CHUNKS:,} chunks: save it anew"


def _unpacks_to_more(data: bytes, packed: Sequence[memoryview]) -> str:
    width, height, bits, colour = struct.unpack_from(">IIBB", data, len(PNG_START) + 8)
    rows = height * (width * bits * CHANNELS.get(colour, 4) // 8 + 2)
    if sum(map(len, packed)) < min(UNCOUNTED, 2 * rows + 2**16):
        return ""
    unpacked, more = zlib.decompressobj(), 2 * rows + 2**16  # interlaced, a picture has up to twice as many rows
    try:
        for piece in packed:
            while piece and not unpacked.eof and more > 0:
                more -= len(unpacked.decompress(piece, 2**20))
                piece = unpacked.unconsumed_tail
    except zlib.error:
        return ""  # as the decoder will say
    return "" if more > 0 else "damaged (it unpacks to more than its header says)"
