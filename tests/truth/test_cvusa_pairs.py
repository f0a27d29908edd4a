from pathlib import Path

import numpy as np

from tests.images.published import shuffled, write_cvusa
from ucvgl.images.corpora import read_catalog
from ucvgl.settings.experiment import Dataset
from ucvgl.truth.door import read_truth, true_rows


def test_a_panorama_belongs_to_the_tile_of_its_number_in_whatever_order_both_are_listed(tmp_path: Path):
    dataset = Dataset(name="cvusa", root=str(write_cvusa(tmp_path)))
    for split in ("train", "validation"):
        catalog, truth = read_catalog(dataset, split), read_truth(dataset, split)
        ids = [np.array(table["id"].to_pylist()) for table in (catalog.queries, catalog.references)]
        rows = true_rows(truth, *ids)
        names, of_tiles = (
            [Path(uri).stem for uri in table["uri"].to_pylist()] for table in (catalog.queries, catalog.references)
        )
        assert [of_tiles[row] for row in rows] == names
        assert truth.protocol == f"CVUSA {split}, one true tile"


def test_a_panorama_without_its_tile_has_no_truth(tmp_path: Path):
    root = write_cvusa(tmp_path)
    (root / f"bingmap/19/{shuffled(1)[9] + 1:07d}.jpg").unlink()
    truth = read_truth(Dataset(name="cvusa", root=str(root)), "validation")
    assert len(truth.positives) == 3


def test_a_recall_without_the_official_lists_says_so(tmp_path: Path):
    root = write_cvusa(tmp_path)
    (root / "splits/val-19zl.csv").unlink()
    truth = read_truth(Dataset(name="cvusa", root=str(root)), "validation")
    assert truth.protocol == "CVUSA validation without splits/val-19zl.csv: not the official split, one true tile"
