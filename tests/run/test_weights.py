import pytest

from ucvgl.run.weights import weights_of


def made(folder):
    folder.mkdir(parents=True)
    (folder / "model.pt").touch()
    return folder / "model.pt"


def test_a_source_is_a_file_a_folder_or_a_run(tmp_path):
    cold, last = made(tmp_path / "run" / "4_cold_start"), made(tmp_path / "run" / "5_curriculum")
    assert weights_of(str(cold)) == cold
    assert weights_of(str(cold.parent)) == cold
    assert weights_of(str(tmp_path / "run")) == last


def test_a_source_without_a_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match=f"^adaptation.source: {tmp_path} is neither a model.pt nor a run that has"):
        weights_of(str(tmp_path), setting="adaptation.source")


def test_weights_of_a_stage_that_is_not_done_are_refused_and_no_earlier_ones_taken_for_them(tmp_path):
    made(tmp_path / "4_cold_start"), made(tmp_path / "5_curriculum.partial")
    with pytest.raises(ValueError, match=f"^{tmp_path} has no trained encoders yet; the command that began this run"):
        weights_of(tmp_path)
