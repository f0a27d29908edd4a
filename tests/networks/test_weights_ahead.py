"""Weights that cannot be had are told of before anything starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ucvgl.networks import weights_ahead
from ucvgl.networks.towers import TwoTowers, save_towers
from ucvgl.networks.weights_ahead import missing_weights
from ucvgl.settings.experiment import Experiment, Model, Supervision

NAMED = "convnext_tiny.fb_in1k"


def told(**model: object) -> str:
    return "\n".join(missing_weights(replace(Experiment(), model=Model(**model))))  # pyright: ignore


def test_what_needs_no_weights_is_not_asked_for_any() -> None:
    assert told() == "" and told(backbone=NAMED) == ""


def test_a_misspelt_network_is_told_with_those_that_look_alike() -> None:
    assert "'convnext_tinny' is no timm model; some that look alike: convnext_tiny" in told(backbone="convnext_tinny")


def test_a_checkpoint_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert told(checkpoint=str(tmp_path / "a.pt")) == f"model.checkpoint: {tmp_path}/a.pt is no file"


@pytest.mark.parametrize("backbone", ["strided", "convnext_atto"])
@pytest.mark.parametrize(("content", "words"), [
    (b"", "model.checkpoint "),
    (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
    (b"PK\3\4 cut off", "a.pt does not hold weights that can be read"),
])  # fmt: skip
def test_a_checkpoint_that_holds_no_weights_is_told(backbone: str, content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    assert words in told(checkpoint=str(tmp_path / "a.pt"), backbone=backbone)


@pytest.mark.parametrize("setting", ["supervision.start", "adaptation.source"])
def test_encoders_of_another_run_that_are_damaged_or_of_other_sizes_are_told(setting: str, tmp_path: Path) -> None:
    group, name = setting.split(".")
    base = Experiment()
    wanted = replace(base, **{group: replace(getattr(base, group), **{name: str(tmp_path)})})
    towers = TwoTowers(replace(base.model, query=base.query_by), (48, 192), (64, 64))
    save_towers(towers, tmp_path / "model.pt")
    assert missing_weights(wanted) == []
    smaller = replace(wanted, dataset=replace(base.dataset, tile_size=32))
    others = "".join(missing_weights(smaller))  # a frozen model sees images of any size
    assert ("have other image sizes than this run (tile: [64, 64]" in others) == (setting == "supervision.start")
    whole = (tmp_path / "model.pt").read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:5000] + bytes(100) + whole[5100:], b""):
        (tmp_path / "model.pt").write_bytes(damaged)
        (line,) = missing_weights(wanted)
        assert line.startswith(f"{setting}: {tmp_path}/model.pt does not hold"), line


@pytest.mark.parametrize("here,answers", [(False, False), (True, False), (False, True)])
def test_pretrained_weights_must_be_here_or_a_hub_must_answer(
    here: bool, answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_ahead, "_is_here", lambda _: here)
    monkeypatch.setattr(weights_ahead, "_hub_answers", lambda: answers)
    assert ("no hub answers; set model.checkpoint" in told(backbone=NAMED, pretrained=True)) != (here or answers)


def test_a_start_that_is_no_run_is_told(tmp_path: Path) -> None:
    wanted = replace(Experiment(), supervision=Supervision(start=str(tmp_path / "gone")))
    assert f"supervision.start: {tmp_path}/gone is neither a model.pt" in missing_weights(wanted)[0]


@pytest.mark.parametrize(("name", "frozen", "words"), [
    ("coat_lite_tiny", False, "Only token or avg pooling is supported."),
    ("mixer_s32_224", False, "cannot be used for images of 48 x 192 and 64 x 64"),
    ("cait_xxs24_224", True, "unexpected keyword argument 'return_prefix_tokens'"),
    ("strided", True, "adaptation.source: model.backbone 'strided' has learned nothing by itself; name a run here"),
    ("strided", False, ""),
    ("convnext_atto", True, ""),
    ("convnext_atto", False, ""),
    ("vit_tiny_patch16_224", True, ""),
])  # fmt: skip
def test_a_network_that_cannot_see_the_images_is_told_before_anything_starts(name, frozen, words):
    told = missing_weights(replace(Experiment(), model=Model(backbone=name)), frozen=frozen)
    assert bool(told) == bool(words) and len(told) <= 1
    assert words in "".join(told)
