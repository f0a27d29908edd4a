"""True pairs that somebody wrote into a file: `truth.csv` of a folder, `truth/*.parquet` of the synthetic worlds."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pyarrow as pa

from ucvgl.files.tables import read_table, required
from ucvgl.images.csv_table import csv_columns
from ucvgl.images.folder import QUERIES, REFERENCES, split_folder, view_folder
from ucvgl.images.listing import Split, address, as_spelled, files_in, images_below, is_file, opaque_id
from ucvgl.images.misplaced import refuse_misplaced
from ucvgl.images.storage import read
from ucvgl.truth.ground_truth import GroundTruth

Rows = list[tuple[str | None, str | None]]
PAIRS = pa.schema(required(query_id=pa.string(), reference_id=pa.string()))


def read_parquet(root: str, split: Split) -> GroundTruth | None:
    """The pairs of all worlds of a split: columns `query_id, reference_id`; `near-*` has the semi-positives."""
    positives, near = (_written(root, f"{kind}{split}-*.parquet") for kind in ("", "near-"))
    if not positives:
        return None
    if not near:
        return GroundTruth(positives)
    return GroundTruth(positives, "one true tile; hit rate spares the others that show the place", spared=near)


def _written(root: str, pattern: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name in sorted(name for name in files_in(root, "truth") if fnmatchcase(name, f"truth/{pattern}")):
        uri = address(root, name)
        table = read_table(read(uri), PAIRS, origin=uri)
        for query, reference in zip(table["query_id"].to_pylist(), table["reference_id"].to_pylist(), strict=True):
            found[query] = (*found.get(query, ()), reference)
    return found


def read_csv(root: str, split: Split, *, by_glob: bool) -> GroundTruth | None:
    """The pairs of `truth.csv`: columns `query,reference`, file paths below the views' folders.

    Rows that name no image are left out, and said with every number.

    Args:
        by_glob: the views are no folders of their own, and the paths are those below the root.

    Raises:
        ValueError: no row names two images, a query has two rows, or the table has other columns.
    """
    folder = "" if by_glob else split_folder(root, split)
    name = f"{folder}/truth.csv" if folder else "truth.csv"
    views = [("" if by_glob else view_folder(root, folder, names)) for names in (QUERIES, REFERENCES)]
    if not is_file(root, name):
        refuse_misplaced(root, name, *views)
        return None
    written = csv_columns(root, name, "query", "reference")
    images = [{path[len(view) + 1 if view else 0 :] for path in images_below(root, view)} for view in views]
    named = zip(*written, strict=True) if written else [(), ()]
    rows = list(zip(*map(as_spelled, named, images), strict=True))
    known = [row for row in rows if row[0] in images[0] and row[1] in images[1]]
    if not known:
        hint = _hint(rows, images) if rows else ": it names no pair at all"
        raise ValueError(f"{root}/{name}: none of its {len(rows)} rows names two images that are there{hint}")
    twice = len(known) - len(dict(known))
    if twice:
        raise ValueError(f"{root}/{name} names {twice} queries more than once; give each one tile")
    below = [f"{view}/" if view else "" for view in views]
    truth = {opaque_id(below[0] + query): (opaque_id(below[1] + reference),) for query, reference in known}
    return GroundTruth(truth, f"one true tile{_unmatched(name, rows, images)}")


def _unmatched(name: str, rows: Rows, images: list[set[str]]) -> str:
    """How many rows name no image, and the first of them."""
    absent = [file for row in rows for file, there in zip(row, images, strict=True) if file not in there]
    if not absent:
        return ""
    left_out = sum(row[0] not in images[0] or row[1] not in images[1] for row in rows)
    return f"; {left_out} of the {len(rows)} rows of {name} name files that are not there ({absent[0]})"


def _hint(rows: Rows, images: list[set[str]]) -> str:
    """What the matter may be, and the way out."""
    query, reference = rows[0]
    if query in images[1] and reference in images[0]:
        return "; its columns are swapped: write the query first"
    for file, there in ((query, images[0]), (reference, images[1])):
        if file in there:
            continue
        for path in sorted(there):
            if str(file).lower() == path.lower():
                return f"; it says {file}, and the image is {path}: write upper and lower case as they are"
            if str(file) == path.rpartition(".")[0]:
                return f"; it says {file}, and the image is {path}: write names with their ending"
            if path.endswith(f"/{file}") or str(file).endswith(f"/{path}"):
                return f"; it says {file}, and the image is {path}: write paths below the folder of the view"
        return f"; it says {file}, and the images are {', '.join(sorted(there)[:2])}, ..."
    return ""
