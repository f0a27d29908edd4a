import pytest

from ucvgl.run.weights import weights_of


def made(folder):
    folder.mkdir(parents=True)
    (folder / "model.pt").touch()
    return folder / "model.pt"


def test_a_source_is_a_file_a_folder_or_a_run(tmp_path):
    cold, last = made(tmp_path / "run" / "4_cold_start"), made(tmp_path / "run" / "5_curriculum")
    made(tmp_path / "run" / "6_more.partial")
    assert weights_of(str(cold)) == cold
    assert weights_of(str(cold.parent)) == cold
    assert weights_of(str(tmp_path / "run")) == last


def test_a_source_without_a_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match=f"^adaptation.source: {tmp_path} is neither a model.pt nor a run that has"):
        weights_of(str(tmp_path))
