"""Recipes by name: what is laid over the preset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NO_STRUCTURE = {"curriculum.first_structure_vote": 0, "curriculum.final_structure_vote": 0}
UNVERIFIED = {"curriculum.verified": 0, "evaluation.verified": 0}
PAPER = {
    **NO_STRUCTURE,
    **UNVERIFIED,
    "model.query": "panorama",
    "translation.fake": True,
    "cold_start.intra_epochs": 3,
    "cold_start.cross_epochs": 2,
    "curriculum.labels": "margin",
    "curriculum.whitening": 0,
    "curriculum.with_fakes": False,
    "curriculum.first_fake_vote": 0,
    "curriculum.final_fake_vote": 0,
    "curriculum.rounds": 15,
}
"""UCVGL's recipe for as long as the default: a round of panorama and tile takes two thirds of one with fakes."""
ROWS: dict[str, Mapping[str, Any]] = {
    "default": {},
    "paper": PAPER,
    "paper_bare": PAPER | {"translation.fake": False},
    "translated": {"translation.fake": True},
    "translated_long": {"translation.fake": True, "translation.steps": 2000},
    "map": {"model.aggregation": "map"},
    "panorama": {"model.query": "panorama"},
    "both": {"model.structure": 0},
    "bev_alone": {"curriculum.panoramas_after": 1.0},
    "at_once": {"curriculum.panoramas_after": 0, "cold_start.intra_steps": 150},
    "equal_weights": {"curriculum.query_weights": "equal"},
    "rounds_24": {"curriculum.rounds": 24},
    "five_by_two": {"curriculum.rounds": 5, "curriculum.epochs_per_round": 2},
    "rounds_36": {"curriculum.rounds": 36},
    "no_structure": NO_STRUCTURE,
    "unverified": UNVERIFIED,
    "no_whitening": {"curriculum.whitening": 0},
    "whitening_01": {"curriculum.whitening": 0.01},
    "whitening_10": {"curriculum.whitening": 0.1},
    "margin": {"curriculum.labels": "margin"},
    "probability_05": {"curriculum.min_probability": 0.05},
    "probability_50": {"curriculum.min_probability": 0.5},
    "structure_first": {"curriculum.first_structure_vote": 1, "curriculum.final_structure_vote": 0},
    "structure_fades": {"curriculum.final_structure_vote": 0.2},
    "vote_half": {"curriculum.first_fake_vote": 0.5},
    "vote_one": {"curriculum.final_fake_vote": 1.0},
    "no_fakes": {"curriculum.with_fakes": False, "curriculum.rounds": 24},
    "long_cold": {"cold_start.intra_epochs": 3, "cold_start.cross_epochs": 2},
    "intra_2": {"cold_start.intra_epochs": 2},
    "intra_4": {"cold_start.intra_epochs": 4},
    "no_cold": {"cold_start.intra_epochs": 0},
    "turns_2": {"curriculum.scan_turns": 2},
    "turns_4": {"curriculum.scan_turns": 4},
    "smooth_0": {"curriculum.label_smoothing": 0.0},
    "smooth_2": {"curriculum.label_smoothing": 0.2},
    "rate_half": {"contrast.learning_rate": 1e-3},
    "rate_double": {"contrast.learning_rate": 4e-3},
    "batch_32": {"contrast.batch": 32},
    "batch_128": {"contrast.batch": 128},
    "shift_12": {"contrast.shift": 0.12},
    "tone_1": {"contrast.tone": 1.0},
    "channels_128": {"model.channels": 128},
    "heads_16": {"model.safa_heads": 16},
    "as_taken": {"dataset.tilt": "none"},
    "supervised": {"supervision.label_fraction": 1.0},
    "fine_tuned": {"supervision.label_fraction": 0.1},
    **{f"labels_{share}": {"supervision.label_fraction": share / 100} for share in (1, 5, 10, 20)},
    "cross": {"cold_start.cross_epochs": 2},
    "no_mutual": {"curriculum.mutual": False},
    "no_threshold": {"curriculum.min_probability": 0},
    "no_curriculum": {"curriculum.relabel": False},
    "no_safa": {"model.aggregation": "mean"},
    "shared": {"model.shared": True},
    "no_smoothing": {
        "cold_start.intra_label_smoothing": 0,
        "cold_start.cross_label_smoothing": 0,
        "curriculum.label_smoothing": 0,
    },
    "random_shift": {"contrast.shift": 0.2},
    "random_rotation": {"contrast.rotate_deg": 180},
}
"""What is laid over the preset. `supervised`: true pairs, after the same cold start, in about as much time;
`fine_tuned` with a tenth of them goes on from the default; `labels_5` is told 5 % of them beside what it finds.

Further rows of `recipes.jsonl` are `without_above`, the default until rounds with panoramas kept the pairs of fake and
tile, over which some rows were laid (`base`), and `supervised_without_above`, true pairs until then; and of photos
`supervised_as_taken`, before these were levelled, `safa` and `supervised_safa`, before they were compared as maps.
"""
