"""Images read and decoded for others, in tasks of Ray Data: as many processes as CPUs, all without PyTorch.

With it each would take three seconds longer to start, and some 300 MB.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ucvgl.distributed.stream import Row
from ucvgl.images.bounds import MAX_BYTES
from ucvgl.images.decode import BadImage
from ucvgl.images.same_files import content_of
from ucvgl.images.storage import read
from ucvgl.index.doubt import doubt_of
from ucvgl.index.headings import each_turned
from ucvgl.poses.turns import Heading
from ucvgl.projection.preprocessing import Preprocessing, preprocessed, query_of
from ucvgl.run.ending import at_work_on

if TYPE_CHECKING:
    from ucvgl.index.ground import ShowsGround


def read_listed(
    row: Row,
    *,
    how: Preprocessing,
    aspect: float | None = None,
    ground: ShowsGround | None = None,
    heading: Heading = "known",
) -> Row:
    """Read and decode the images of a shard as the encoder sees them; a bad one costs only itself.

    Args:
        aspect: width over height of the photos that were trained on, see `ucvgl.index.doubt`.
        ground: gives that of an image, where it is to be read as well.
        heading: of the photos: one that is unknown is read at several turns.
    """
    good, uris, files, images, bad, doubts, below, looked = [], [], [], [], [], [], [], []
    for identity, uri, looks in zip(row["id"], row["uri"], row["heading_deg"], strict=True):
        with at_work_on(uri):
            try:
                data = read(uri, most=MAX_BYTES)
                query = query_of(data, how, uri, heading_deg=looks if heading == "known" else 0.0)
                turns = each_turned(query.panorama, heading)
                images.append(b"".join(preprocessed(one, how).tobytes() for one in turns))
                doubts.append(doubt_of(query, how, aspect))
                below += [] if ground is None else [ground(query.panorama)]
                looked.append(query.looked_deg)
            except (BadImage, OSError) as error:
                bad.append((uri, error.reason if isinstance(error, BadImage) else str(error)))
                continue
        good.append(identity)
        uris.append(uri)
        files.append(content_of(data))
    found = {"id": good, "uri": uris, "image": b"".join(images), "height": how.size[0], "width": how.size[1]}
    found["ground"] = b"".join(seen.tobytes() for seen in below)
    return {**row, **found, "bad": json.dumps(bad), "files": files, "doubts": doubts, "looked_deg": looked}
