"""General formulas for particular indices: w_jk becomes w_{0,1}, a sum over k is written out, numbers are put in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from koubai.explain.formula import BigOperator, Derivative, Expr, Number, Sum, Symbol, Text

__all__ = ["instance"]

MOST_TERMS = 4
SHOWN = 3

Values = Mapping[str, Callable[..., Any]]


def instance(
    general: Expr,
    indices: Mapping[str, int],
    ranges: Mapping[str, int],
    values: Values | None = None,
    most: int = MOST_TERMS,
) -> Expr:
    """A formula with index letters, for particular indices.

    Parameters
    ----------
    general : Expr
        Its index letters are the subscripts of its symbols, one letter an index.
    indices : mapping from letter to number
    ranges : mapping from letter to int
        How far the letters run over which sums go.
    values : mapping from symbol to function, optional
        For symbols (and derivatives, ``"dE/dy_k"``) into which numbers are to be put: the number at given indices.
    most : int
        How many terms of a sum are written out; of a longer one the first three.

    Examples
    --------
    >>> from koubai.explain.formula import parse
    >>> general = parse("sum_k w_jk d_k")
    >>> print(instance(general, {"j": 3}, {"k": 2}))
    w_{3,0} d_0 + w_{3,1} d_1
    >>> print(instance(general, {"j": 3}, {"k": 2}, {"d_k": lambda k: 0.5 * k}))
    w_{3,0} · 0 + w_{3,1} · 0.5
    """
    key = _key(general)
    if key is not None and values is not None and key in values:
        symbol = general.by if isinstance(general, Derivative) else general
        letters = symbol.subscript if isinstance(symbol, Symbol) else ""
        return Number(values[key](*(indices[letter] for letter in letters)))
    if isinstance(general, Symbol):
        return _numbered(general, indices)
    if isinstance(general, BigOperator) and general.name == "sum" and len(general.over) == 1:
        letter = general.over[0]
        if isinstance(letter, Symbol) and letter.key in ranges:
            return _written_out(general.body, letter.key, indices, ranges, values, most)
    parts = [instance(part, indices, ranges, values, most) for part in general.parts]
    if isinstance(general, Sum):
        return Sum(tuple(term for part in parts for term in (part.terms if isinstance(part, Sum) else (part,))))
    return general.with_parts(parts) if parts else general


def _key(node: Expr) -> str | None:
    if isinstance(node, Derivative) and isinstance(node.of, Symbol) and isinstance(node.by, Symbol):
        return f"d{node.of.key}/d{node.by.key}"
    return node.key if isinstance(node, Symbol) else None


def _numbered(symbol: Symbol, indices: Mapping[str, int]) -> Symbol:
    letters = symbol.subscript
    if letters and all(letter in indices for letter in letters):
        return Symbol(symbol.name, ",".join(str(indices[letter]) for letter in letters))
    return symbol


def _written_out(
    body: Expr, letter: str, indices: Mapping[str, int], ranges: Mapping[str, int], values: Values | None, most: int
) -> Expr:
    count = ranges[letter]
    shown = count if count <= most else SHOWN
    terms = [instance(body, {**indices, letter: k}, ranges, values, most) for k in range(shown)]
    if shown < count:
        terms.append(Text("..."))
    return terms[0] if len(terms) == 1 else Sum(tuple(terms))
