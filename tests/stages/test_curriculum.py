import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import ucvgl.programs.verified
import ucvgl.stages.curriculum
import ucvgl.training.round_labels
from benchmarks.in_process import InProcess
from tests.poses.flat_ground import patches, seen_from
from ucvgl.distributed.heading_search import headings_of_pairs
from ucvgl.distributed.scanning import Votes, scan, votes
from ucvgl.distributed.selection import PANORAMA_SHARES, AskedAs, best_share, rank_images, weigh_query
from ucvgl.images.image_store import ImageStore, write_shard
from ucvgl.networks.towers import TwoTowers, load_towers, save_towers
from ucvgl.poses import fields
from ucvgl.poses.turns import turned
from ucvgl.programs.verified import verify_candidates
from ucvgl.pseudo_labels.decoys import judged_recall
from ucvgl.settings.experiment import Contrast, Curriculum, Experiment, Model
from ucvgl.stages.curriculum import curriculum, judged_share, write_labels, write_result
from ucvgl.training.batches import Pairs
from ucvgl.training.round_labels import labelled_pairs, read_labels
from ucvgl.types import Matches

PLACES = 20


@pytest.fixture
def train(tmp_path):
    for view in ("queries", "references", "fake"):
        ids = [f"{view}{number:02d}" for number in range(PLACES)]
        write_shard(tmp_path / view, 0, ids, np.zeros((PLACES, 8, 8, 3), np.uint8))
    return tmp_path


def table(labels: dict[int, int]) -> pa.Table:
    rows = [(f"queries{q:02d}", f"references{labels.get(q, 0):02d}", q in labels, 1.0) for q in range(PLACES)]
    names = ("query_id", "reference_id", "label", "weight")
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])


def known_of(train, pairs: dict[int, int], spared=None) -> Pairs:
    stores = train / "queries", train / "references"
    query, reference = np.array([*pairs]), np.array([*pairs.values()])
    return Pairs("known", ("query", "reference"), stores, query, reference, spared=spared)


def sources(train, labels, known=None, with_fakes=True, index=0, **settings) -> list[Pairs]:
    experiment = Experiment(curriculum=Curriculum(**settings), contrast=Contrast(batch=8))
    rows, stores = np.arange(PLACES), (train / "queries", train / "fake")
    own = Pairs("fake", ("query", "reference"), stores, rows, rows, 0.4) if with_fakes else None
    return labelled_pairs(table(labels), index, train, own, experiment, known)


def shown(pairs: Pairs) -> list[tuple[int, int]]:
    return sorted(zip(pairs.query.tolist(), pairs.reference.tolist(), strict=True))


def test_known_pairs_and_pseudo_labels_are_one_source_as_long_as_the_corpus(train):
    labels, known = {1: 5, 2: 6, 3: 7, 4: 8}, {10: 11, 12: 13, 14: 15, 16: 17}
    pairs, alone = sources(train, labels, known_of(train, known, spared=np.array([[2], [-1], [-1], [-1]])))
    copies = round(PLACES / 8)
    assert shown(pairs) == sorted([*labels.items(), *known.items()] * copies)
    assert pairs.spared is not None
    assert {int(q) for q, s in zip(pairs.query, pairs.spared, strict=True) if s[0] == 2} == {10}
    assert [(side.view, side.store) for side in pairs.sides] == [
        ("query", train / "queries"),
        ("reference", train / "references"),
        ("reference", train / "fake"),
    ]
    assert pairs.sides[2].rows is pairs.query and pairs.fake_label_smoothing == alone.label_smoothing == 0.4
    assert alone.stores == (train / "queries", train / "fake")
    assert shown(alone) == [(q, q) for q in range(PLACES) if q not in {*labels, *known}], "each panorama its own fake"


def test_a_few_panoramas_without_a_label_are_no_batch(train):
    assert len(sources(train, {query: query for query in range(PLACES - 4)})) == 2
    assert len(sources(train, {query: query for query in range(PLACES - 3)})) == 1


def test_a_few_labels_are_not_repeated_endlessly(train, monkeypatch):
    monkeypatch.setattr(ucvgl.training.round_labels, "MOST_COPIES", 1)
    labels = {query: query for query in range(8)}
    assert round(PLACES / 8) > 1
    assert shown(sources(train, labels)[0]) == [*labels.items()]


def test_without_known_pairs_only_pseudo_labels_train(train):
    labels = {query: query for query in range(10)}
    (pairs,) = sources(train, labels, with_fakes=False)
    assert shown(pairs) == sorted([*labels.items()] * 2) and pairs.spared is None and len(pairs.sides) == 2


def test_before_panoramas_join_a_label_is_its_fake_and_tile_seen_by_one_encoder(train):
    labels = {query: query + 1 for query in range(10)}
    (pairs,) = sources(train, labels, panoramas_after=0.5, rounds=2)
    assert [(side.view, side.store) for side in pairs.sides] == [
        ("reference", train / "fake"),
        ("reference", train / "references"),
    ]
    assert shown(pairs) == sorted([*labels.items()] * 2), "the fake has its panorama's row"
    later = sources(train, labels, panoramas_after=0.5, rounds=2, index=1)
    assert [(some.name, len(some.sides)) for some in later] == [("above", 2), ("label", 3), ("fake", 2)]
    assert later[0].stores == pairs.stores and shown(later[0]) == shown(later[1]) == shown(pairs)
    together = sources(train, labels, panoramas_after=0.4, rounds=1)
    assert [(some.name, len(some.sides)) for some in together] == [("label", 3), ("fake", 2)]


def test_a_panorama_has_no_vote_before_it_is_trained_on():
    settings = Curriculum(rounds=6, panoramas_after=0.5, first_fake_vote=1.0, final_fake_vote=0.5)
    assert [votes(index, settings).panorama for index in range(6)] == [0, 0, 0, 0, 0.25, 0.5]
    at_once = replace(settings, panoramas_after=0.0)
    assert [votes(index, at_once).panorama for index in range(6)] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert votes(5, replace(settings, panoramas_after=1.0)).panorama == 0
    assert [votes(index, replace(settings, first_fake_vote=0.0)).panorama for index in (0, 3, 5)] == [0, 0, 0.5]
    assert votes(5, replace(settings, panoramas_after=1.0, with_fakes=False)).panorama == 0.5


def test_known_pairs_make_up_for_few_pseudo_labels_and_too_few_of_both_are_refused(train):
    known = {query: query for query in range(8)}
    assert len(sources(train, {}, known_of(train, known))[0]) == 2 * 8
    with pytest.raises(ValueError, match="round 1 found 3 pseudo-labels among 20 queries, too few to train on"):
        sources(train, {1: 1, 2: 2, 3: 3}, known_of(train, {5: 5, 6: 6}))


def test_neither_a_labelled_nor_a_known_query_goes_to_the_dustbin(train):
    labels, known = {query: query for query in range(6)}, {query: query for query in range(10, 16)}
    (pairs,) = sources(train, labels, known_of(train, known), dustbin_share=0.6, with_fakes=False)
    assert pairs.labelled is not None
    alone = ~pairs.labelled
    assert set(pairs.query[alone].tolist()) == {6, 7, 8, 9, 16, 17, 18, 19}
    assert not set(pairs.reference[alone].tolist()) & set(pairs.reference[pairs.labelled].tolist())
    assert sources(train, labels, known_of(train, known), dustbin_share=0.61)[0].labelled is None


def test_what_known_pairs_have_decided_is_written_as_no_label(train):
    rows = np.arange(PLACES)
    found = Matches(rows, rows, np.ones(PLACES), np.ones(PLACES), np.ones(PLACES), rows >= 0)
    write_labels(found, train / "pairs.parquet", 0, train, Experiment(), known_of(train, {3: 9, 4: 4}))
    label = np.array(pq.read_table(train / "pairs.parquet")["label"])
    assert np.flatnonzero(~label).tolist() == [3, 4, 9]
    shared = replace(Experiment(), curriculum=Curriculum(reciprocal=2))
    write_labels(found, train / "pairs.parquet", 0, train, shared, known_of(train, {3: 9, 4: 4}))
    label = np.array(pq.read_table(train / "pairs.parquet")["label"])
    assert np.flatnonzero(~label).tolist() == [3, 4], "a tile with room for another query may get one"


def test_the_share_of_right_labels_is_that_of_labels_times_their_precision_and_without_decoys_that_of_mutual_ones():
    marks = {"label": [True, True, True, False], "mutual": [True, False, False, False]}
    assert judged_share(pa.table(marks)) == 0.25
    told = json.dumps({"value": 0.5, "low": 0.4, "high": 0.6})
    assert judged_share(pa.table(marks, metadata={"precision": told})) == 0.375
    nothing = pa.table({"label": [False], "mutual": [True]}, metadata={"precision": told})
    assert judged_share(nothing) == 0.0


@pytest.mark.parametrize(("on_decoys", "warned"), [(0, False), (10, True)])
def test_labels_that_are_no_better_than_chance_are_told(train, caplog, on_decoys, warned):
    rows, ones = np.arange(PLACES), np.ones(PLACES)
    reference = np.where(rows < on_decoys, rows + PLACES, rows)  # decoys are numbered after the tiles
    settings = replace(Experiment(), curriculum=Curriculum(min_probability=0))
    found = Matches(rows, reference, ones, ones, ones, rows >= 0)
    write_labels(found, train / "pairs.parquet", 0, train, settings)
    assert ("may all be wrong" in caplog.text) is warned


def test_the_structure_of_the_ground_finds_tiles_whose_light_and_colours_are_others(tmp_path):
    rng = np.random.default_rng(0)
    ground = np.kron(rng.integers(0, 256, (60, 8, 8, 3)), np.ones((1, 4, 4, 1))).astype(np.uint8)
    seen = {"bev": ground, "references": 255 - ground // 2, "queries": ground[:, :8]}
    for view, images in seen.items():
        write_shard(tmp_path / view, 0, [f"{number:02d}" for number in range(60)], images)
    folders = {"start": tmp_path, "into": tmp_path / "round", "train": tmp_path, "fakes": tmp_path / "bev"}
    made = {"vote": Votes(0, 0, 1), "experiment": Experiment(), "machines": InProcess(lambda **_: None)}
    found = scan(**folders, **made)  # there is no model to read
    assert found.reference.tolist() == found.query.tolist()
    assert found.mutual.all() and len(found.query) == 60


class BrokenOff(InProcess):
    """Ends when candidates are verified, and one of the answers is lost."""

    def verify(self, candidates, *, folder, **stores):
        super().verify(candidates, folder=folder, **stores)
        sorted(folder.glob("verified-*.npy"))[1].unlink()
        raise KeyboardInterrupt


class Watched(InProcess):
    """Notes which queries are verified."""

    shards = ()

    def run(self, program, **arguments):
        if program is verify_candidates:
            self.shards = arguments["cuts"]
        return super().run(program, **arguments)


def test_cameras_that_stand_aside_find_their_tiles_where_candidates_are_verified_over_poses(tmp_path, monkeypatch):
    monkeypatch.setattr(ucvgl.programs.verified, "QUERIES_AT_ONCE", 8)
    draw, tiles = np.random.default_rng(0), np.stack([patches(number, 48) for number in range(24)])
    bevs = np.stack([seen_from(tile, *draw.uniform(-12, 12, 2), heading=0.0) for tile in tiles])
    for view, images in {"bev": bevs, "references": tiles, "queries": bevs}.items():
        write_shard(tmp_path / view, 0, [f"{number:02d}" for number in range(24)], images)

    def scanned(into: str, machines: InProcess, verified: int, reciprocal: int = 1, start: str = "") -> Matches:
        settings = Curriculum(verified=verified, reciprocal=reciprocal, whitening=0)
        experiment = Experiment(curriculum=settings)
        folders = {"start": tmp_path / start, "into": tmp_path / into, "train": tmp_path, "fakes": tmp_path / "bev"}
        return scan(**folders, vote=Votes(0, 0, 1), experiment=experiment, machines=machines)

    def right(found: Matches) -> int:
        return int((found.mutual & (found.reference == found.query)).sum())

    once, again = Watched(lambda **_: None), Watched(lambda **_: None)
    found = scanned("whole", once, verified=10)
    assert right(found) > right(scanned("unverified", once, verified=0)) + 5
    assert [file.name for file in (tmp_path / "whole").iterdir()] == ["verified"] and len(once.shards) == 3
    with pytest.raises(KeyboardInterrupt):
        scanned("broken", BrokenOff(lambda **_: None), verified=10)
    resumed = scanned("broken", again, verified=10)
    assert again.shards == [(8, 16)]
    for name, value in vars(found).items():
        np.testing.assert_array_equal(getattr(resumed, name), value, err_msg=name)
    with monkeypatch.context() as patch:
        patch.setattr(ucvgl.programs.verified, "evidence", None)  # so that comparing any pair again is an error
        after = scanned("next", again, verified=10, start="whole")
    assert not [*(tmp_path / "whole").iterdir()]
    for name, value in vars(found).items():
        np.testing.assert_array_equal(getattr(after, name), value, err_msg=name)
    assert scanned("few", again, verified=1, reciprocal=3).query.tolist() == list(range(24))


def turned_world(folder: Path, view_side: int = 48) -> np.ndarray:
    """Tiles, and views from above and panoramas of cameras that look anywhere; where they look."""
    headings = np.random.default_rng(1).uniform(0, 360, 24)
    tiles = np.stack([patches(number, view_side) for number in range(24)])
    bevs = np.stack([fields.turned(tile, -of) for tile, of in zip(tiles, headings, strict=True)])
    column = np.arange(360)
    north = np.where((column == 180)[None, None, :, None], 255, 0).astype(np.uint8) * np.ones((24, 8, 1, 3), np.uint8)
    panoramas = np.stack([turned(image, of) for image, of in zip(north, headings, strict=True)])
    for view, images in {"bev": bevs, "references": tiles, "queries": panoramas}.items():
        write_shard(folder / view, 0, [f"{number:02d}" for number in range(16)], images[:16])
        write_shard(folder / view, 1, [f"{number:02d}" for number in range(16, 24)], images[16:])
    return headings


@pytest.mark.parametrize(("verified", "vote"), [(0, Votes(0, 0, 1)), (4, Votes(0.1, 0.2, 0.7))])
def test_where_a_panorama_looks_that_begins_anywhere_is_found_with_its_tile(tmp_path, verified, vote):
    headings = turned_world(tmp_path)
    save_towers(TwoTowers(Model(channels=16, safa_heads=2), (8, 360), (48, 48)), tmp_path / "model.pt")
    settings = {"curriculum": Curriculum(verified=verified), "contrast": Contrast(heading="unknown")}
    folders = {"start": tmp_path, "into": tmp_path / "round", "train": tmp_path, "fakes": tmp_path / "bev"}

    def scanned(experiment: Experiment) -> Matches:
        return scan(**folders, vote=vote, experiment=experiment, machines=InProcess(lambda **_: None))

    found = scanned(Experiment(**settings))
    assert not [*(tmp_path / "round").iterdir()]
    right = found.mutual & (found.reference == found.query)
    assert right.sum() >= 22
    assert found.heading_deg is not None
    off = (found.heading_deg - headings + 180) % 360 - 180
    assert (np.abs(off[right]) <= 8).sum() >= 20
    north = scanned(Experiment(curriculum=settings["curriculum"]))
    assert north.heading_deg is None and (north.mutual & (north.reference == north.query)).sum() < 8

    write_labels(found, tmp_path / "pairs.parquet", 0, tmp_path, Experiment(**settings))
    table = read_labels(tmp_path / "pairs.parquet")
    np.testing.assert_array_equal(np.array(table["heading_deg"]), found.heading_deg)
    own = Pairs("fake", ("query", "reference"), (tmp_path / "queries", tmp_path / "bev"), np.arange(24), np.arange(24))
    labelled, *_ = labelled_pairs(table, 0, tmp_path, own, Experiment(**settings))
    seen = [side.read({side.store: ImageStore(side.store)}, np.arange(len(labelled))) for side in labelled.sides]
    middle = seen[0][:, 0, :, 0].argmax(1) - 180
    np.testing.assert_allclose(middle, off[labelled.query], atol=1.5)  # the mark is in the north
    tiles = ImageStore(tmp_path / "references").read(labelled.reference).astype(float)
    inner = slice(16, 32)
    apart = [np.abs(some.astype(float) - tiles)[:, inner, inner].mean((1, 2, 3)) for some in seen[1:]]
    assert (apart[0] == 0).all() and np.median(apart[1]) < 0.5 * np.abs(tiles[1:] - tiles[:-1]).mean()


def test_where_the_panoramas_of_known_pairs_look_is_found_by_their_tiles(tmp_path):
    headings, rows = turned_world(tmp_path), np.array([3, 20, 7])
    stores = tmp_path / "queries", tmp_path / "references"
    known = Pairs("known", ("query", "reference"), stores, rows, rows)
    machines = InProcess(lambda **_: None)
    found = headings_of_pairs(known, tmp_path / "turns", machines, bevs=tmp_path / "bev")
    assert (np.abs((found - headings + 180) % 360 - 180)[rows] <= 8).all()
    assert (np.delete(found, rows) == 0).all() and not (tmp_path / "turns").exists()


@pytest.mark.parametrize("verified", [0, 4])
def test_panoramas_that_begin_anywhere_are_ranked_at_the_turn_of_their_best_tile(tmp_path, verified):
    turned_world(tmp_path)
    torch.manual_seed(0)
    towers = TwoTowers(Model(channels=16, safa_heads=2, query="both"), (8, 360), (48, 48))
    towers.panorama_share = 0.0
    save_towers(towers, tmp_path / "model.pt")

    def found(searched: bool) -> int:
        into, how = tmp_path / f"seen_{searched}", AskedAs("both", verified, searched)
        ranking = rank_images(into, tmp_path / "model.pt", tmp_path, [], InProcess(lambda **_: None), how=how)
        assert not (into / "turns").exists()
        return int((ranking.best_of_all.index[:, 0] == np.arange(24)).sum())

    assert found(searched=True) > 14 and found(searched=False) < 8


@pytest.mark.parametrize(
    ("recalls", "best"),
    [
        ((0.90, 0.80, 0.70, 0.60, 0.50), 0.0),
        ((0.50, 0.60, 0.70, 0.80, 0.90), 1.0),
        ((0.70, 0.80, 0.80, 0.80, 0.70), 0.5),
        ((0.75, 0.81, 0.80, 0.80, 0.74), 0.5),  # the second is higher by chance
        ((0.85, 0.86, 0.84, 0.74, 0.64), 0.25),
    ],
)
def test_the_share_of_panoramas_is_where_a_parabola_is_highest(recalls, best):
    assert best_share(dict(zip(PANORAMA_SHARES, recalls, strict=True))) == best


@pytest.mark.parametrize("verified", [0, 3])
@pytest.mark.parametrize("bev_shows_the_tile", [True, False])
def test_the_judge_weighs_panorama_and_birds_eye_view_without_truth(tmp_path, bev_shows_the_tile, verified):
    rng = np.random.default_rng(0)
    tiles, others, panoramas = (rng.integers(0, 256, (64, 32, size, 3), np.uint8) for size in (32, 32, 64))
    seen = {"bev": tiles if bev_shows_the_tile else others, "queries": panoramas, "references": tiles}
    for view, images in seen.items():
        write_shard(tmp_path / "validation" / view, 0, [f"{number:02d}" for number in range(64)], images)
    model = tmp_path / "round" / "model.pt"
    model.parent.mkdir()
    save_towers(TwoTowers(Model(channels=16, safa_heads=2, query="both"), (32, 64), (32, 32)), model)
    how = AskedAs("both", verified)
    machines, images = InProcess(lambda **_: None), tmp_path / "validation"
    told = tmp_path / "curriculum"
    told.mkdir()
    share = weigh_query(model.parent, told, tmp_path, machines, how=how)
    recalls = json.loads((told / "query.json").read_text())["judged_recalls"]
    assert load_towers(told / "model.pt").panorama_share == share and load_towers(model).panorama_share == 0.5
    assert verified or (recalls["0.0"] > 0.9 > recalls["1.0"]) is bev_shows_the_tile
    assert share == best_share({float(of): recall for of, recall in recalls.items()})
    assert sorted(path.name for path in told.iterdir()) == ["model.pt", "query.json"]
    assert weigh_query(model.parent, told, tmp_path, machines, how=how) == share
    ranking = rank_images(tmp_path / "seen", told / "model.pt", images, [], machines, how=how)
    assert judged_recall(ranking.best_of_all.index, 64).value == recalls[f"{share}"]


def test_without_rounds_the_cold_start_is_the_result_and_its_folder_stays_as_it_is(tmp_path):
    rng = np.random.default_rng(0)
    for split in ("train", "validation"):
        for view, width in (("bev", 32), ("queries", 64), ("references", 32)):
            ids = [f"{number:02d}" for number in range(16)]
            images = rng.integers(0, 256, (16, 32, width, 3), np.uint8)
            write_shard(tmp_path / "projected" / split / view, 0, ids, images)
    cold, into = tmp_path / "cold", tmp_path / "curriculum"
    for folder in (cold, into):
        folder.mkdir()
    save_towers(TwoTowers(Model(channels=16, safa_heads=2, query="both"), (32, 64), (32, 32)), cold / "model.pt")
    experiment = Experiment(model=Model(query="both"), curriculum=Curriculum(rounds=0))
    folders = {"projected": tmp_path / "projected", "translated": tmp_path / "bev", "cold": cold}
    given = {"experiment": experiment, "machines": InProcess(lambda **_: None), "log": lambda **_: None}
    said = curriculum(into, **folders, **given)
    assert [path.name for path in cold.iterdir()] == ["model.pt"]
    assert load_towers(into / "model.pt").panorama_share == said["panorama_share"]


@pytest.mark.parametrize(("same_places", "with_fakes"), [(False, True), (False, False), (True, True)])
def test_a_run_that_cannot_learn_stops_within_two_rounds_and_never_trains_on_its_labels(
    tmp_path, monkeypatch, same_places, with_fakes
):
    rng = np.random.default_rng(0)
    places, others = (np.kron(rng.integers(0, 256, (64, 8, 8, 3)), np.ones((1, 4, 4, 1))) for _ in "ab")
    seen = {"bev": places, "queries": np.concatenate([places] * 2, 2), "references": places if same_places else others}
    for view, images in seen.items():
        ids = [f"{number:02d}" for number in range(64)]
        write_shard(tmp_path / "projected/train" / view, 0, ids, images.astype(np.uint8))
    cold, into = tmp_path / "cold", tmp_path / "curriculum"
    cold.mkdir()
    into.mkdir()
    save_towers(TwoTowers(Model(channels=16, safa_heads=2), (32, 64), (32, 32)), cold / "model.pt")
    settings = Curriculum(rounds=3, first_structure_vote=1.0, final_structure_vote=1.0, with_fakes=with_fakes)
    experiment = Experiment(curriculum=settings, contrast=Contrast(batch=32))
    trained_on, train_round = [], ucvgl.stages.curriculum.train_round

    def watched(into, start, sources, *rest, **more) -> None:
        trained_on.append([source.name for source in sources])
        train_round(into, start, sources, *rest, **more)

    monkeypatch.setattr(ucvgl.stages.curriculum, "train_round", watched)

    def run() -> None:
        folders = {"projected": tmp_path / "projected", "translated": tmp_path / "bev", "cold": cold}
        given = {"experiment": experiment, "machines": InProcess(lambda **_: None), "log": lambda **_: None}
        curriculum(into, **folders, **given)

    if same_places:
        run()
        assert (into / "model.pt").exists()
        assert trained_on == [["label"]] * 3
        return
    with pytest.raises(ValueError, match=f"round {1 + with_fakes} found .* no better than chance. The run stops"):
        run()
    assert trained_on == [["fake"]] * with_fakes
    with pytest.raises(ValueError, match=f"round {1 + with_fakes} found"):  # as a job that is started again
        run()
    assert trained_on == [["fake"]] * with_fakes


def test_panoramas_that_nothing_was_trained_on_get_no_share_in_a_query(tmp_path):
    towers = TwoTowers(Model(channels=16, safa_heads=2, query="both"), (32, 64), (32, 32))
    towers.panorama_share = 0.0
    save_towers(towers, tmp_path / "model.pt")
    (told := tmp_path / "curriculum").mkdir()
    experiment = Experiment(model=Model(query="both"), curriculum=Curriculum(query_weights="judged"))
    assert write_result(tmp_path, told, tmp_path, experiment, InProcess(lambda **_: None)) == {}
    assert (told / "model.pt").read_bytes() == (tmp_path / "model.pt").read_bytes()
