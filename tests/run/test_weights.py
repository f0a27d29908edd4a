import pytest

from ucvgl.run.record import DONE, Record, write_record
from ucvgl.run.weights import described, weights_of


def made(folder):
    folder.mkdir(parents=True)
    (folder / "model.pt").touch()
    write_record(folder / DONE, Record({}, {}))
    return folder / "model.pt"


def test_a_source_is_a_file_a_folder_or_a_run(tmp_path):
    cold, last = made(tmp_path / "run" / "4_cold_start"), made(tmp_path / "run" / "5_curriculum")
    assert weights_of(str(cold)) == cold
    assert weights_of(str(cold.parent)) == cold
    assert weights_of(str(tmp_path / "run")) == last


@pytest.mark.parametrize("stage", ["5_curriculum", "5_supervised", "4_adapt"])
def test_the_result_of_a_run_is_that_of_the_stage_that_trains_it(tmp_path, stage):
    model = made(tmp_path / stage)
    made(tmp_path / "1_catalog"), made(tmp_path / "6_evaluate"), made(tmp_path / "9_mine")
    assert weights_of(tmp_path) == model


def test_a_source_without_a_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match=f"^adaptation.source: {tmp_path} is neither a model.pt nor a run that has"):
        weights_of(str(tmp_path), setting="adaptation.source")


def test_weights_of_a_stage_that_is_not_done_are_refused_and_no_earlier_ones_taken_for_them(tmp_path):
    made(tmp_path / "4_cold_start"), made(tmp_path / "5_curriculum.partial")
    with pytest.raises(ValueError, match=f"^{tmp_path} is not finished: its last encoders are those of 4_cold_start"):
        weights_of(tmp_path)
    with pytest.raises(ValueError, match="^supervision.start: .* is not finished: .* or name .*model.pt its"):
        weights_of(tmp_path, setting="supervision.start")
    assert weights_of(tmp_path, unfinished=True) == tmp_path / "4_cold_start" / "model.pt"


def test_a_run_that_has_only_begun_has_no_encoders(tmp_path):
    (tmp_path / "config.yaml").touch()
    (tmp_path / "4_cold_start.partial" / "intra").mkdir(parents=True)
    (tmp_path / "4_cold_start.partial" / "intra" / "model.pt").touch()
    for unfinished in (False, True):
        with pytest.raises(ValueError, match="has no trained encoders yet; the command that began this run goes on"):
            weights_of(tmp_path, unfinished=unfinished)


@pytest.mark.parametrize(
    ("stage", "summary", "words"),
    [
        ("5_curriculum", {"rounds": 12, "kept": "round_03"}, "round 4 of 5_curriculum"),
        ("5_curriculum", {"rounds": 0, "kept": "4_cold_start"}, "4_cold_start, the result of 5_curriculum"),
        ("5_supervised", {"rounds": 2}, "round 2 of 5_supervised"),
        ("4_adapt", {"rounds": 6, "result": "adapted"}, "round 6 of 4_adapt"),
        ("4_adapt", {"rounds": 6, "result": "voted"}, "voted, the result of 4_adapt"),
    ],
)
def test_encoders_are_said_to_be_of_the_round_that_they_are_of(tmp_path, stage, summary, words):
    model = made(tmp_path / stage)
    write_record(tmp_path / stage / DONE, Record({}, {}, summary))
    assert described(model) == words
