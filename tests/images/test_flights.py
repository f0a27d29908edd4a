"""SUES-200 and DenseUAV, on trees laid out as the originals are."""

from pathlib import Path

import numpy as np
import pytest

from tests.images.published import rendered, write_image
from ucvgl.images.corpora import read_catalog
from ucvgl.images.denseuav import positions
from ucvgl.settings.experiment import Dataset
from ucvgl.truth.door import read_truth
from ucvgl.truth.score import distance_score, protocol_of, score_in_memory

TRAIN, TEST = ["0001", "0002", "0003"], ["0004", "0005"]


def write_sues200(root: Path) -> Path:
    """Two pictures per place and height (50 in the original), one tile; the gallery also holds the training places."""
    for height in (150, 200, 250, 300):
        parts = {f"Training/{height}/{{}}": TRAIN, f"Testing/{height}/query_{{}}": TEST}
        for folder, places in (parts | {f"Testing/{height}/gallery_{{}}": TRAIN + TEST}).items():
            for place in places:
                tile = rendered()[int(place) % len(rendered())].tile
                for k in range(2):
                    write_image(root / folder.format("drone") / place / f"{k}.jpg", np.rot90(tile, k))
                write_image(root / folder.format("satellite") / place / "0.png", tile)
    return root


def write_denseuav(root: Path) -> Path:
    """Pictures from two heights (three in the original), and tiles of two years, which are TIFF."""
    parts = {"train/{}": TRAIN, "test/query_{}": TEST, "test/gallery_{}": TRAIN + TEST}
    for folder, places in parts.items():
        for place in places:
            tile = rendered()[int(place) % len(rendered())].tile
            for name in ("H80", "H100"):
                write_image(root / folder.format("drone") / place / f"{name}.JPG", tile)
                for year in ("", "_old"):
                    write_image(root / folder.format("satellite") / place / f"{name}{year}.tif", tile)
    lines = [f"train/drone/{one}/H80.JPG E120.{one} N30.38{one} 90.1" for one in TRAIN]
    lines += [f"test/query_drone/{one}/H80.JPG E120.{one} N30.38{one} 90.1" for one in TEST]
    (root / "Dense_GPS_ALL.txt").write_text("\n".join(lines) + "\n")
    return root


def place_of(table) -> dict[str, str]:
    return {row["id"]: Path(row["uri"]).parts[-2] for row in table.to_pylist()}


WRITERS = {"sues200": write_sues200, "denseuav": write_denseuav}
PICTURES, TILES = {"sues200": 2, "denseuav": 2}, {"sues200": 1, "denseuav": 4}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("direction", ["drone_to_satellite", "satellite_to_drone"])
@pytest.mark.parametrize(("split", "asking", "searched"), [("train", TRAIN, TRAIN), ("validation", TEST, TRAIN + TEST)])
def test_all_images_of_the_place_are_true_and_no_others(name, direction, split, asking, searched, tmp_path):
    root = WRITERS[name](tmp_path / "unpacked" / "one_level_deeper").parent
    dataset = Dataset(name=name, root=str(root), protocol=direction, flight_height_m=200)
    catalog, truth = read_catalog(dataset, split), read_truth(dataset, split)
    queries, references = place_of(catalog.queries), place_of(catalog.references)
    counts = {"drone": PICTURES[name], "satellite": TILES[name]}
    asked, _, found = direction.partition("_to_")
    assert sorted(queries.values()) == sorted(asking * counts[asked])
    assert sorted(references.values()) == sorted(searched * counts[found])
    for query, place in queries.items():
        assert set(truth.positives[query]) == {one for one, other in references.items() if other == place}
    assert truth.average_precision
    assert dataset.reverse_protocol == f"{found}_to_{asked}"


def test_a_height_of_sues200_is_a_protocol_of_its_own(tmp_path):
    root = str(write_sues200(tmp_path))
    for height in (150, 300):
        catalog = read_catalog(Dataset(name="sues200", root=root, flight_height_m=height), "train")
        assert {Path(uri).parts[-4] for uri in catalog.queries["uri"].to_pylist()} == {str(height)}
        truth = read_truth(Dataset(name="sues200", root=root, flight_height_m=height), "validation")
        assert truth.protocol == f"SUES-200 {height} m, drone to satellite validation, any image of the place"
    with pytest.raises(ValueError, match=r"flown at 150, 200, 250 and 300 m, and not at 100"):
        read_catalog(Dataset(name="sues200", root=root, flight_height_m=100), "train")


def test_positions_of_denseuav_go_to_the_truth_alone(tmp_path):
    dataset = Dataset(name="denseuav", root=str(write_denseuav(tmp_path)))
    catalog, truth = read_catalog(dataset, "validation"), read_truth(dataset, "validation")
    assert catalog.references.column_names == ["id", "uri"]
    where = {one: truth.positions[one] for one in place_of(catalog.queries)}
    assert set(where.values()) == {(120.0004, 30.380004), (120.0005, 30.380005)}
    assert set(truth.positions) == set(place_of(catalog.queries)) | set(place_of(catalog.references))


@pytest.mark.parametrize("north", ["north", "N1_0", "N0x10", "Nnan", "N"])
def test_a_line_without_a_position_is_told(tmp_path, north):
    root = write_denseuav(tmp_path)
    (root / "Dense_GPS_ALL.txt").write_text(f"train/drone/0001/H80.JPG E120.1 {north}\n")
    with pytest.raises(ValueError, match=r"Dense_GPS_ALL.txt, line 1: .* is not <path> E<longitude> N<latitude>"):
        positions(str(root))


def test_sdm_is_the_weighted_mean_of_what_lies_near():
    """Weights 3, 2, 1; a thousandth of a degree is exp(-5) away."""
    places = np.array([[0.0, 0.0], [0.0, 1e-3], [1.0, 0.0]])
    found = np.array([[0, 1, 2], [2, 1, -1]])
    near = np.exp(-5.0)
    first, second = (3 * 1 + 2 * near + 1 * 0) / 6, (3 * 0 + 2 * near) / 6
    assert distance_score(np.zeros((2, 2)), places, found) == pytest.approx((first + second) / 2)
    assert distance_score(np.zeros((2, 2)), places, found[:, :1]) == pytest.approx(0.5)


def test_an_evaluation_on_denseuav_also_counts_by_distance(tmp_path):
    dataset = Dataset(name="denseuav", root=str(write_denseuav(tmp_path)))
    catalog, truth = read_catalog(dataset, "validation"), read_truth(dataset, "validation")
    ids = [np.array(table["id"].to_pylist()) for table in (catalog.queries, catalog.references)]
    axis = {place: k for k, place in enumerate(TRAIN + TEST)}
    vectors = [
        np.eye(5, dtype=np.float32)[[axis[place] for place in place_of(table).values()]]
        for table in (catalog.queries, catalog.references)
    ]
    scores = score_in_memory(*vectors, protocol_of(truth, *ids)).more
    assert scores["SDM@1"] == scores["SDM@3"] == pytest.approx(1)
    assert scores["SDM@5"] < 1


def test_a_table_of_positions_that_lacks_a_place_leaves_the_recall(tmp_path):
    root = write_denseuav(tmp_path)
    lines = (root / "Dense_GPS_ALL.txt").read_text().splitlines()
    (root / "Dense_GPS_ALL.txt").write_text("\n".join(lines[1:]) + "\n")
    dataset = Dataset(name="denseuav", root=str(root))
    catalog, truth = read_catalog(dataset, "validation"), read_truth(dataset, "validation")
    pools = (table["id"].to_numpy() for table in (catalog.queries, catalog.references))
    protocol = protocol_of(truth, *pools)
    assert protocol.positions is None and protocol.answerable
    assert protocol.words.endswith("; no SDM, as Dense_GPS_ALL.txt lacks 1 places, as 0001")
