import os

import numpy as np
import pyarrow as pa
import pytest

import ucvgl.images.image_store
from ucvgl.images.image_store import ImageStore, shard_path, write_shard
from ucvgl.images.same_files import content_of


def images(count: int, shape=(4, 6, 3), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


@pytest.fixture
def store(tmp_path):
    """Seven images in shards of 3, 1 and 3; the ids are not in order."""
    pixels, ids = images(7), ["g", "a", "f", "b", "e", "c", "d"]
    for shard, rows in enumerate((slice(0, 3), slice(3, 4), slice(4, 7))):
        write_shard(tmp_path, shard, ids[rows], pixels[rows])
    return ImageStore(tmp_path), pixels, ids


def test_images_come_back_whatever_the_shards(store):
    store, pixels, ids = store
    assert len(store) == 7 and store.shape == (4, 6, 3) and store.ids.tolist() == ids
    np.testing.assert_array_equal(store.read(range(7)), pixels)


def test_rows_are_read_in_the_order_asked_for_and_may_repeat(store):
    store, pixels, _ = store
    rows = [6, 0, 3, 3, 2]
    np.testing.assert_array_equal(store.read(rows), pixels[rows])


def test_what_is_read_may_be_changed_without_harm_to_the_store(store):
    store, pixels, _ = store
    store.read([1])[:] = 0
    np.testing.assert_array_equal(store.read([1])[0], pixels[1])


def test_rows_are_found_by_id(store):
    store, _, ids = store
    assert store.rows_of(["d", "g", "b"]).tolist() == [ids.index("d"), ids.index("g"), ids.index("b")]


@pytest.mark.parametrize("absent", ["0", "bb", "z"])
def test_an_id_that_is_not_there_is_named(store, absent):
    with pytest.raises(KeyError, match=f"has no image .*'{absent}'"):
        store[0].rows_of(["a", absent])


def test_a_writer_that_is_killed_leaves_no_shard(tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    write_shard(tmp_path, 0, ["a"], images(1))
    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_shard(tmp_path, 1, ["b"], images(1))
    assert not shard_path(tmp_path, 1).exists()
    assert ImageStore(tmp_path).ids.tolist() == ["a"]


def test_writing_a_shard_again_replaces_it(tmp_path):
    write_shard(tmp_path, 0, ["a", "b"], images(2))
    write_shard(tmp_path, 0, ["c"], images(1, seed=1))
    store = ImageStore(tmp_path)
    assert store.ids.tolist() == ["c"]
    np.testing.assert_array_equal(store.read([0]), images(1, seed=1))


def test_images_that_are_slices_of_others_are_stored_whole(tmp_path):
    wide = images(2, (4, 12, 3))
    write_shard(tmp_path, 0, ["a", "b"], wide[:, :, ::2])
    np.testing.assert_array_equal(ImageStore(tmp_path).read([0, 1]), wide[:, :, ::2])


def test_mistakes_are_refused_in_plain_words(tmp_path):
    with pytest.raises(ValueError, match="holds no image shard"):
        ImageStore(tmp_path)
    with pytest.raises(ValueError, match="1 ids for 2 images"):
        write_shard(tmp_path, 0, ["a"], images(2))
    write_shard(tmp_path, 0, ["a"], images(1))
    write_shard(tmp_path, 1, ["b"], images(1, (2, 2, 3)))
    with pytest.raises(ValueError, match=r"disagree on the image size: \['2x2x3', '4x6x3'\]"):
        ImageStore(tmp_path)


def test_a_shard_larger_than_arrow_counts_to_is_written_in_several_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(ucvgl.images.image_store, "MOST_BYTES", 3 * 72)
    pixels, ids = images(8), list("abcdefgh")
    write_shard(tmp_path, 0, ids, pixels)
    assert pa.ipc.open_file(str(shard_path(tmp_path, 0))).num_record_batches == 3
    store = ImageStore(tmp_path)
    assert store.ids.tolist() == ids
    np.testing.assert_array_equal(store.read([7, 0, 3]), pixels[[7, 0, 3]])


def test_the_same_image_under_another_id_is_found_by_the_digest_of_its_file(tmp_path):
    digests = [content_of(b"one"), content_of(b"two"), content_of(b"three")]
    write_shard(tmp_path / "train", 0, ["a", "b"], images(2), contents=digests[:2])
    write_shard(tmp_path / "held", 0, ["x", "b", "z"], images(3), contents=[digests[1], digests[2], digests[2]])
    write_shard(tmp_path / "held", 1, ["old", "a"], images(2))  # of an older version, without digests
    write_shard(tmp_path / "held", 2, [], images(0))
    held, train = ImageStore(tmp_path / "held"), ImageStore(tmp_path / "train")
    assert held.among(train).tolist() == [True, True, False, False, True]
    assert train.among(held).tolist() == [True, True]


def test_a_shard_without_an_image_is_a_shard(tmp_path):
    write_shard(tmp_path, 0, ["a"], images(1))
    write_shard(tmp_path, 1, [], images(0))
    assert len(ImageStore(tmp_path)) == 1


def test_a_store_of_many_shards_holds_few_files_open(tmp_path):
    for shard in range(200):
        write_shard(tmp_path, shard, [f"{shard}"], np.full((1, 2, 2, 3), shard, np.uint8))
    before = len(os.listdir("/proc/self/fd"))
    store = ImageStore(tmp_path)
    assert store.read(range(200))[:, 0, 0, 0].tolist() == list(range(200))
    assert len(os.listdir("/proc/self/fd")) < before + 20
