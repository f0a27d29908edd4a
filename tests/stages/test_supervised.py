"""Training on true pairs: which places are taken for hard, in which round, and what is kept of it."""

from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest

import ucvgl.stages.supervised
from benchmarks.in_process import InProcess
from tests.stages.drawn_places import SMALL, TRAIN, draw_places, list_and_project
from ucvgl.images.image_store import ImageStore
from ucvgl.networks.towers import embed, load_towers, save_towers
from ucvgl.settings.experiment import Contrast, Curriculum, Supervision, Translation
from ucvgl.stages.cold_start import new_towers
from ucvgl.stages.labels import labels
from ucvgl.stages.supervised import supervised

NEIGHBOURS = 3


def trained(tmp_path, *, located=True, rounds=2, later=0.0, **supervision):
    """Some rounds on all true pairs, panoramas in the last of them; the folders by name."""
    draw_places(tmp_path / "home", located=located)
    settings = {"label_fraction": 1.0, **supervision}
    experiment = replace(
        SMALL,
        dataset=replace(SMALL.dataset, root=str(tmp_path / "home")),
        contrast=Contrast(batch=8),
        curriculum=Curriculum(rounds=rounds, epochs_per_round=1, panoramas_after=later),
        model=replace(SMALL.model, query="both" if later else "panorama"),
        translation=Translation(fake=not later),
        supervision=Supervision(**settings),
    )
    made = list_and_project(tmp_path / "run", experiment)
    made |= {name: tmp_path / "run" / name for name in ("labels", "cold", "trained")}
    for name in ("labels", "cold", "trained"):
        made[name].mkdir()
    labels(made["labels"], catalogs=made["catalogs"], experiment=experiment)
    save_towers(new_towers(experiment), made["cold"] / "model.pt")
    inputs = {name: made[name] for name in ("catalogs", "labels", "projected", "cold")}
    ends = {"experiment": experiment, "machines": InProcess(lambda **row: None), "log": lambda **row: None}
    made["again"] = partial(supervised, made["trained"], **inputs, **ends)
    made["said"] = made["again"]()
    return made


@pytest.fixture(scope="module", autouse=True)
def few_neighbours():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ucvgl.stages.supervised, "HARD_NEGATIVES", NEIGHBOURS)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two rounds that were left alone; the last test breaks one off."""
    return trained(tmp_path_factory.mktemp("supervised"))


def neighbours(made, index):
    """Tile numbers (along the line of places) of each pair's neighbours, by the number of the pair's place."""
    table = pq.read_table(made["catalogs"] / "train_references.parquet").to_pylist()
    number = {row["id"]: int(row["uri"].rpartition("/s")[2][:2]) for row in table}
    ids = ImageStore(made["projected"] / "train" / "references").ids
    found = np.load(made["trained"] / f"round_{index:02d}" / "neighbours.npy")
    owns = [row["reference_id"] for row in pq.read_table(made["labels"] / "pairs.parquet").to_pylist()]
    return {number[own]: [number[str(ids[row])] for row in rows] for own, rows in zip(owns, found, strict=True)}


def test_the_first_neighbours_are_the_nearest_places_and_later_ones_the_most_similar(made):
    assert made["said"] == {"rounds": 2, "true_pairs": TRAIN}
    for place, near in neighbours(made, 0).items():  # places lie on a line: the nearest are the next ones
        distances = sorted(abs(other - place) for other in range(TRAIN) if other != place)[:NEIGHBOURS]
        assert [abs(other - place) for other in near] == distances

    towers = load_towers(made["trained"] / "round_00" / "model.pt")
    assert np.load(made["trained"] / "round_01" / "neighbours.npy").tolist() == most_similar(made, towers, "queries")


def most_similar(made, towers, seen):
    """Rows of the tiles that are most similar to each true pair's query, by its image in that store."""
    stores = [ImageStore(made["projected"] / "train" / view) for view in (seen, "references")]
    pairs = pq.read_table(made["labels"] / "pairs.parquet").to_pylist()
    rows = (
        store.rows_of([row[name] for row in pairs])
        for store, name in zip(stores, ("query_id", "reference_id"), strict=True)
    )
    query, reference = (
        embed(towers, store.read(some), view)
        for store, some, view in zip(
            stores, rows, ("query" if seen == "queries" else "reference", "reference"), strict=True
        )
    )
    score = query @ reference.T
    np.fill_diagonal(score, -np.inf)
    own = stores[1].rows_of([row["reference_id"] for row in pairs])
    return own[np.argsort(-score, axis=1, kind="stable")[:, :NEIGHBOURS]].tolist()


def test_where_panoramas_join_later_birds_eye_views_learn_first_find_neighbours_and_go_on(tmp_path, monkeypatch):
    learned, train_round = [], ucvgl.stages.supervised.train_round

    def watched(into, start, sources, *rest, **more):
        learned.append([(pairs.name, len(pairs.sides)) for pairs in sources])
        train_round(into, start, sources, *rest, **more)

    monkeypatch.setattr(ucvgl.stages.supervised, "train_round", watched)
    made = trained(tmp_path, later=0.5)
    assert learned == [[("above", 2)], [("above", 2), ("known", 3)]]
    towers = load_towers(made["trained"] / "round_00" / "model.pt")
    found = np.load(made["trained"] / "round_01" / "neighbours.npy").tolist()
    assert found == most_similar(made, towers, "bev") != most_similar(made, towers, "queries")


def test_the_result_is_the_last_round_and_no_scan_is_left(made):
    last = (made["trained"] / "round_01" / "model.pt").read_bytes()
    assert (made["trained"] / "model.pt").read_bytes() == last
    assert not list(made["trained"].glob("round_*/scan"))


def test_without_positions_no_place_is_near_another(tmp_path):
    made = trained(tmp_path, located=False, rounds=1)
    assert (np.load(made["trained"] / "round_00" / "neighbours.npy") == -1).all()


def test_hard_negatives_can_be_switched_off(tmp_path):
    made = trained(tmp_path, hard_negatives=False)
    assert not list(made["trained"].glob("round_*/neighbours.npy"))


def test_a_round_that_was_broken_off_is_trained_again_on_the_neighbours_it_had(made):
    first, second = (made["trained"] / f"round_{index:02d}" for index in range(2))
    before = (first / "model.pt").stat().st_mtime_ns, (second / "neighbours.npy").stat().st_mtime_ns
    (second / "model.pt").unlink()
    (made["trained"] / "model.pt").unlink()
    made["again"]()
    assert before == ((first / "model.pt").stat().st_mtime_ns, (second / "neighbours.npy").stat().st_mtime_ns)
    assert (made["trained"] / "model.pt").read_bytes() == (second / "model.pt").read_bytes()
