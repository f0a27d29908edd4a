"""Arrays that a public name takes or gives have a shape and a dtype in its annotation, which tests check."""

from __future__ import annotations

import ast

import jaxtyping
import pytest
from test_docstrings import definitions

ARRAYS = {"np.ndarray", "Tensor", "torch.Tensor"}
ANY_SHAPE = {
    "ucvgl/atomic.py:write_array",
    "ucvgl/images/image_store.py:ImageStore.read",
    "ucvgl/images/image_store.py:ImageStore.rows_of",
    "ucvgl/networks/towers.py:towers_as",
}
"""Of any shape, or as well a sequence that is no array."""


def is_bare(annotation: ast.expr) -> bool:
    """Whether an array in it is not the first argument of one of jaxtyping's types."""
    shaped = {
        id(part)
        for outer in ast.walk(annotation)
        if isinstance(outer, ast.Subscript) and hasattr(jaxtyping, ast.unparse(outer.value))
        for part in ast.walk(outer)
    }
    return any(ast.unparse(part) in ARRAYS and id(part) not in shaped for part in ast.walk(annotation))


def takes_or_gives_bare(function: ast.FunctionDef) -> bool:
    taken = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    annotations = [*(argument.annotation for argument in taken), function.returns]
    return any(annotation is not None and is_bare(annotation) for annotation in annotations)


def test_arrays_that_a_public_name_takes_or_gives_have_a_shape() -> None:
    found = {name for name, node in definitions() if isinstance(node, ast.FunctionDef) and takes_or_gives_bare(node)}
    assert found - ANY_SHAPE == set()
    assert ANY_SHAPE - found == set(), "these have one by now: take them out of the list"


@pytest.mark.parametrize(
    ("source", "bare"),
    [
        ("def f(x: np.ndarray): ...", True),
        ("def f(*, x: Tensor | None): ...", True),
        ("def f() -> tuple[Int[np.ndarray, ' n'], np.ndarray]: ...", True),
        ("def f(x: Complex64[torch.Tensor, 'c y x']) -> list[Float[np.ndarray, 'n d']]: ...", False),
    ],
)
def test_an_array_is_bare_outside_of_a_shaped_type(source: str, bare: bool) -> None:
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef) and takes_or_gives_bare(function) == bare
