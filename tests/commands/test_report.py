from tests.index.areas import make_run
from ucvgl import cli


def told(capsys, *words):
    assert cli.main(["report", *words]) == 2
    return capsys.readouterr().err


def test_what_cannot_be_drawn_is_told_with_the_way_out(tmp_path, capsys):
    run = str(make_run(tmp_path / "run"))
    assert "which run? ucvgl report RUN" in told(capsys)
    assert "lacks 2_project, 3_translate, 6_evaluate; the command that began" in told(capsys, run)
    assert f"{tmp_path} is no run: it has no config.yaml" in told(capsys, str(tmp_path), run)
    assert f"{run} was not evaluated yet" in told(capsys, run, run)
    assert f"--out a.html: it is for a comparison of several runs; the page of one lies in {run}" in told(
        capsys, run, "--out", "a.html"
    )


def test_a_run_on_labels_alone_needs_no_translation(tmp_path, capsys):
    run = make_run(tmp_path / "run")
    (run / "5_curriculum").rename(run / "5_supervised")
    assert "lacks 2_project, 6_evaluate; the command that began" in told(capsys, str(run))


def test_a_comparison_overwrites_no_file_of_somebody_else(tmp_path, capsys):
    runs = [str(make_run(tmp_path / name)) for name in ("one", "two")]
    (tmp_path / "thesis.html").write_text("years of work")
    assert "thesis.html is there already and was not made by ucvgl" in told(
        capsys, *runs, "--out", str(tmp_path / "thesis.html")
    )
    assert (tmp_path / "thesis.html").read_text() == "years of work"


def test_a_run_that_was_stopped_is_told_from_a_finished_one(tmp_path, capsys):
    run = make_run(tmp_path / "run")
    (run / "5_curriculum").rename(run / "4_cold_start")
    words = "is not finished: its last encoders are those of 4_cold_start, which are not its result"
    assert words in told(capsys, str(run))
    assert cli.main(["export", str(run), "--out", str(tmp_path / "out")]) == 2
    assert words in capsys.readouterr().err and not (tmp_path / "out").exists()
