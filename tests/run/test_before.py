"""What encoders were shown and told in the runs that they come from."""

from dataclasses import replace

import numpy as np
import pytest

from ucvgl.images.image_store import write_shard
from ucvgl.run.before import labels_seen, runs_before, seen_before
from ucvgl.run.record import DONE, Record, write_record
from ucvgl.settings.dotted import save_settings
from ucvgl.settings.experiment import Adaptation, Experiment, Supervision


def run(folder, *, shown=(), labels=0, start="", frozen=""):
    folder.mkdir()
    settings = replace(Experiment(), supervision=Supervision(start=start), adaptation=Adaptation(source=frozen))
    save_settings(folder / "config.yaml", settings)
    if frozen:
        (folder / "3_features").mkdir()
    if labels:
        (folder / "2_labels").mkdir()
        write_record(folder / "2_labels" / DONE, Record({}, {}, {"labelled_queries": labels}))
    images = np.zeros((len(shown), 2, 2, 3), np.uint8)
    contents = [f"{one:016x}" for one in shown]
    write_shard(folder / "2_project" / "train" / "queries", 0, [*map(str, shown)], images, contents=contents)
    return folder


@pytest.fixture
def chain(tmp_path):
    """A run with labels, one that was tuned from it with some more, and an adapter on that."""
    first = run(tmp_path / "first", shown=[1, 2], labels=40)
    second = run(tmp_path / "second", shown=[3], labels=2, start=str(first))
    return first, second, run(tmp_path / "third", shown=[4], frozen=str(second / "5_curriculum"))


def test_what_a_run_began_with_is_followed_to_its_beginning(chain):
    first, second, third = chain
    assert runs_before(str(third)) == ((third, second, first), True)
    assert [labels_seen(str(some)) for some in (first, second, third)] == [40, 42, 42]


def test_images_that_an_earlier_run_trained_on_are_told_by_their_content(chain):
    _, second, _ = chain
    seen, known = seen_before(np.array([9, 2, 3, 0], np.uint64), str(second / "5_curriculum" / "model.pt"))
    assert seen.tolist() == [False, True, True, False] and known


def test_encoders_that_lie_in_no_run_are_of_nobody_knows_what(tmp_path):
    (tmp_path / "alone.pt").touch()
    (tmp_path / "config.yaml").write_text("mine: 1")
    source = str(tmp_path / "alone.pt")
    assert labels_seen(source) is None
    assert seen_before(np.array([1], np.uint64), source)[1] is False
    later = run(tmp_path / "later", start=source)
    assert labels_seen(str(later)) is None and runs_before(str(later)) == ((later,), False)


def test_a_run_that_began_with_random_weights_saw_nothing_before():
    assert labels_seen("") == 0 and seen_before(np.array([1], np.uint64), "") == (np.array([False]), True)
