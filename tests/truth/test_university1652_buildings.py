from pathlib import Path

import pytest

from tests.images.published import BUILDINGS, rendered, write_image, write_university1652
from ucvgl.images.corpora import read_catalog
from ucvgl.settings.experiment import Dataset
from ucvgl.truth.door import read_truth


def buildings(table) -> dict[str, str]:
    return {row["id"]: Path(row["uri"]).parts[-2] for row in table.to_pylist()}


@pytest.mark.parametrize(
    ("direction", "true_images"),
    [("drone_to_satellite", 1), ("satellite_to_drone", 3), ("street_to_satellite", 1), ("satellite_to_street", 2)],
)
@pytest.mark.parametrize("split", ["train", "validation"])
def test_every_image_of_the_same_building_is_true_and_no_other(tmp_path: Path, direction, true_images, split):
    dataset = Dataset(name="university1652", root=str(write_university1652(tmp_path)), protocol=direction)
    catalog, truth = read_catalog(dataset, split), read_truth(dataset, split)
    queries, references = buildings(catalog.queries), buildings(catalog.references)
    assert set(truth.positives) == set(queries)
    for query, true in truth.positives.items():
        assert set(true) == {one for one, building in references.items() if building == queries[query]}
        assert len(true) == true_images
    assert truth.average_precision
    assert truth.protocol == (
        f"University-1652 {direction.replace('_', ' ')} {split}, any image of the building"
    )


def test_buildings_without_a_query_and_distractors_are_true_for_nobody(tmp_path: Path):
    root = write_university1652(tmp_path)
    for k in range(2):
        write_image(root / f"test/gallery_satellite_160k/{BUILDINGS['query'][k]}/x.jpg", rendered()[k].tile[::-1])
    dataset = Dataset(name="university1652", root=str(root), protocol="drone_to_satellite_160k")
    catalog, truth = read_catalog(dataset, "validation"), read_truth(dataset, "validation")
    true = {one for some in truth.positives.values() for one in some}
    paths = {row["id"]: Path(row["uri"]) for row in catalog.references.to_pylist()}
    assert len(paths) == 3 + 2
    assert {paths[one].parts[-3:-1] for one in true} == {
        ("gallery_satellite", building) for building in BUILDINGS["query"]
    }
