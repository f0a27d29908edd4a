"""The tables of the documents are what `benchmarks/figures.py` writes from results, and say where they come from."""

import json
import re
from pathlib import Path
from typing import Any

import choice_tables
import figures
import paper_rows
import pytest
import recipes_table
from origin import origin

NUMBERS = re.compile(r"\d\.\d|\d ?%|\d{2}|\.\d")


def is_figure(cell: str) -> bool:
    """Whether a cell of a table is mostly a number that somebody measured."""
    return bool(NUMBERS.search(cell)) and 2 * len(re.sub(r"[^\d.,%±()/*+ -]", "", cell)) >= len(cell)


def name_of(file: Path) -> str:
    return file.relative_to(figures.ROOT).as_posix()


@pytest.mark.parametrize("file", figures.documents(), ids=name_of)
def test_every_block_of_a_document_is_what_the_results_say(file: Path):
    text = file.read_text(encoding="utf-8")
    assert figures.written(text) == text, f"{name_of(file)} is stale; run: python benchmarks/figures.py"


def typed_tables(text: str) -> list[str]:
    """The headings of tables of figures that stand in no block, and of which no `<!-- typed: … -->` says why."""
    text = figures.BLOCK.sub("", text)
    found = []
    for part in re.finditer(r"(?P<before>[^\n]*)\n+(?P<rows>(?:^ *\|.*\n)+)", text, re.MULTILINE):
        rows = [[cell.strip() for cell in row.strip(" |").split("|")] for row in part["rows"].splitlines()]
        numbers = sum(any(map(is_figure, row[1:])) for row in rows[2:])
        if 2 * numbers > len(rows) - 2 and not part["before"].strip().startswith("<!-- typed: "):
            found.append(" | ".join(rows[0]))
    return found


@pytest.mark.parametrize("file", figures.documents(), ids=name_of)
def test_a_table_of_figures_is_written_from_results_or_says_why_it_is_typed(file: Path):
    assert typed_tables(file.read_text(encoding="utf-8")) == []


def test_a_typed_table_is_found_and_one_of_words_is_none():
    typed = "Text:\n\n| world | R@1 |\n| --- | --- |\n| b | **81.2** |\n"
    assert typed_tables(typed) == ["world | R@1"]
    assert typed_tables("<!-- typed: nobody has the images -->\n" + typed.removeprefix("Text:\n\n")) == []
    assert typed_tables("| flag | what it does |\n| --- | --- |\n| --run | the folder |\n") == []
    assert typed_tables("<!-- figures: worlds -->\n" + typed + "<!-- end -->\n") == []


def test_a_figure_that_was_changed_by_hand_is_written_again():
    text = figures.written("<!-- figures: worlds -->\n<!-- end -->\n")
    figure = re.findall(r"\*\*\d+\.\d\*\*", text)[0]
    changed = text.replace(figure, "**0.1**")
    assert changed != text
    assert figures.written(changed) == text


def test_a_block_that_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="no block is called 'wrolds'; there are demo, worlds, "):
        figures.written("<!-- figures: wrolds -->\n<!-- end -->\n")


def line(row: str, world: str, seed: int, r1: float, *, judged: float = 0.5, **more: Any) -> dict[str, Any]:
    rounds = [
        {"name": name, "r1": value, "judged": judged, "precision": right, "judged_precision": right}
        for name, value, right in (("cold", 0.1, None), ("round_00", r1, 0.9))
    ]
    told = {"labels": [10], "cpu_seconds": 600, "raw_pixels": {"structure": 0.4, "colour": 0.02}}
    return {"row": row, "world": world, "seed": seed, "r1": r1, "rounds": rounds} | told | more


def results(folder: Path, *lines: dict[str, Any]) -> str:
    file = folder / "recipes.jsonl"
    file.write_text("".join(json.dumps(some) + "\n" for some in lines))
    return str(file)


def test_seeds_have_their_mean_and_standard_error_beside_what_true_pairs_reach(tmp_path: Path):
    file = results(
        tmp_path,
        *(line("default", "winter", seed, r1) for seed, r1 in enumerate((0.7, 0.8, 0.9))),
        line("supervised", "winter", 0, 0.8),
        line("default", "open:winter", 0, 0.6),
    )
    told = recipes_table.worlds(file)
    assert "| 3 | 40.0 ± 0.0 | 10.0 ± 0.0 | **80.0** ± 5.8 | 50.0 ± 0.0 | 80.0 | 1.00 | 10 |" in told
    assert "three training panoramas of ten have no tile | 1 | 40.0 | 10.0 | **60.0** | 50.0 |  |  | 10 |" in told
    assert "Mean ± standard error of the seeds." in told


def test_a_world_where_the_default_was_not_run_yet_shows_the_one_before_and_says_so(tmp_path: Path):
    lines = [line("default", "b", 0, 0.8), line("without_above", "b", 0, 0.7), line("without_above", "offset", 0, 0.5)]
    told = recipes_table.worlds(results(tmp_path, *lines))
    assert "| **80.0** |" in told and "70.0" not in told
    assert "per axis † | 1 | 40.0 | 10.0 | **50.0** |" in told and " †: as the default was before, row" in told
    assert "†" not in recipes_table.worlds(results(tmp_path, lines[0]))


def test_the_last_line_of_a_row_world_and_seed_counts_and_errors_do_not(tmp_path: Path):
    wrong = {"row": "default", "world": "b", "seed": 0, "error": "broken off"}
    file = results(tmp_path, line("default", "b", 0, 0.3), line("default", "b", 0, 0.5), wrong)
    assert [some["r1"] for some in recipes_table.read(file)] == [0.5]


def test_seeds_that_ended_after_other_rounds_are_shown_side_by_side(tmp_path: Path):
    short = line("default", "b", 1, 0.3)
    short["rounds"] = short["rounds"][:1]
    told = recipes_table.rounds(results(tmp_path, line("default", "b", 0, 0.5), short))
    assert "| b, 2 seeds | R@1 | 10.0 ± 0.0 | 50.0 |" in told
    assert "R@1 is judged within 5 points in 1 of 3 models and off by 40.0 at most" in told


def test_a_default_gains_over_the_row_that_takes_it_back_on_the_worlds_and_seeds_that_both_have(tmp_path: Path):
    gained = [line("default", "b", 0, 0.8), line("default", "b", 1, 0.7), line("default", "winter", 0, 0.9)]
    without = [line("unverified", "b", 0, 0.7), line("unverified", "b", 1, 0.7), line("unverified", "winter", 0, 0.95)]
    told = choice_tables.defaults(results(tmp_path, *gained, *without, line("unverified", "offset", 0, 0.1)))
    assert "| `unverified` | +0.0 | -5.0 (`winter`) | `b`, `winter` |" in told


def test_what_the_judge_chooses_is_told_as_a_share_of_the_best_there_is(tmp_path: Path):
    ways = {"panorama": [0.4, 0.9], "bev": [0.8, 0.5], "both": [0.5, None]}
    lines = [line("default", "b", 0, 0.8, judged=0.6, ways=ways), line("paper", "b", 0, 0.9, judged=0.5, ways={})]
    told = choice_tables.choices(results(tmp_path, *lines, line("supervised", "b", 0, 0.99, judged=0.99, ways={})))
    assert "headings known | 1 | 0.500 | 0.500 (`b 0`) | 0 |" in told
    assert "the other rows among them | 1 | 0.889 | 0.889 (`b 0`) | 0 |" in told


def test_rows_of_the_paper_are_compared_on_the_worlds_that_both_have(tmp_path: Path):
    def line(row: str, world: str, r1: float) -> dict[str, Any]:
        rounds = [{"name": "cold", "r1": 0.5, "precision": None}, {"name": "round_00", "r1": r1, "precision": 0.9}]
        ways = {"both": [r1 - 0.1, 0.5]}
        return {"row": row, "world": world, "r1": r1, "rounds": rounds, "labels": [1000, 1200], "ways": ways}

    some = [("default", "demo@0", 0.7), ("default", "demo@1", 0.9), ("no_mutual", "demo@0", 0.65)]
    square = [("default", "demo_square@0", 0.6), ("shared", "demo_square@0", 0.62)]
    lines = [line(*one) for one in some + square]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    told = paper_rows.paper_rows(str(tmp_path / "rows.jsonl"))
    assert "| **the default** | **80.0** ± 10.0 |  | 70.0 ± 10.0 |  | 50.0 ± 0.0 | 1000 | 90.0 ± 0.0 |  |" in told
    assert "| 3, matching | not mutual | 65.0 | -5.0 | 55.0 | -5.0 | 50.0 | 1000 | 90.0 | CVUSA -73.5, CVACT" in told
    assert "shared weights | 62.0 | +2.0 |" in told


def test_a_table_says_what_its_lines_know_of_their_origin_and_what_they_do_not():
    lines = [{"commit": 40 * "a" + "+", "date": "2026-11-27"}, {"commit": 40 * "b", "date": "2026-11-26"}]
    assert origin("x.jsonl", lines) == (
        "`benchmarks/results/x.jsonl`: 2026-11-26, 2026-11-27; aaaaaaa+, bbbbbbb; "
        "the file does not say on which machine."
    )
    assert origin("x.jsonl", [{"date": "2026-11-27"}, {"date": "2026-11-27", "machine": "a"}]) == (
        "`benchmarks/results/x.jsonl`: a; 2026-11-27; the file does not say at which commit; "
        "some lines do not say on which machine."
    )
    assert origin("x.json", [{}]) == (
        "`benchmarks/results/x.json`: the file does not say on which machine, when or at which commit."
    )
