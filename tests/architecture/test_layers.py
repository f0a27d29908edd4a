"""Imports flow one way, Ray stays in its place, and training cannot see the truth."""

from __future__ import annotations

import ast

import pytest
from source_tree import ROOT, imported_modules, imported_names, module_files, python_files, reachable, texts

CORE = (
    *("images", "world", "truth", "projection", "poses", "networks", "training", "pseudo_labels", "retrieval"),
    *("programs", "index"),
)
MAY_IMPORT_RAY = ("ucvgl/distributed/", "jobs/", "tests/ray/", "benchmarks/")
DOOR = "ucvgl.truth.door"
"""Behind it is a reader for each data set."""


def within(packages: tuple[str, ...]) -> list[str]:
    return [
        module for module in module_files() if module.split(".")[1:2] and module.split(".")[1] in packages
    ]


def chains_to(goals: set[str], starts: list[str]) -> list[str]:
    found = []
    for start in starts:
        chains = reachable(start)
        found += [" -> ".join(chains[goal]) for goal in sorted(goals & set(chains))]
    return found


def test_ray_is_imported_only_where_it_may_be() -> None:
    guilty = [
        file.relative_to(ROOT).as_posix()
        for file in python_files("ucvgl", "jobs", "tests", "benchmarks")
        if any(name.split(".")[0] == "ray" for name in imported_names(file))
    ]
    assert guilty, "the search finds nothing at all, so it does not work"
    assert [file for file in guilty if not file.startswith(MAY_IMPORT_RAY)] == []


def test_a_benchmark_that_is_run_finds_its_neighbours_beside_it() -> None:
    """`python benchmarks/x.py` has benchmarks/ on its path, and not the repository."""
    run = [file for file in python_files("benchmarks") if "__main__" in texts(file)]
    assert len(run) > 10
    guilty = [file.name for file in run if any(name.split(".")[0] == "benchmarks" for name in imported_names(file))]
    assert guilty == []


ABOVE = ("stages", "methods", "commands", "cli")


def test_the_core_knows_nothing_of_what_is_built_on_it() -> None:
    above = set(within(("distributed", "pages", *ABOVE)))
    assert chains_to(above, within((*CORE, "types", "settings", "run"))) == []


def test_distributed_code_knows_no_stage_and_stages_no_method() -> None:
    assert chains_to(set(within(("pages", *ABOVE))), within(("distributed",))) == []
    assert chains_to(set(within(("methods", "commands", "cli", "pages"))), within(("stages",))) == []


def test_an_index_is_known_to_what_makes_and_uses_one_only() -> None:
    """And to `ucvgl.load`; so no training reaches it."""
    makers = {"ucvgl", *(f"ucvgl.distributed.{name}" for name in ("bulk", "reading", "indexing"))}
    index, users = set(within(("index",))), within(("index", "pages", "commands", "serve"))
    others = set(module_files()) - makers - set(users)
    assert [module for module in others if index & imported_modules(module)] == []


def readers_of_truth() -> set[str]:
    return set(within(("truth",)))


TELLS = "ucvgl.stages.labels"
"""The stage that tells a training some of the truth, where a job says so."""


def trains() -> list[str]:
    """All but evaluation and what tells the labels, and what calls them."""
    rooms = ("images", "world", "projection", "poses", "networks", "training", "pseudo_labels", "retrieval", "programs")
    judges = {"ucvgl.stages.evaluate", "ucvgl.stages.evaluate_adapter", "ucvgl.retrieval.recall"}
    known = within((*rooms, "distributed", "stages", "run", "settings"))
    return [module for module in known if module not in judges | {TELLS}]


def test_nothing_that_trains_can_import_the_truth() -> None:
    assert {DOOR, "ucvgl.truth.cvact_positions", "ucvgl.truth.vigor_positives"} < readers_of_truth()
    assert len(trains()) > 20
    assert chains_to(readers_of_truth(), trains()) == []


def test_labels_are_told_by_the_labelled_jobs_only() -> None:
    """Whoever else trains reaches the truth through evaluation alone, and the stage that tells it not at all."""
    importers = {module for module in module_files() if TELLS in imported_names(module_files()[module])}
    assert importers == {"ucvgl.methods.labelled"}
    jobs = {file.stem: file for file in python_files("jobs")}
    assert {name for name, file in jobs.items() if "ucvgl.methods.labelled" in imported_names(file)} == {
        "semi_supervised",
        "supervised",
    }
    others = [module for module in module_files() if module not in {"ucvgl.methods.labelled", TELLS}]
    assert chains_to({TELLS, "ucvgl.methods.labelled"}, others) == []
    doors = {chain[-2] for chain in [reachable("ucvgl.methods.ucvgl")[DOOR]]}
    assert doors <= {"ucvgl.stages.evaluate", "ucvgl.truth.score"}


def test_a_reader_of_the_truth_is_reached_through_its_door_only() -> None:
    """`score` computes with what was read; all else asks the door."""
    inside = readers_of_truth() - {"ucvgl.truth", DOOR, "ucvgl.truth.score"}
    for module, file in module_files().items():
        if module not in readers_of_truth():
            assert not inside & {name for name in imported_names(file)}, module


def test_labels_that_tell_pairs_are_read_by_the_readers_of_the_truth_only() -> None:
    """The fields of the published files that say where a query lies, or which tile is its own."""
    for module in set(module_files()) - readers_of_truth():
        assert "utm" not in texts(module_files()[module]), module


def test_nothing_that_trains_imports_by_a_computed_name() -> None:
    """But for the worker group: the programs it is told to run are named in the sources, where they count."""
    dynamic = {"importlib", "importlib.util", "runpy", "pkgutil"}
    for module in set(trains()) - {"ucvgl.distributed.worker_group"}:
        file = module_files()[module]
        assert not imported_names(file) & dynamic, file
        calls = [node.func for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        assert not [call for call in calls if isinstance(call, ast.Name) and call.id == "__import__"], file


def test_nothing_that_trains_names_the_file_of_the_truth() -> None:
    writers = "ucvgl.world"
    guilty = {
        module: text
        for module in trains()
        if not module.startswith(writers)
        for text in texts(module_files()[module])
        if "truth" in text.lower()
    }
    assert guilty == {}


@pytest.mark.parametrize("module", within((*CORE, "types", "settings", "run")))
def test_a_module_of_the_core_leads_to_no_ray(module: str) -> None:
    roots = {name.split(".")[0] for at in reachable(module) for name in imported_names(module_files()[at])}
    assert "ray" not in roots
