from tests.index.areas import make_index
from ucvgl import cli


def test_the_encoders_of_an_index_are_exported_and_their_difference_told(tmp_path, capsys):
    make_index(tmp_path / "area")
    assert cli.main(["export", str(tmp_path / "area"), "--out", str(tmp_path / "out")]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "query encoder, differs from the original by at most" in first and "reference" in second
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == ["preprocessing.json", "query.pt2", "reference.pt2"]
