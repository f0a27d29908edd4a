import pytest

from ucvgl import cli
from ucvgl.settings.dotted import from_yaml, save_settings
from ucvgl.settings.presets import PRESETS, tiny


def shown(capsys, *words):
    assert cli.main(["show", *words]) == 0
    return capsys.readouterr().out


def test_presets_come_with_what_they_say_of_themselves(capsys):
    text = shown(capsys, "presets")
    assert [line for line in text.splitlines() if line and not line.startswith(" ")] == list(PRESETS)
    assert "The demo on the embedded world" in text


def test_the_settings_that_are_shown_are_the_settings(capsys, tmp_path):
    assert from_yaml(shown(capsys, "config", "tiny")) == tiny()
    assert from_yaml(shown(capsys, "config")) == PRESETS["synthetic"]()
    (tmp_path / "config.yaml").write_text("seed: 7\n")
    assert from_yaml(shown(capsys, "config", str(tmp_path))).seed == 7
    save_settings(tmp_path / "config.yaml", tiny())
    changed = (tmp_path / "config.yaml").read_text().replace("seed: 0", "seed: 8")
    (tmp_path / "config.yaml").write_text(changed)
    assert cli.main(["show", "config", str(tmp_path)]) == 2
    assert "is not what the run wrote" in capsys.readouterr().err


def test_datasets_and_models_are_listed(capsys):
    assert shown(capsys, "datasets").splitlines()[0] == "synthetic"
    assert "convnext_small" in shown(capsys, "models", "convnext_sm*")
    assert shown(capsys, "models").startswith("strided")


@pytest.mark.parametrize(("words", "told"), [
    (["config", "tinny"], "'tinny' is neither a preset (synthetic, "),
    (["models", "nonsense*"], "no backbone is called 'nonsense*'"),
])  # fmt: skip
def test_what_is_not_there_is_told(words, told, capsys):
    assert cli.main(["show", *words]) == 2
    assert told in capsys.readouterr().err
