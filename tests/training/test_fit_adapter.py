import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import ucvgl.training.fit_adapter
from ucvgl.atomic import write_array
from ucvgl.networks.adapter import Adapter, load_adapter, save_adapter
from ucvgl.pseudo_labels.e_step import Alike, Labels, plain
from ucvgl.settings.experiment import Adaptation
from ucvgl.training.fit_adapter import adapt_features, adapted, batches, fit_adapter, lost_information
from ucvgl.training.frozen_features import Features
from ucvgl.training.loop import run_steps

PLACES, DIMENSION = 48, 12
SETTINGS = Adaptation(batch=24, steps_per_round=60, learning_rate=0.03)
CPU = torch.device("cpu")


@pytest.fixture
def corpus(tmp_path):
    """Places whose two views differ by a mixing of the dimensions that an adapter can undo."""
    draw = np.random.default_rng(0)
    places = draw.standard_normal((PLACES, DIMENSION))
    common, own = np.split(np.arange(DIMENSION), 2)
    views = []
    for view in ("query", "reference"):
        seen = places.copy()
        seen[:, own] = 2 * draw.standard_normal((PLACES, len(own)))  # half of what is seen tells nothing
        vectors = (seen / np.linalg.norm(seen, axis=1, keepdims=True)).astype(np.float32)
        for number, part in enumerate(np.split(vectors, 2)):
            write_array(tmp_path / view / f"part-{number:05d}.npy", part)
        views.append(sorted((tmp_path / view).glob("*.npy")))
    (tmp_path / "start").mkdir()
    torch.manual_seed(0)
    save_adapter(Adapter(DIMENSION), tmp_path / "start" / "adapter.pt")
    return tmp_path, tuple(views)


TRUE = plain(np.arange(PLACES), np.arange(PLACES))


def fit(corpus, into, *, labels=TRUE, settings=SETTINGS, start="start", log=lambda **_: None, **span):
    folder, views = corpus
    (folder / into).mkdir(exist_ok=True)
    how = {"name": "adapt", "settings": settings, "seed": 5, "device": CPU, "log": log}
    fit_adapter(folder / into, folder / start, views, labels, **how, **span)
    return folder / into


def found(corpus, adapter):
    model, sides = load_adapter(adapter), [Features(parts) for parts in corpus[1]]
    with torch.no_grad():
        query, reference = (
            np.concatenate([adapted(model, torch.from_numpy(some), view).numpy() for some in side.blocks()])
            for side, view in zip(sides, ("query", "reference"), strict=True)
        )
    return ((query @ reference.T).argmax(1) == np.arange(PLACES)).mean()


def weights_of(folder):
    return load_adapter(folder / "adapter.pt").state_dict()


def assert_equal_weights(one, other):
    for name, weights in weights_of(one).items():
        assert torch.equal(weights, weights_of(other)[name]), name


def test_the_m_step_brings_labelled_pairs_together(corpus):
    folder = fit(corpus, "fit")
    assert found(corpus, folder / "adapter.pt") > found(corpus, corpus[0] / "start" / "adapter.pt") + 0.3


def test_a_large_reconstruction_loss_keeps_what_the_frozen_descriptor_tells(corpus):
    rows = {0.0: [], 100.0: []}
    for weight, logged in rows.items():
        settings = replace(SETTINGS, aic_weight=weight)
        fit(corpus, f"aic-{weight:g}", settings=settings, log=lambda kept=logged, **row: kept.append(row))
    without, with_ = (logged[-1]["aic_loss"] for logged in rows.values())
    assert with_ < without / 4


def test_training_broken_off_and_resumed_ends_the_same(corpus, monkeypatch):
    often = functools.partial(run_steps, log_seconds=0.0, checkpoint_seconds=0.0)
    monkeypatch.setattr(ucvgl.training.fit_adapter, "run_steps", often)
    whole = fit(corpus, "whole")

    def break_off(**row):
        if row["step"] == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(corpus, "broken", log=break_off)
    assert not (corpus[0] / "broken" / "adapter.pt").exists()
    steps = []
    resumed = fit(corpus, "broken", log=lambda **row: steps.append(row["step"]))
    assert 1 < steps[0] <= 11, "it began anew"
    assert_equal_weights(whole, resumed)


def test_a_label_of_little_weight_moves_the_adapter_little(corpus):
    """Wrong pairs at a hundredth of the weight of right ones cost less than at the same weight."""
    wrong = np.roll(np.arange(PLACES), 7)

    def recall(weight):
        weights = np.repeat([1.0, weight], PLACES)
        both = Labels(np.tile(np.arange(PLACES), 2), np.append(np.arange(PLACES), wrong), weights)
        return found(corpus, fit(corpus, f"weight-{weight}", labels=both) / "adapter.pt")

    assert recall(0.01) > recall(1.0)


def test_queries_that_are_alike_are_brought_together_and_no_query_meets_its_like_as_a_negative(corpus):
    neighbours = np.stack([np.arange(0, PLACES, 2), np.arange(1, PLACES, 2)], axis=1)

    def apart(weight):
        settings = replace(SETTINGS, group_weight=weight)
        folder = fit(corpus, f"alike-{weight}", labels=replace(TRUE, alike=neighbours), settings=settings)
        model, side = load_adapter(folder / "adapter.pt"), Features(corpus[1][0])
        with torch.no_grad():
            seen = np.concatenate([adapted(model, torch.from_numpy(some), "query").numpy() for some in side.blocks()])
        return 1 - (seen[neighbours[:, 0]] * seen[neighbours[:, 1]]).sum(1).mean()

    assert apart(1.0) < 0.5 * apart(0.0)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30), st.integers(0, 99))
def test_no_picture_meets_itself_or_its_like_as_a_negative(drawn, seed):
    pairs = sorted({(min(pair), max(pair)) for pair in drawn if pair[0] != pair[1]})
    like = {frozenset(pair) for pair in pairs}
    alike = Alike.of(np.array(pairs, int).reshape(-1, 2))
    assert list(zip(alike.query.tolist(), alike.reference.tolist(), strict=True)) == pairs
    for rows in batches(alike, 4, 5, seed) if pairs else []:
        for one in rows:
            for other in rows[rows != one]:
                met = alike.query[one], alike.reference[other]
                assert met[0] != met[1] and frozenset(met) not in like


def test_batches_repeat_the_labels_until_there_are_enough_steps():
    labels = plain(np.arange(10), np.repeat(np.arange(5), 2))
    plan = batches(labels, 4, 9, 0)
    assert len(plan) == 9
    for rows in plan:
        assert len(set(labels.reference[rows])) == len(rows), "a reference is its own negative"
    assert [rows.tolist() for rows in plan] == [rows.tolist() for rows in batches(labels, 4, 9, 0)]


def test_lost_information_is_nothing_for_the_same_vectors_and_two_for_opposite_ones():
    one = torch.eye(3)
    assert lost_information(one, one).tolist() == [0, 0, 0]
    assert lost_information(-one, one).tolist() == [2, 2, 2]


def test_adapted_descriptors_are_written_part_by_part_and_have_unit_length(corpus):
    folder, (queries, _) = corpus
    fitted = fit(corpus, "fit") / "adapter.pt"
    adapt_features(folder / "out", fitted, queries, view="query", turns=1, device=CPU, log=lambda **_: None)
    written = [np.load(folder / "out" / part.name) for part in queries]
    assert [len(part) for part in written] == [PLACES // 2] * 2
    vectors = np.concatenate(written)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    (block,) = Features([queries[1]]).blocks()
    with torch.no_grad():
        again = adapted(load_adapter(fitted), torch.from_numpy(block), "query").numpy()
    np.testing.assert_allclose(written[1], again, atol=1e-6)


def test_the_product_of_descriptors_of_two_turns_is_the_mean_of_their_products():
    torch.manual_seed(0)
    model = Adapter(4, residual=False)
    features = torch.nn.functional.normalize(torch.randn(2, 2, 4), dim=2)
    with torch.no_grad():
        both = adapted(model, features, "query")
        each = [adapted(model, features[:, turn : turn + 1], "query") for turn in range(2)]
    expected = sum(one[0] @ one[1] for one in each) / 2
    assert both[0] @ both[1] == pytest.approx(float(expected), abs=1e-6)
