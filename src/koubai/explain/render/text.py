"""Explanations as plain text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from koubai.explain.formula import Array, to_plain
from koubai.explain.formula.plain import number_text, summarized
from koubai.explain.phrases import Phrases
from koubai.explain.render.breaking import broken, folded
from koubai.explain.render.parts import agreement_text, in_words, steps_of
from koubai.explain.table import columns

if TYPE_CHECKING:
    from koubai.explain.derivation import Explanation, Line

__all__ = ["to_text"]

WIDTH = 96
INDENT = "  "


def to_text(explanation: Explanation) -> str:
    """The explanation, lines at most 96 columns wide where formulas allow it."""
    say = Phrases(explanation.lang)
    parts = [explanation.title, "=" * columns(explanation.title)]
    for section in explanation.sections:
        parts += ["", section.title, "-" * columns(section.title)]
        parts += folded(_words(section.text), "", WIDTH) if section.text else []
        before = 2
        for line in section.lines:
            rows = _line(line, say, explanation.digits)
            parts += ["", *rows] if max(before, len(rows)) > 1 else rows
            before = len(rows)
    return "\n".join(part.rstrip() for part in parts)


def _line(line: Line, say: Phrases, digits: int) -> list[str]:
    symbol = to_plain(line.symbol, digits)
    found = steps_of(line, digits)
    table: list[str] = []
    last = found[-1] if len(found) > len(line.steps) else None
    if isinstance(last, Array) and last.value.ndim != 1:
        table = _rows(last.value, digits)
        found.pop()
    steps = [to_plain(step, digits) for step in found]
    agreement = agreement_text(line, say, digits)
    whole = f"{INDENT}{' = '.join([symbol, *steps])}"
    if columns(whole) <= WIDTH and len(steps) <= 3 and not table:
        rows = [whole]
    else:
        head = f"{INDENT}{symbol} = "
        under = " " * (columns(head) - 2) if columns(head) < WIDTH // 3 else INDENT * 2
        rest = WIDTH - columns(under) - 2
        sides = [broken(step, rest if i else WIDTH - columns(head), rest) for i, step in enumerate(steps)]
        sides += [table] if table else []
        rows = [f"{under}{' ' if i else '='} {row}" for side in sides for i, row in enumerate(side)]
        rows[0] = head + rows[0][len(under) + 2 :]
    if agreement:
        fits = columns(rows[-1]) + columns(agreement) + 3 <= WIDTH
        rows = [*rows[:-1], f"{rows[-1]}   {agreement}"] if fits else [*rows, f"{INDENT * 2}{agreement}"]
    return rows + (folded(_words(line.note), INDENT * 2, WIDTH) if line.note else [])


def _rows(array: Any, digits: int) -> list[str]:
    """A matrix in aligned rows; of a large one the corner, and the shape."""
    shown, complete = summarized(array)
    cells = [[number_text(x, digits) for x in row] for row in shown]
    widths = [max(map(len, column)) for column in zip(*cells)]
    more = "" if complete or not cells or array.shape[-1] == len(cells[0]) else "  ..."
    rows = [f"[ {'  '.join(c.rjust(w) for c, w in zip(row, widths))}{more} ]" for row in cells]
    return rows if complete else [*rows, f"... ({' × '.join(map(str, array.shape))})"]


def _words(sentence: str) -> str:
    return in_words(sentence, to_plain, str)
