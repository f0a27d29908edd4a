from pathlib import Path

import numpy as np
import pytest

from tests.images.published import write_cvact, write_cvusa, write_image, write_university1652, write_vigor
from ucvgl.images.corpora import read_catalog
from ucvgl.settings.experiment import PROTOCOLS, Dataset

WRITERS = {"cvusa": write_cvusa, "cvact": write_cvact, "vigor": write_vigor, "university1652": write_university1652}


@pytest.mark.parametrize(("name", "protocol"), [(name, use) for name in WRITERS for use in PROTOCOLS[name]])
def test_every_use_of_a_data_set_lists_both_views_of_both_splits(tmp_path: Path, name: str, protocol: str):
    root = str(WRITERS[name](tmp_path))
    for split in ("train", "validation"):
        catalog = read_catalog(Dataset(name=name, root=root, protocol=protocol), split)
        assert catalog.queries.num_rows and catalog.references.num_rows
        uris = catalog.queries["uri"].to_pylist() + catalog.references["uri"].to_pylist()
        assert all(Path(uri).is_file() for uri in uris)


@pytest.mark.parametrize("name", WRITERS)
def test_left_alone_a_data_set_is_used_in_its_first_way(tmp_path: Path, name: str):
    root = str(WRITERS[name](tmp_path))
    first = (*PROTOCOLS[name], "default")[0]
    found, expected = (
        read_catalog(Dataset(name=name, root=root, protocol=protocol), "validation")
        for protocol in ("default", first)
    )
    assert found.queries.equals(expected.queries) and found.references.equals(expected.references)


def test_globs_reach_your_own_folder(tmp_path: Path):
    for name in ("a/1.jpg", "b/2.jpg", "c/3.png"):
        write_image(tmp_path / name, np.zeros((4, 4, 3), np.uint8))
    own = Dataset(name="folder", root=str(tmp_path), queries="[ab]/*", references="c")
    catalog = read_catalog(own, "train")
    assert (catalog.queries.num_rows, catalog.references.num_rows) == (2, 1)


def test_what_is_rendered_is_no_pile_of_files():
    with pytest.raises(ValueError, match="synthetic is rendered, and no pile of files"):
        read_catalog(Dataset(), "train")
