from tests.index.areas import make_run
from ucvgl import cli


def told(capsys, *words):
    assert cli.main(["report", *words]) == 2
    return capsys.readouterr().err


def test_what_cannot_be_drawn_is_told_with_the_way_out(tmp_path, capsys):
    run = str(make_run(tmp_path / "run"))
    assert "which run? ucvgl report RUN" in told(capsys)
    assert "lacks 2_project, 3_translate, 5_curriculum, 6_evaluate; the command that began" in told(capsys, run)
    assert f"{tmp_path} is no run: it has no config.yaml" in told(capsys, str(tmp_path), run)
    assert f"{run} was not evaluated yet" in told(capsys, run, run)


def test_a_run_on_labels_alone_needs_no_translation(tmp_path, capsys):
    run = make_run(tmp_path / "run")
    (run / "5_curriculum").rename(run / "5_supervised")
    assert "lacks 2_project, 5_supervised, 6_evaluate; the command that began" in told(capsys, str(run))
