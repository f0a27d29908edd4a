from pathlib import Path

from ucvgl.methods.plan import unsupervised
from ucvgl.run.prospects import Stage
from ucvgl.run.run_dir import RunDir
from ucvgl.settings.experiment import Curriculum, Experiment, Translation
from ucvgl.sweep.share import common_stages, share_stages


def test_stages_are_common_up_to_the_first_setting_that_differs() -> None:
    base = unsupervised(Experiment())
    thresholds = [unsupervised(Experiment(curriculum=Curriculum(min_margin=margin))) for margin in (0.05, 0.1)]
    assert common_stages(base, thresholds) == ["1_catalog", "2_project", "3_translate", "4_cold_start"]
    translations = [unsupervised(Experiment(translation=Translation(steps=7)))]
    assert common_stages(base, translations) == ["1_catalog", "2_project"]
    assert common_stages(base, [base]) == [stage.name for stage in base]
    assert common_stages(base, [unsupervised(Experiment(seed=3))]) == ["1_catalog", "2_project"]


def make(run: Path, first: int, second: int) -> list[str]:
    """A run of two stages; the names of those that it had to make."""
    made = []

    def build(name: str):
        def write(folder: Path) -> None:
            made.append(name)
            (folder / "artefact").write_text(name)

        return write

    with RunDir(run, Experiment()) as opened:
        opened.make("1_first", build("1_first"), settings={"a": first})
        opened.make("2_second", build("2_second"), settings={"b": second}, inputs=["1_first"])
    return made


def plan(first: int, second: int) -> list[Stage]:
    return [Stage("1_first", {"a": first}), Stage("2_second", {"b": second}, ["1_first"])]


def test_shared_stages_are_reused_and_the_others_are_made(tmp_path: Path) -> None:
    assert make(tmp_path / "shared", 1, 1) == ["1_first", "2_second"]
    assert share_stages(tmp_path / "shared", tmp_path / "same", plan(1, 1)) == ["1_first", "2_second"]
    assert make(tmp_path / "same", 1, 1) == []
    assert share_stages(tmp_path / "shared", tmp_path / "later", plan(1, 2)) == ["1_first"]
    assert make(tmp_path / "later", 1, 2) == ["2_second"]
    assert share_stages(tmp_path / "shared", tmp_path / "early", plan(2, 1)) == []
    assert make(tmp_path / "early", 2, 1) == ["1_first", "2_second"]
    one, two = (tmp_path / name / "1_first" / "artefact" for name in ("shared", "later"))
    assert one.samefile(two), "a link, not a copy"


def test_sharing_again_changes_nothing_and_leaves_what_is_there(tmp_path: Path) -> None:
    make(tmp_path / "shared", 1, 1)
    share_stages(tmp_path / "shared", tmp_path / "trial", plan(1, 1))
    (tmp_path / "trial" / ".shared.1_first").mkdir()  # as a kill in the middle would leave
    assert share_stages(tmp_path / "shared", tmp_path / "trial", plan(1, 1)) == []
    assert share_stages(tmp_path / "absent", tmp_path / "other", plan(1, 1)) == []
