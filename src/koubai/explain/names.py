"""The names that the user's code gave to results, read from its source.

A node knows the code object and the instruction that made it. Where that instruction is the right side of an
assignment, the left side is the node's name.
"""

from __future__ import annotations

import ast
import linecache
from functools import lru_cache
from itertools import islice
from types import CodeType

__all__ = ["variable_at"]

Position = tuple[int | None, int | None, int | None, int | None]


def variable_at(code: CodeType, offset: int) -> str | None:
    """The variable that the instruction at `offset` is assigned to; None if there is none, or no source.

    Examples
    --------
    >>> from types import FunctionType
    >>> text = "a = f(1)"
    >>> linecache.cache["<a>"] = len(text), None, [text], "<a>"
    >>> code = compile(text, "<a>", "exec")
    >>> calls = [i for i in range(0, len(code.co_code), 2) if variable_at(code, i) == "a"]
    >>> len(calls) > 0
    True
    """
    position = next(islice(code.co_positions(), offset // 2, None), None)
    return None if position is None else _assigned(code.co_filename).get(position)


@lru_cache(maxsize=64)
def _assigned(filename: str) -> dict[Position, str]:
    """The names in a file by the positions of the expressions that are assigned to them."""
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError):
        return {}
    found: dict[Position, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in reversed(node.targets):  # of `a = b = x` the first name stays
                _pair(found, target, node.value)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            _pair(found, node.target, node.value)
        elif isinstance(node, ast.AugAssign):
            _note(found, node.target, node)
    return found


def _pair(found: dict[Position, str], target: ast.expr, value: ast.expr) -> None:
    both = (target, value)
    if all(isinstance(side, (ast.Tuple, ast.List)) for side in both):
        if len(target.elts) == len(value.elts):  # type: ignore[attr-defined]
            for one, other in zip(target.elts, value.elts):  # type: ignore[attr-defined]
                _pair(found, one, other)
    else:
        _note(found, target, value)


def _note(found: dict[Position, str], target: ast.expr, value: ast.AST) -> None:
    if isinstance(target, (ast.Name, ast.Attribute)):
        place = (value.lineno, value.end_lineno, value.col_offset, value.end_col_offset)  # type: ignore[attr-defined]
        found[place] = ast.unparse(target).removeprefix("self.")
