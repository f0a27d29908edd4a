"""True pairs that somebody wrote into a file: `truth.csv` of a folder, `truth/*.parquet` of the synthetic worlds."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from pyarrow import fs

from ucvgl.images.folder import QUERIES, REFERENCES, split_folder, view_folder
from ucvgl.images.listing import Split, is_file, opaque_id, open_bytes
from ucvgl.images.storage import locate
from ucvgl.truth.ground_truth import GroundTruth


def read_parquet(root: str, split: Split) -> GroundTruth | None:
    """The pairs of all worlds of a split: columns `query_id, reference_id`."""
    filesystem, base = locate(root)
    found = filesystem.get_file_info(fs.FileSelector(f"{base}/truth", allow_not_found=True))
    paths = sorted(
        i.path for i in found if i.base_name.startswith(f"{split}-") and i.base_name.endswith(".parquet")
    )
    if not paths:
        return None
    table = pa.concat_tables(pq.read_table(path, filesystem=filesystem) for path in paths)
    pairs = zip(table["query_id"].to_pylist(), table["reference_id"].to_pylist(), strict=True)
    return GroundTruth({query: (reference,) for query, reference in pairs})


def read_csv(root: str, split: Split, *, by_glob: bool) -> GroundTruth | None:
    """The pairs of `truth.csv`: columns `query,reference`, file paths below the views' folders.

    Args:
        by_glob: the views are no folders of their own, and the paths are those below the root.

    Raises:
        ValueError: a column is missing, or a query is named more than once.
    """
    folder = "" if by_glob else split_folder(root, split)
    name = f"{folder}/truth.csv" if folder else "truth.csv"
    if not is_file(root, name):
        return None
    table = pyarrow.csv.read_csv(open_bytes(root, name))
    missing = [column for column in ("query", "reference") if column not in table.column_names]
    if missing:
        raise ValueError(
            f"{root}/{name} lacks the columns {missing}; its first line should be: query,reference"
        )
    queries, references = (
        "" if by_glob else f"{view_folder(root, folder, names)}/" for names in (QUERIES, REFERENCES)
    )
    truth = {
        opaque_id(f"{queries}{query}"): (opaque_id(f"{references}{reference}"),)
        for query, reference in zip(table["query"].to_pylist(), table["reference"].to_pylist(), strict=True)
    }
    if len(truth) < len(table):
        raise ValueError(
            f"{root}/{name} names {len(table) - len(truth)} queries more than once; give each one tile"
        )
    return GroundTruth(truth)
