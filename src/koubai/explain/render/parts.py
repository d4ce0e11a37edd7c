"""What all renderings of a line share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from koubai.errors import UsageError
from koubai.explain.formula import Array, Expr, Number, Tuple, parse, to_plain
from koubai.explain.formula.plain import number_text
from koubai.explain.phrases import Phrases

if TYPE_CHECKING:
    from koubai.explain.derivation import Line

__all__ = ["agreement_text", "in_words", "result_of", "steps_of"]


def result_of(line: Line) -> Expr | None:
    """What comes out, as a formula of its own."""
    if line.result is None:
        return None
    if type(line.result) is tuple:
        return Tuple(tuple(_value(v) for v in line.result))
    return _value(line.result)


def _value(value: Any) -> Expr:
    array = np.asarray(value)
    return Number(array[()]) if array.ndim == 0 else Array(array)


def in_words(sentence: str, formula: Callable[[Expr], str], words: Callable[[str], str]) -> str:
    """A sentence rendered: what stands between backquotes is a formula, the rest words."""
    parts = sentence.split("`")
    return "".join(_formula_or_words(part, formula, words) if i % 2 else words(part) for i, part in enumerate(parts))


def _formula_or_words(text: str, formula: Callable[[Expr], str], words: Callable[[str], str]) -> str:
    try:
        return formula(parse(text))
    except UsageError:
        return words(text)


def steps_of(line: Line, digits: int) -> list[Expr]:
    """What the line's quantity is equal to, the result included unless the last step shows the same."""
    steps = list(line.steps)
    result = result_of(line)
    if result is not None and (not steps or to_plain(steps[-1], digits) != to_plain(result, digits)):
        steps.append(result)
    return steps


def agreement_text(line: Line, say: Phrases, digits: int) -> str:
    """How the line agrees with numerical differentiation, in a few words; nothing where that was not asked."""
    found = line.agreement
    if found is None or not found.elements:
        return ""
    if found.unsure:
        return f"△ {say('unsure')}"
    if found.kink:
        return f"△ {say('kink')}"
    mark, key = ("✓", "agrees") if found.ok else ("✗", "differs")
    if len(found.elements) > 1:
        largest = number_text(found.largest, 2)
        return f"{mark} {say(key + ' many', count=len(found.elements), of=found.of, difference=largest)}"
    return f"{mark} {say(key, value=number_text(found.elements[0][2], digits))}"
