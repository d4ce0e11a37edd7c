"""Where formulas and sentences go on in the next line."""

from __future__ import annotations

import re

from koubai.explain.formula import (
    Array,
    BigOperator,
    Cases,
    Derivative,
    Expr,
    Negative,
    Product,
    Quotient,
    Sum,
    fold,
    to_plain,
)
from koubai.explain.formula.plain import number_text, summarized
from koubai.explain.table import columns

__all__ = ["broken", "folded", "pieces", "printed_width"]

PLACES = re.compile(r" (?=[-+·∘] |if |else )|(?<=[\])],) (?=\[)")
OPEN, CLOSE = "「『【〔《(", "、。・,:;」』】〕》)!?ーっゃゅょッャュョ々"
UNIT = re.compile(rf"\s+|[{OPEN}]*(?:[^\s\u2e80-\uffff]+|\S)[{CLOSE}]*")


def broken(formula: str, first: int, others: int) -> list[str]:
    """A formula in plain text in lines of at most so many columns, where it has places to go on in a new line.

    A line ends where the fewest brackets are open: between terms rather than inside of one.

    Examples
    --------
    >>> broken("(a + b) · c + d", 8, 8)
    ['(a + b)', '· c + d']
    """
    lines, most = [], first
    while columns(formula) > most:
        places = [m.start() for m in PLACES.finditer(formula)]
        if not places:
            break
        fitting = [at for at in places if columns(formula[:at]) <= most]
        filled = [at for at in fitting if 3 * at >= most]
        at = min(filled or fitting or places[:1], key=lambda at: (_depth(formula[:at]), -at))
        lines.append(formula[:at])
        formula, most = formula[at + 1 :], others
    return [*lines, formula]


def _depth(text: str) -> int:
    return sum((c in "([{") - (c in ")]}") for c in text)


def folded(text: str, indent: str, width: int) -> list[str]:
    """A sentence broken into lines: at spaces, and in Japanese between characters, where its rules allow it."""
    rows, row = [], indent
    for unit in UNIT.findall(text):
        if columns(row) + columns(unit.rstrip()) > width and row.strip():
            rows.append(row.rstrip())
            row = indent
        row += unit if row != indent else unit.lstrip()
    return [*rows, row.rstrip()]


def pieces(formula: Expr, width: int, digits: int | None) -> list[tuple[str, Expr]]:
    """A formula in pieces of about this width, each with the sign in front of it: of a sum, and of its products."""
    if printed_width(formula, digits) <= width:
        return [("", formula)]
    if isinstance(formula, Negative) and isinstance(formula.of, Product):
        (sign, head), *rest = pieces(formula.of, width, digits)
        return [(sign, Negative(head)), *rest]
    if isinstance(formula, Sum):
        found: list[tuple[str, Expr]] = []
        for group in _groups(formula.terms, width, digits):
            sign = "" if not found or isinstance(group[0], Negative) else "+"
            parts = pieces(group[0], width, digits) if len(group) == 1 else [("", Sum(group))]
            if len(parts) == 1:
                parts = [("", Sum(group))]  # a term alone is written as in the sum, with its parentheses
            found += [(sign, parts[0][1]), *parts[1:]]
        return found
    if isinstance(formula, Product) and not any(isinstance(f, BigOperator) for f in formula.factors):
        groups = _groups(formula.factors, width, digits)
        return [("·" if k else "", Product(group)) for k, group in enumerate(groups)]
    return [("", formula)]


def _groups(parts: tuple[Expr, ...], width: int, digits: int | None) -> list[tuple[Expr, ...]]:
    groups: list[tuple[Expr, ...]] = []
    used = width + 1
    for part in parts:
        wide = printed_width(part, digits) + 3
        if used + wide > width:
            groups.append(())
            used = 0
        groups[-1] += (part,)
        used += wide
    return groups


def printed_width(formula: Expr, digits: int | None) -> int:
    """About how many digits wide a formula is in print, where fractions and rows stand above each other."""

    def combine(node: Expr, parts: list[int]) -> int:
        if isinstance(node, Array):
            rows = [[len(number_text(x, digits)) + 2 for x in row] for row in summarized(node.value)[0]]
            return sum(map(max, zip(*rows))) + 2 if rows else 4
        if not parts:
            return columns(to_plain(node, digits))
        if isinstance(node, (Quotient, Derivative)):
            return max(parts) + 1
        if isinstance(node, Cases):
            return max(map(sum, zip(parts[:-1:2], parts[1::2]))) + 6
        return sum(parts) + 2 * len(parts)

    return fold(formula, combine)
