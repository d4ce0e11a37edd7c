"""Formulas as text for a terminal, with no more parentheses than it takes to read them back."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from koubai.explain.formula.expression import (
    Abs,
    Array,
    BigOperator,
    Call,
    Cases,
    Derivative,
    ElementwiseProduct,
    Expr,
    Index,
    Logic,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Relation,
    Sum,
    Symbol,
    Text,
    Tuple,
    fold,
)
from koubai.explain.formula.precedence import needs_dot, wraps

__all__ = ["number_text", "summarized", "to_plain"]

SHOWN = (3, 4)  # a larger array is shown by its corner and its shape


def number_text(value: Any, digits: int | None = None) -> str:
    """A number with so many significant digits; all of them if None.

    Examples
    --------
    >>> number_text(0.5), number_text(1 / 3, 6), number_text(1e-7, 6), number_text(2.0), number_text(1 - 2j)
    ('0.5', '0.333333', '1e-7', '2', '1 - 2i')
    """
    if isinstance(value, (complex, np.complexfloating)):
        sign = "-" if math.copysign(1.0, value.imag) < 0 else "+"
        return f"{number_text(value.real, digits)} {sign} {number_text(abs(value.imag), digits)}i"
    if isinstance(value, (bool, np.bool_)):
        return str(value).lower()
    if isinstance(value, (int, np.integer)) and (digits is None or abs(int(value)) < 10**15):
        return str(value)
    text = repr(float(value)) if digits is None else f"{float(value):.{digits}g}"
    mantissa, mark, exponent = text.partition("e")
    mantissa = mantissa.removesuffix(".0")
    return f"{mantissa}e{int(exponent)}" if mark else mantissa


def summarized(array: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], bool]:
    """The elements of an array that are shown, in rows, and whether these are all."""
    if not array.size:
        return np.zeros((1 if array.ndim == 1 else 0, 0)), array.ndim == 1
    lines = array.reshape(-1, array.shape[-1])
    whole = array.ndim <= 2 and all(n <= most for n, most in zip(lines.shape, SHOWN))
    return lines[: SHOWN[0], : SHOWN[1]], whole


def to_plain(expression: Expr, digits: int | None = None) -> str:
    """A formula as text that `parse` reads back to an equal one (numbers that were put in and texts excepted).

    Parameters
    ----------
    digits : int, optional
        Significant digits of numbers. Default: as many as it takes to tell them from others.

    Examples
    --------
    >>> from koubai.explain.formula import parse
    >>> to_plain(parse("dy/dx = (1 - y^2)*2/(3 x)"))
    '∂y/∂x = (1 - y^2) · 2/(3 x)'
    """

    def combine(node: Any, parts: list[str]) -> str:
        wrapped = [f"({text})" if wraps(node, k) else text for k, text in enumerate(parts)]
        return _one(node, wrapped, digits)

    return fold(expression, combine)


def _one(node: Any, parts: list[str], digits: int | None) -> str:
    match node:
        case Number(value):
            return number_text(value, digits)
        case Array(value):
            return _array(value, digits)
        case Symbol(name, subscript):
            return name if not subscript else node.key if re.fullmatch(r"\w+", subscript) else f"{name}_{{{subscript}}}"
        case Text(text):
            return text
        case Derivative():
            return f"∂{parts[0]}/∂{parts[1]}"
        case Sum(terms):
            rest = zip(terms[1:], parts[1:])
            return parts[0] + "".join(f" - {x[1:]}" if isinstance(t, Negative) else f" + {x}" for t, x in rest)
        case Negative():
            return f"-{parts[0]}"
        case Product(factors):
            return _product(factors, parts)
        case ElementwiseProduct():
            return " ∘ ".join(parts)
        case Quotient():
            return "/".join(parts)
        case Power():
            return "^".join(parts)
        case Call(name):
            return f"{name}({', '.join(parts)})"
        case Abs():
            return f"|({parts[0]})|" if "|" in parts[0] else f"|{parts[0]}|"
        case Index():
            return f"{parts[0]}[{', '.join(parts[1:])}]"
        case BigOperator(name, over):
            simple = len(over) == 1 and isinstance(over[0], Symbol) and re.fullmatch(r"[^\W_]", parts[0])
            index = parts[0] if simple else f"{{{', '.join(parts[:-1])}}}"
            return f"{name}_{index} {parts[-1]}"
        case Relation(_, sign):
            return f" {sign} ".join(parts)
        case Logic(word):
            return f"not {parts[0]}" if word == "not" else f" {word} ".join(parts)
        case Cases():
            return "".join(f"{v} if {c} else " for v, c in zip(parts[:-1:2], parts[1::2])) + parts[-1]
        case Tuple():
            return f"({', '.join(parts)})"
    raise AssertionError(type(node))


def _product(factors: tuple[Expr, ...], parts: list[str]) -> str:
    line = parts[0]
    for left, right, text in zip(factors, factors[1:], parts[1:]):
        line += f" · {text}" if needs_dot(left, right, text) else f" {text}"
    return line


def _array(array: np.ndarray[Any, Any], digits: int | None) -> str:
    shown, whole = summarized(array)
    more = ", ..." if array.size and shown.shape[1] < array.shape[-1] else ""
    lines = ["[" + ", ".join(number_text(x, digits) for x in row) + more + "]" for row in shown]
    size = "" if whole else f" ({' × '.join(map(str, array.shape))})"
    if array.ndim == 1:
        return lines[0] + size
    return f"[{', '.join(lines if whole else [*lines, '...'])}]{size}"
