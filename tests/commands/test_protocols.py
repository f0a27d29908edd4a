"""`ucvgl evaluate` by every published protocol, on copies of the data sets that are exact in names and lists.

What it does on Ray is in tests/ray/test_evaluate.py; the protocols take no part in that.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from without_ray import without_ray

from tests.images.published import (
    rendered,
    write_cvact,
    write_cvusa,
    write_image,
    write_university1652,
    write_vigor,
)
from tests.index.areas import make_run
from ucvgl import cli
from ucvgl.settings.dotted import save_settings, saved_settings

WRITERS = {"cvusa": write_cvusa, "cvact": write_cvact, "vigor": write_vigor, "university1652": write_university1652}
PRECISION = ("AP (trapezoid)", "AP (plain)")
PUBLISHED = [
    ("cvusa", "", 4, 4, "CVUSA validation, one true tile", ()),
    ("cvact", "", 4, 4, "CVACT validation, one true tile", ()),
    ("cvact", "test", 8, 8, "CVACT test, any tile within 5 m", ("R@1 (own tile)",)),
    ("vigor", "", 4, 28, "VIGOR same-area validation, Chicago, NewYork, SanFrancisco, Seattle", ("hit rate",)),
    ("vigor", "cross_area", 6, 14, "VIGOR cross-area validation, SanFrancisco, Chicago", ("hit rate",)),
    ("university1652", "", 6, 3, "University-1652 drone to satellite validation", PRECISION),
    ("university1652", "satellite_to_drone", 2, 9, "University-1652 satellite to drone validation", PRECISION),
    ("university1652", "street_to_satellite", 4, 3, "University-1652 street to satellite validation", PRECISION),
    ("university1652", "satellite_to_street", 2, 6, "University-1652 satellite to street validation", PRECISION),
    ("university1652", "drone_to_satellite_160k", 6, 5, "University-1652 drone to satellite 160k", PRECISION),
]
"""Data set, protocol, queries and references in the copy, how the protocol begins, what is printed beside recall."""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("protocols")
    make_run(folder / "run")
    for name, write in WRITERS.items():
        write(folder / name)
    for k in range(2):
        distractor = folder / "university1652/test/gallery_satellite_160k" / f"{k}.jpg"
        write_image(distractor, rendered()[k].tile[::-1])
    return folder


@pytest.mark.parametrize(("name", "protocol", "queries", "references", "words", "more"), PUBLISHED)
def test_the_command_scores_by_the_protocol_and_prints_its_pools(
    home, monkeypatch, capsys, name, protocol, queries, references, words, more
):
    without_ray(monkeypatch)
    asked = ["evaluate", str(home / "run"), name, "--root", str(home / name)]
    assert cli.main(asked + (["--protocol", protocol] if protocol else [])) == 0
    first, line, doubt = capsys.readouterr().out.splitlines()
    assert doubt.startswith(f"whether queries were TRAINED ON is not known: {home / 'run'} has no ")
    assert first == f"{home / 'run'} on {name}, validation; encoders: 5_curriculum"
    assert f"{queries} queries x {references} references; protocol: {words}" in line
    assert all(re.search(rf"{re.escape(score)} \d", line) for score in ("R@1", "R@5", "R@10", "R@1%", *more))
    assert not [score for score in ("hit rate", "R@1 (own tile)", *PRECISION) if score not in more and score in line]


def test_what_a_run_chose_of_its_own_data_set_is_not_asked_of_another(home, monkeypatch, capsys):
    """A run on CVACT's test set is evaluated on VIGOR's same area, and not by a rule that VIGOR does not have."""
    without_ray(monkeypatch)
    other = make_run(home / "cvact-run")
    before = saved_settings(other / "config.yaml")
    chosen = replace(before.dataset, name="cvact", protocol="test")
    save_settings(other / "config.yaml", replace(before, dataset=chosen))
    assert cli.main(["evaluate", str(other), "vigor", "--root", str(home / "vigor")]) == 0
    assert "protocol: VIGOR same-area" in capsys.readouterr().out
