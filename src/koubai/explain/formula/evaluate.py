"""What formulas amount to, element by element, for numbers, arrays or tensors: then the result is a graph."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np

import koubai.ops.special  # noqa: F401 - registers the ops that functions stand for
from koubai.errors import UsageError
from koubai.explain.formula.expression import (
    Abs,
    Array,
    BigOperator,
    Call,
    Cases,
    Derivative,
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
    walk,
)
from koubai.graph import registered, registry
from koubai.ops import elementwise as e

__all__ = ["evaluate"]

CONSTANTS = {"pi": np.pi, "e": np.e, "i": 1j, "inf": np.inf, "nan": np.nan}
#: Functions that do not have the name of their op.
OTHERS = {
    "ln": "log", "round": "rint", "max": "maximum", "min": "minimum", "Gamma": "gamma", "psi": "digamma", "B": "beta",
    "I_0": "i0", "I_1": "i1", "J_0": "j0", "J_1": "j1", "Re": "real", "Im": "imag", "conj": "conjugate", "arg": "angle",
    "mod": "remainder", "Phi": "ndtr", "sigmoid": "expit",
}  # fmt: skip
WORDS = {"and": e.logical_and, "or": e.logical_or, "xor": e.logical_xor}
SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def evaluate(expression: Expr, values: Mapping[str, Any]) -> Any:
    """The value of a formula.

    Parameters
    ----------
    expression : Expr
    values
        Numbers, arrays or tensors by the keys of the symbols. Without one, pi, e, inf and the imaginary unit i are
        known. Arrays are taken element by element; functions are the ops, so that tensors leave a graph.

    Raises
    ------
    UsageError
        For a symbol without a value, an unknown function, and what is no number: an equation, a derivative, a sum
        over an index.

    Examples
    --------
    >>> from koubai.explain.formula import parse
    >>> float(evaluate(parse("x y + sin(x)"), {"x": 2.0, "y": 3.0}))
    6.909297426825682
    """
    for node in walk(expression):
        if isinstance(node, (Derivative, BigOperator, Text, Tuple)) or (
            isinstance(node, Relation) and node.sign == "="
        ):
            raise UsageError(f"formula: {node} has no value of its own; evaluate a part of it, such as a right side")

    def combine(node: Any, parts: list[Any]) -> Any:
        return _one(node, parts, values)

    with np.errstate(all="ignore"):
        return fold(expression, combine)


def _one(node: Any, parts: list[Any], values: Mapping[str, Any]) -> Any:
    match node:
        case Number(value) | Array(value):
            return value
        case Symbol():
            return _value(node.key, values)
        case Sum():
            return reduce(operator.add, parts)
        case Negative():
            return e.negative(parts[0])
        case Product():
            return reduce(operator.mul, parts)
        case Quotient():
            return _strong(parts) / parts[1]
        case Power(base):
            return e.exp(parts[1]) if base == Symbol("e") and "e" not in values else _strong(parts) ** parts[1]
        case Call(name):
            return _function(name, len(parts))(*parts)
        case Abs():
            return e.absolute(parts[0])
        case Index():
            return parts[0][tuple(int(i) for i in parts[1:])]
        case Relation(_, sign) if sign in SIGNS:
            return SIGNS[sign](*parts)
        case Logic(word):
            return e.logical_not(parts[0]) if word == "not" else reduce(WORDS[word], parts)
        case Cases():
            return reduce(
                lambda rest, case: e.where(case[1], case[0], rest), zip(parts[-3::-2], parts[-2::-2]), parts[-1]
            )
    raise UsageError(f"formula: {node} has no value, element by element")


def _value(key: str, values: Mapping[str, Any]) -> Any:
    if key in values:
        value = values[key]
        return np.float64(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
    if key in CONSTANTS:
        return CONSTANTS[key]
    raise UsageError(f"formula: {key} has no value; known are {', '.join([*values, *CONSTANTS])}")


def _strong(parts: list[Any]) -> Any:
    """The first of two numbers, as NumPy's if neither is: Python's raise errors where NumPy's are infinite."""
    first, second = parts
    return (
        first
        if hasattr(first, "dtype") or hasattr(second, "dtype")
        else np.asarray(first, np.result_type(first, 0.0))[()]
    )


def _function(name: str, count: int) -> Callable[..., Any]:
    if name in ("max", "min"):
        op = registered(OTHERS[name])
        return lambda *xs: reduce(op, xs)
    if name == "polygamma" and count == 2:
        return lambda n, x: registered(name)(x, n=int(n))
    if name == "round" and count == 2:
        return lambda x, decimals: registered("round_to")(x, decimals=int(decimals))
    found = registry().get(OTHERS.get(name, name))
    sample = found.samples()[:1] if found else ()
    if found is None or not sample or sample[0].params:
        raise UsageError(
            f"formula: no function is named {name}; for a product write {name}*(...), with a sign or a space"
        )
    if len(sample[0].args) != count:
        raise UsageError(f"formula: {name} takes {len(sample[0].args)} arguments, got {count}")
    return found
