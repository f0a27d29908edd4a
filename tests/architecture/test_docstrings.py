"""What a public name is for stands with it: a sentence, what it raises, and nothing that says nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from source_tree import ROOT, python_files

Definition = ast.FunctionDef | ast.ClassDef

PLACED = "ucvgl/world/"
"""Where nearly every function places something at x and y, in metres, at an angle, in radians."""
ELSEWHERE = {"ucvgl/serve/app.py:application"}
"""Raises errors of HTTP, from functions inside that answer requests."""


def public(tree: ast.Module) -> Iterator[tuple[str, Definition]]:
    """Public functions and classes of a module, and public methods of the latter, by dotted name."""
    for node in tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node.name, node
            for inner in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                    yield f"{node.name}.{inner.name}", inner


def raises(function: Definition) -> bool:
    """Whether it names an error to raise, itself and not in a function inside."""
    waiting, found = list(ast.iter_child_nodes(function)), False
    for node in waiting:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            continue
        found |= isinstance(node, ast.Raise) and node.exc is not None
        waiting += ast.iter_child_nodes(node)
    return found


def definitions() -> list[tuple[str, Definition]]:
    return [
        (f"{file.relative_to(ROOT).as_posix()}:{name}", node)
        for file in python_files("ucvgl")
        for name, node in public(ast.parse(file.read_text()))
    ]


def test_every_public_name_says_in_a_sentence_what_it_is_for() -> None:
    found = {name: (ast.get_docstring(node) or "").partition("\n\n")[0] for name, node in definitions()}
    assert len(found) > 500
    assert [name for name, text in found.items() if not text.rstrip().endswith((".", ":"))] == []


def test_what_raises_says_when() -> None:
    functions = {name: node for name, node in definitions() if isinstance(node, ast.FunctionDef)}
    loud = {name: ast.get_docstring(node) or "" for name, node in functions.items() if raises(node)}
    assert len(loud) > 30
    assert {name for name, text in loud.items() if "Raises:" not in text} <= ELSEWHERE


def test_what_takes_much_says_what_it_takes() -> None:
    """Four parameters or more; but for an answer to Ray Tune, which chose them."""
    silent = []
    for name, node in definitions():
        if isinstance(node, ast.FunctionDef) and not name.startswith(PLACED):
            taken = {argument.arg for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]}
            if len(taken - {"self", "cls"}) >= 4 and "Args:" not in (ast.get_docstring(node) or ""):
                silent.append(name)
    assert silent == ["ucvgl/distributed/trials.py:Spoken.on_trial_result"]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def f():\n    raise ValueError('x')", True),
        ("def f():\n    try:\n        g()\n    except OSError:\n        raise", False),
        ("def f():\n    def g():\n        raise ValueError('x')\n    return g", False),
    ],
)
def test_an_error_is_raised_by_the_function_that_names_it(source: str, found: bool) -> None:
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef) and raises(function) == found
