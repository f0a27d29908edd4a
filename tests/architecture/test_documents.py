"""What the documents point at exists, and what they tell to type can be typed."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from source_tree import ROOT

from ucvgl import cli
from ucvgl.commands.invocation import resolve
from ucvgl.methods import plan
from ucvgl.settings import presets
from ucvgl.settings.dotted import to_yaml
from ucvgl.settings.experiment import Experiment
from ucvgl.settings.presets import synthetic

TRAINING = {
    "jobs/unsupervised.py": (plan.unsupervised, replace),
    "jobs/semi_supervised.py": (plan.semi_supervised, presets.semi_supervised),
    "jobs/supervised.py": (plan.supervised, presets.supervised),
    "jobs/adapt.py": (plan.adapt, replace),
}
"""What each training job makes of a preset, and its stages."""


def code_blocks(text: str) -> list[str]:
    """Commands in the ```bash blocks of a text, continued lines joined."""
    blocks = re.findall(r"^```(?:bash|sh|console)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip().removeprefix("$ ") for line in lines if line.strip()]


def mapped_names(text: str) -> list[str]:
    """Every `ucvgl.…` in backticks in the rows of a table."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [name for row in rows for name in re.findall(r"`(ucvgl(?:\.\w+)+)(?:\(\))?`", row)]


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or something inside one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            at = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError as error:
            if not name.startswith(str(error.name)):
                raise
            continue
        for part in parts[length:]:
            fields = getattr(at, "__dataclass_fields__", {})
            if not hasattr(at, part) and part not in fields:
                return False
            at = getattr(at, part, None)
        return True
    return False


def unknown_flags(command: str, flags: list[str]) -> list[str]:
    """Those that a command of `ucvgl` does not take; its flags are the parameters of the function it is."""
    module = cli.COMMANDS[command][0]
    if importlib.util.find_spec(module) is None:
        return []
    function = getattr(importlib.import_module(module), command, None)
    known = inspect.signature(function).parameters if function else {}
    return [flag for flag in flags if function and flag[2:].partition("=")[0].replace("-", "_") not in known]


def test_a_flag_that_a_command_does_not_take_is_found() -> None:
    assert unknown_flags("index", ["--out", "--images-per-shard", "--outt"]) == ["--outt"]


def document(name: str) -> str:
    file = ROOT / name
    assert file.exists(), f"{name} is missing"
    return file.read_text(encoding="utf-8")


def test_every_row_of_the_paper_map_resolves() -> None:
    text = document("docs/paper_map.md")
    names = mapped_names(text)
    rows = [
        line for line in text.splitlines() if line.startswith("|") and not re.fullmatch(r"[|\s:-]+", line)
    ]
    unmapped = [row for row in rows if not mapped_names(row) and "ucvgl" in row]
    assert len(names) >= 10, "the paper map has hardly a row"
    assert unmapped == []
    assert [name for name in names if not resolves(name)] == []


def test_a_name_that_does_not_exist_does_not_resolve() -> None:
    assert resolves("ucvgl.settings.dotted.to_yaml") and resolves("ucvgl.settings.experiment.Curriculum.min_margin")
    for wrong in ("ucvgl.settings.dotted.to_yml", "ucvgl.settings.experiment.Curriculum.min_margn", "ucvgl.nowhere.f"):
        assert not resolves(wrong)


def commands() -> list[tuple[str, str]]:
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [
        (file.relative_to(ROOT).as_posix(), line)
        for file in documents
        if file.exists()
        for line in code_blocks(file.read_text(encoding="utf-8"))
    ]


def test_the_readme_has_commands() -> None:
    assert any(line.startswith("make demo") for line in code_blocks(document("README.md")))


@pytest.mark.parametrize(("where", "line"), commands())
def test_a_command_in_the_documents_can_be_typed(
    where: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = shlex.split(line, comments=True)
    if "make" in words:
        makefile = (ROOT / "Makefile").read_text()
        said = words[words.index("make") + 1 :]
        goals = [word for word in said if "=" not in word]
        assert [goal for goal in goals if not re.search(rf"^{goal}:", makefile, re.MULTILINE)] == []
        given = dict(word.split("=", 1) for word in said if "=" in word)
        if goals == ["submit"]:  # make submit JOB=… ARGS=… is python jobs/….py …
            words = ["python", f"jobs/{given.get('JOB', 'unsupervised')}.py", *shlex.split(given["ARGS"])]
    if words and words[0].startswith("clusters/"):
        assert (ROOT / words[0]).exists()
    scripts = [word for word in words if re.fullmatch(r"(jobs|benchmarks)/\w+\.py", word)]
    assert [script for script in scripts if not (ROOT / script).exists()] == []
    if words[:1] == ["ucvgl"] and words[1:2] not in (["COMMAND"], ["--help"]):
        assert unknown_flags(words[1], [word for word in words[2:] if word.startswith("--")]) == []
    if len(scripts) == 1 and scripts[0] in TRAINING:
        stages_of, recipe = TRAINING[scripts[0]]
        arguments = words[words.index(scripts[0]) + 1 :]
        monkeypatch.chdir(tmp_path)
        for flag, value in zip(arguments, arguments[1:], strict=False):
            if flag == "--config":  # the reader's own file
                Path(value).parent.mkdir(parents=True, exist_ok=True)
                Path(value).write_text(to_yaml(synthetic()))
            if flag == "--adaptation.source":
                Path(value).mkdir(parents=True, exist_ok=True)
                (Path(value) / "model.pt").touch()
        stages = [stage.name for stage in stages_of(recipe(Experiment()))]
        if "--help" not in arguments:
            stages_of(resolve(arguments, stages=stages, recipe=recipe).experiment)


def test_every_command_of_a_block_is_found() -> None:
    text = "```bash\nmake demo   # minutes\npython a.py \\\n  --seed 3\n```\n```\nno command\n```\n"
    assert code_blocks(text) == ["make demo   # minutes", "python a.py    --seed 3"]


def test_every_kind_of_what_may_go_wrong_names_a_test_that_is_there() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    kinds = [row for row in cells if len(row) == 3]
    assert len(kinds) > 50
    for kind, told, tests in kinds:
        named = re.findall(r"`([^`]+\.py)(?:::(\w+))?`", tests)
        assert told and (named or kind == "kind"), kind
        for file, function in named:
            assert (ROOT / file).is_file(), file
            assert not function or f"def {function}(" in (ROOT / file).read_text(), function
