"""Ground truth, and its only reader: evaluation imports this module, nothing that trains may.

`truth.csv` of a folder data set has the columns `query,reference`: file paths below the views' folders. The
synthetic world writes `truth/<split>-*.parquet` with `query_id, reference_id`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from jaxtyping import Int
from pyarrow import fs

from ucvgl.config import Dataset
from ucvgl.data.folder import QUERIES, REFERENCES, Split, opaque_id, split_folder, view_folder
from ucvgl.data.storage import locate
from ucvgl.data.synthetic import dataset as synthetic

GroundTruth = Mapping[str, str]
"""Id of the true reference, by query id. A query that is absent has none, or none is known."""


def read_truth(dataset: Dataset, split: Split) -> GroundTruth | None:
    """The true pairs of a split, or None where nobody wrote them down."""
    if dataset.name == "synthetic":
        return _read_parquet(str(synthetic.home(dataset)), split)
    return _read_csv(dataset.root, split)


def true_rows(truth: GroundTruth, query_ids: np.ndarray, reference_ids: np.ndarray) -> Int[np.ndarray, " q"]:
    """The row of each query's true reference in the pool; -1 where it has none there."""
    row_of = {identity: row for row, identity in enumerate(reference_ids.tolist())}
    return np.array([row_of.get(truth.get(identity, ""), -1) for identity in query_ids.tolist()], int)


def label_precision(pairs: pa.Table, truth: GroundTruth) -> float:
    """Share of the pseudo-labels that are true; NaN without any label.

    Args:
        pairs: columns `query_id`, `reference_id`, `label` (bool: kept as a pseudo-label).
    """
    columns = (pairs[name].to_pylist() for name in ("query_id", "reference_id", "label"))
    right = [truth.get(query) == reference for query, reference, label in zip(*columns, strict=True) if label]
    return float(np.mean(right)) if right else float("nan")


def _read_parquet(root: str, split: Split) -> GroundTruth | None:
    filesystem, base = locate(root)
    found = filesystem.get_file_info(fs.FileSelector(f"{base}/truth", allow_not_found=True))
    paths = sorted(
        i.path for i in found if i.base_name.startswith(f"{split}-") and i.base_name.endswith(".parquet")
    )
    if not paths:
        return None
    table = pa.concat_tables(pq.read_table(path, filesystem=filesystem) for path in paths)
    return dict(zip(table["query_id"].to_pylist(), table["reference_id"].to_pylist(), strict=True))


def _read_csv(root: str, split: Split) -> GroundTruth | None:
    folder = split_folder(root, split)
    name = f"{folder}/truth.csv" if folder else "truth.csv"
    filesystem, base = locate(root)
    if filesystem.get_file_info(f"{base}/{name}").type != fs.FileType.File:
        return None
    with filesystem.open_input_stream(f"{base}/{name}") as file:
        table = pyarrow.csv.read_csv(file)
    missing = [column for column in ("query", "reference") if column not in table.column_names]
    if missing:
        raise ValueError(
            f"{root}/{name} lacks the columns {missing}; its first line should be: query,reference"
        )
    queries, references = (view_folder(root, folder, names) for names in (QUERIES, REFERENCES))
    truth = {
        opaque_id(f"{queries}/{query}"): opaque_id(f"{references}/{reference}")
        for query, reference in zip(table["query"].to_pylist(), table["reference"].to_pylist(), strict=True)
    }
    if len(truth) < len(table):
        raise ValueError(
            f"{root}/{name} names {len(table) - len(truth)} queries more than once; give each one tile"
        )
    return truth
