"""Photos read and laid into frames, in tasks of Ray Data: from these is learned how they were held.

Like all that reads images it stays without PyTorch.
"""

from __future__ import annotations

import cv2

from ucvgl.distributed.stream import Row
from ucvgl.images.bounds import MAX_BYTES
from ucvgl.images.decode import BadImage
from ucvgl.images.exif import exif_of
from ucvgl.images.storage import read_ahead
from ucvgl.projection.level import FRAME, framed
from ucvgl.projection.preprocessing import fov_of, pixels
from ucvgl.run.ending import at_work_on
from ucvgl.settings.dataset import Lens


def read_frames(row: Row, *, lens: Lens, frame_deg: float) -> Row:
    """Read and decode some photos and lay each into a frame; a bad one is left out, the projection will name it.

    Args:
        frame_deg: angle across a frame.
    """
    cv2.setNumThreads(1)
    frames, shown = [], []
    for uri, content in zip(row["uri"], read_ahead(row["uri"], most=MAX_BYTES), strict=True):
        with at_work_on(uri):
            try:
                image = content()
                photo = pixels(image, uri, enough=(2 * FRAME, 2 * FRAME))
                frame, share = framed(photo, fov_of(exif_of(image), lens, uri), frame_deg)
            except (BadImage, OSError):
                continue
            frames.append(frame.tobytes())
            shown.append(share.tobytes())
    found = {"frames": b"".join(frames), "shown": b"".join(shown), "images": len(row["uri"])}
    return {"number": row["number"], **found}
