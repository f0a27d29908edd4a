from dataclasses import replace

import numpy as np
import pytest
import torch

import ucvgl.programs.whitened
from benchmarks.in_process import InProcess
from ucvgl.images.image_store import ImageStore, write_shard
from ucvgl.images.mirror_images import mirror_images
from ucvgl.networks.generator import Generator, save_generator, translate
from ucvgl.networks.towers import TwoTowers, embed, save_towers
from ucvgl.poses.structure import describe
from ucvgl.programs.embedding import EmbedJob, Look, parts_of, read_embeddings
from ucvgl.programs.whitened import find_whitenings, whiten_parts
from ucvgl.pseudo_labels.whitening import whitening
from ucvgl.settings.experiment import Model
from ucvgl.training import workers

WORKER = InProcess(lambda **_: None)


def write_store(folder, shape, sizes, seed):
    random = np.random.default_rng(seed)
    for shard, size in enumerate(sizes):
        images = random.integers(0, 256, (size, *shape), np.uint8)
        write_shard(folder, shard, [f"{shard}-{row}" for row in range(size)], images)
    return ImageStore(folder)


def test_translating_a_store_keeps_its_ids_and_order_and_goes_on_where_it_stopped(tmp_path):
    torch.manual_seed(0)
    generator = Generator(channels=8, blocks=1)
    for weights in generator.parameters():  # it starts as the identity
        torch.nn.init.normal_(weights, std=0.1)
    save_generator(generator, tmp_path / "generator.pt")
    source = write_store(tmp_path / "bev", (16, 16, 3), [5, 4], seed=0)

    WORKER.translate(source.folder, tmp_path / "fake", generator=tmp_path / "generator.pt")
    fakes = ImageStore(tmp_path / "fake")
    assert fakes.ids.tolist() == source.ids.tolist()
    expected = np.concatenate([translate(generator.eval(), source.read(rows)) for rows in (range(5), range(5, 9))])
    assert not np.array_equal(expected, source.read(range(9)))
    np.testing.assert_allclose(fakes.read(range(9)).astype(int), expected, atol=1)  # a grey level, by threads

    kept, lost = fakes.shards
    before = kept.stat().st_mtime_ns
    lost.unlink()
    WORKER.translate(source.folder, tmp_path / "fake", generator=tmp_path / "generator.pt")
    assert kept.stat().st_mtime_ns == before
    assert ImageStore(tmp_path / "fake").ids.tolist() == source.ids.tolist()


def test_one_call_embeds_both_views_with_several_models(tmp_path):
    stores = {
        "query": write_store(tmp_path / "queries", (16, 64, 3), [5, 3], seed=1),
        "reference": write_store(tmp_path / "references", (16, 16, 3), [4, 4, 2], seed=2),
    }
    models = []
    for seed in range(2):
        torch.manual_seed(seed)
        models.append(TwoTowers(Model(channels=16, safa_heads=2), (16, 64), (16, 16)))
        save_towers(models[-1], tmp_path / f"{seed}.pt")
    jobs = {
        (seed, view): EmbedJob((Look(store.folder, view),), tmp_path / f"{seed}.pt", tmp_path / f"{seed}-{view}")
        for seed in range(2)
        for view, store in stores.items()
    }

    WORKER.embed(list(jobs.values()))
    for (seed, view), job in jobs.items():
        found = read_embeddings(stores[view].folder, job.folder)
        assert found.id.tolist() == stores[view].ids.tolist()
        whole = embed(models[seed], stores[view].read(range(len(stores[view]))), view)
        np.testing.assert_allclose(found.vector, whole, atol=0.01)  # bfloat16

    kept, lost = parts_of(jobs[0, "query"].folder)
    before = kept.stat().st_mtime_ns
    lost.unlink()
    WORKER.embed(list(jobs.values()))
    assert lost.exists()
    assert kept.stat().st_mtime_ns == before


def test_a_model_that_cannot_be_read_is_an_error_that_names_it(tmp_path):
    store = write_store(tmp_path / "queries", (16, 64, 3), [2], seed=1)
    with pytest.raises(Exception, match="absent.pt"):
        WORKER.embed([EmbedJob((Look(store.folder, "query"),), tmp_path / "absent.pt", tmp_path / "out")])


def test_two_looks_weigh_their_similarities(tmp_path):
    stores = {
        "query": write_store(tmp_path / "queries", (16, 64, 3), [3, 2], seed=1),
        "reference": write_store(tmp_path / "fakes", (16, 16, 3), [3, 2], seed=2),
    }
    towers = TwoTowers(Model(channels=16, safa_heads=2), (16, 64), (16, 16))
    save_towers(towers, tmp_path / "model.pt")
    weights = {"query": 0.25, "reference": 0.75}
    looks = tuple(Look(store.folder, view, weights[view]) for view, store in stores.items())
    WORKER.embed([EmbedJob(looks, tmp_path / "model.pt", tmp_path / "out")])
    found = read_embeddings(stores["query"].folder, tmp_path / "out").vector

    expected = 0
    for view, store in stores.items():
        alone = embed(towers, store.read(range(5)), view)
        expected = expected + weights[view] * alone @ alone.T
    np.testing.assert_allclose(found @ found.T, expected, atol=0.01)


def test_descriptors_that_cannot_be_matched_are_refused_by_the_ids_of_their_images(tmp_path):
    store = write_store(tmp_path / "queries", (16, 64, 3), [2, 2], seed=1)
    towers = TwoTowers(Model(channels=16, safa_heads=2), (16, 64), (16, 16))
    for weights in towers.parameters():
        torch.nn.init.constant_(weights, float("nan"))
    save_towers(towers, tmp_path / "model.pt")
    with pytest.raises(Exception, match="not finite for ids") as refused:
        WORKER.embed([EmbedJob((Look(store.folder, "query"),), tmp_path / "model.pt", tmp_path / "out")])
    assert any(identity in str(refused.value) for identity in store.ids.tolist())
    assert not list((tmp_path / "out").glob("part-*.npy"))


def test_without_a_model_views_from_above_are_described_by_their_structure(tmp_path):
    store, absent = write_store(tmp_path / "tiles", (16, 16, 3), [3, 2], seed=3), tmp_path / "absent.pt"
    looks = {"as_is": Look(store.folder, "structure"), "mirrored": Look(store.folder, "structure", mirrored=True)}
    WORKER.embed([EmbedJob((look,), absent, tmp_path / name) for name, look in looks.items()])
    images = store.read(range(5))
    for name, shown in (("as_is", images), ("mirrored", mirror_images(images))):
        np.testing.assert_array_equal(read_embeddings(store.folder, tmp_path / name).vector, describe(shown))


def test_structure_that_is_kept_is_described_and_whitened_once_for_all_jobs_that_look_north(tmp_path):
    bevs = write_store(tmp_path / "bev", (16, 16, 3), [9, 8], seed=3)
    seen = Look(bevs.folder, "structure", 0.5), Look(bevs.folder, "structure", 0.5, mirrored=True)
    plain = EmbedJob(seen, tmp_path / "absent.pt", tmp_path / "anew")
    keeping = replace(plain, folder=tmp_path / "keeping", structure=tmp_path / "structure")
    again, turned = (replace(keeping, folder=tmp_path / name) for name in ("again", "turned"))
    turned = replace(turned, heading_deg=20.0)

    def described(job: EmbedJob) -> list[bytes]:
        (parts,) = WORKER.described([[job]], whitening=0.1)
        return [part.read_bytes() for part in parts]

    assert described(plain) == described(keeping) == described(again) != described(turned)
    names = {file.relative_to(keeping.structure).as_posix() for file in keeping.structure.rglob("*.npy")}
    kept = {"part-00000.npy", "part-00001.npy", "whitening.npy"}
    assert names == {f"{folder}/{name}" for folder in ("bev", "bev-mirrored") for name in kept}
    for file in keeping.structure.rglob("part-*.npy"):
        np.save(file, np.load(file)[::-1])  # what is kept is what is read
    assert described(replace(keeping, folder=tmp_path / "later")) != described(plain)
    assert described(replace(turned, folder=tmp_path / "turned_later")) == described(turned)


def test_a_tile_of_one_colour_is_described_by_its_structure_too_and_whitened_with_the_others(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    images[2] = 255
    write_shard(tmp_path / "tiles", 0, [*"abcd"], images)
    job = EmbedJob((Look(tmp_path / "tiles", "structure"),), tmp_path / "absent.pt", tmp_path / "out")
    ((white,),) = WORKER.described([[job]], whitening=0.1)
    np.testing.assert_allclose(np.linalg.norm(np.load(white), axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("turns", [1, 3])
def test_encoders_and_structure_whitened_together_are_as_alike_as_each_whitened_alone(tmp_path, turns):
    stores = {
        "query": write_store(tmp_path / "queries", (16, 64, 3), [9, 8], seed=1),
        "reference": write_store(tmp_path / "fakes", (16, 16, 3), [9, 8], seed=2),
        "structure": write_store(tmp_path / "bev", (16, 16, 3), [9, 8], seed=3),
    }
    save_towers(TwoTowers(Model(channels=16, safa_heads=2), (16, 64), (16, 16)), tmp_path / "model.pt")
    weights = {"query": 0.2, "reference": 0.3, "structure": 0.5}

    def similarity(*names: str) -> np.ndarray:
        looks = tuple(Look(stores[name].folder, name, weights[name] if len(names) > 1 else 1.0) for name in names)
        job = EmbedJob(looks, tmp_path / "model.pt", tmp_path / "-".join(names), turns)
        (parts,) = WORKER.described([[job]], whitening=0.1)
        white = np.concatenate([np.load(part) for part in parts])
        return white @ white.T

    together = similarity(*stores)
    np.testing.assert_allclose(together, sum(weights[name] * similarity(name) for name in stores), atol=1e-5)


def test_every_look_is_whitened_by_numbers_that_one_worker_finds_once(tmp_path, monkeypatch):
    stores = {name: write_store(tmp_path / name, (16, 16, 3), [9, 8], seed=3) for name in ("bev", "tiles")}
    save_towers(TwoTowers(Model(channels=16, safa_heads=2), (16, 64), (16, 16)), tmp_path / "model.pt")
    seen, ground = (Look(stores["bev"].folder, view, 0.5) for view in ("reference", "structure"))
    other = replace(seen, store=stores["tiles"].folder)
    others = (replace(other, weight=0.3), replace(other, weight=0.2), replace(ground, store=other.store))
    looks = ((seen, ground), others)
    found = []

    def counted(sample, **how):
        found.append(len(sample))
        return whitening(sample, **how)

    monkeypatch.setattr(ucvgl.programs.whitened, "whitening", counted)
    for name, count in (("alone", 1), ("together", 3)):
        sides = [[EmbedJob(some, tmp_path / "model.pt", tmp_path / name / str(i))] for i, some in enumerate(looks)]
        WORKER.embed([job for side in sides for job in side])
        monkeypatch.setattr(workers, "size", lambda count=count: count)
        for program, how in ((find_whitenings, {"shrinkage": 0.1}), (whiten_parts, {})):
            for number in range(count):
                monkeypatch.setattr(workers, "rank", lambda number=number: number)
                WORKER.run(program, sides=sides, **how)
        assert len(found) == 4, "one of the five looks shows what another does"
        found.clear()
        monkeypatch.undo()
        monkeypatch.setattr(ucvgl.programs.whitened, "whitening", counted)
    files = [sorted((tmp_path / name).glob("*_white/*.npy")) for name in ("alone", "together")]
    assert [file.name for file in files[0]] == [file.name for file in files[1]] and len(files[0]) == 4 + 2 * 2
    for one, other in zip(*files, strict=True):
        assert one.read_bytes() == other.read_bytes(), one
