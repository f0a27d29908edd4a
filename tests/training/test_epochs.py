from pathlib import Path

import numpy as np
import pytest

from ucvgl.training.batches import Pairs, epoch_order
from ucvgl.training.epochs import Epochs, epochs_of

STORES = Path("queries"), Path("references")


def pairs_of(name, reference) -> Pairs:
    return Pairs(name, ("query", "reference"), STORES, np.arange(len(reference)), np.array(reference))


def shown(steps) -> list[tuple[str, list[int]]]:
    return [(source.name, rows.tolist()) for source, rows in steps]


def test_the_steps_are_those_of_all_epochs_made_at_once():
    sources = [pairs_of("label", range(21)), pairs_of("fake", range(10))]
    expected = []
    for epoch in range(3):
        batches = [(source, rows) for n, source in enumerate(sources) for rows in epoch_order(source, 4, (5, epoch, n))]
        order = np.random.default_rng((5, epoch, 2)).permutation(len(batches))
        expected += [batches[place] for place in order]
    steps = Epochs(sources, 4, 3, 5)
    assert shown(steps[index] for index in range(len(steps))) == shown(expected)
    assert shown([steps[20]]) == shown([expected[20]]), "not in order, as after a resume"


@pytest.mark.parametrize(("asked", "steps", "epochs"), [(1, 0, 1), (1, 16, 2), (1, 17, 3), (5, 17, 5)])
def test_sources_of_few_images_take_more_epochs_to_the_steps_that_are_asked_for(asked, steps, epochs):
    sources = [pairs_of("label", range(21)), pairs_of("fake", range(7))]  # 6 and 2 batches of 4
    assert epochs_of(sources, 4, epochs=asked, steps=steps) == epochs


def test_an_epoch_of_more_or_fewer_batches_has_as_many_steps_as_the_first():
    pairs = pairs_of("label", np.random.default_rng(0).geometric(0.25, 60))
    counts = [len(epoch_order(pairs, 4, (0, epoch, 0))) for epoch in range(40)]
    assert len(set(counts)) > 1
    steps = Epochs([pairs], 4, 40, 0)
    assert len(steps) == 40 * counts[0]
    for epoch, count in enumerate(counts):
        own = shown(steps[epoch * counts[0] + place] for place in range(counts[0]))
        assert len({tuple(rows) for _, rows in own}) == min(count, counts[0])


def test_without_epochs_there_are_no_steps():
    assert len(Epochs([pairs_of("label", range(8))], 4, 0, 0)) == 0
