"""Formulas as one writes them in Python, read by a parser of our own: nothing in them can run code."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any
from unicodedata import normalize

import numpy as np

from koubai import numpy as knp
from koubai import special
from koubai.errors import KoubaiError, UsageError
from koubai.nn import activate

__all__ = ["FUNCTIONS", "PRIME", "Expression", "close_to", "parse", "plainly"]

LONGEST = 10_000
PRIME = "ʹ"  # stands for the ' of w', which Python's grammar does not allow in names
SPELLINGS = {"^": "**", "−": "-", "×": "*", "·": "*", "÷": "/", "'": PRIME, "′": PRIME}

POWER_OF_TEN = re.compile(r"(?<=10)[⁺⁻]?[⁰¹²³⁴-⁹]+")

Step = Callable[[Mapping[str, Any], list[Any]], Any]


def _largest(*xs: Any) -> Any:
    return knp.max(xs[0]) if len(xs) == 1 else _pairwise(knp.maximum, xs)


def _smallest(*xs: Any) -> Any:
    return knp.min(xs[0]) if len(xs) == 1 else _pairwise(knp.minimum, xs)


def _pairwise(f: Callable[[Any, Any], Any], xs: tuple[Any, ...]) -> Any:
    total = xs[0]
    for x in xs[1:]:
        total = f(total, x)
    return total


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": knp.abs, "acos": knp.arccos, "arccos": knp.arccos, "arcsin": knp.arcsin, "arctan": knp.arctan,
    "asin": knp.arcsin, "atan": knp.arctan, "atan2": knp.arctan2, "cos": knp.cos, "cosh": knp.cosh, "dot": knp.dot,
    "erf": special.erf, "exp": knp.exp, "ln": knp.log, "log": knp.log, "log10": knp.log10, "log2": knp.log2,
    "max": _largest, "maximum": knp.maximum, "mean": knp.mean, "min": _smallest, "minimum": knp.minimum,
    "outer": knp.outer, "relu": activate.relu, "sigmoid": special.expit, "sign": knp.sign, "sin": knp.sin,
    "sinh": knp.sinh, "softmax": activate.softmax, "softplus": activate.softplus, "sqrt": knp.sqrt,
    "square": knp.square, "sum": knp.sum, "tan": knp.tan, "tanh": knp.tanh, "transpose": knp.transpose,
    "σ": special.expit,
}  # fmt: skip

BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
    ast.MatMult: lambda a, b: a @ b,
}


class Expression:
    """A formula that was read.

    Attributes
    ----------
    text : str
    names : tuple of str
        What must be known to compute it.
    """

    def __init__(self, text: str, names: tuple[str, ...], steps: list[tuple[Step, int]]) -> None:
        self.text, self.names, self._steps = text, names, steps

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """Its value where the names have these values; on tensors it records.

        Raises
        ------
        UsageError
            If a name has no value.
        """
        missing = [name for name in self.names if name not in values]
        if missing:
            shown = missing[0].replace(PRIME, "'")
            raise UsageError(f"{shown!r} is not defined{close_to(shown, values)}")
        stack: list[Any] = []
        try:
            for step, count in self._steps:
                arguments = stack[len(stack) - count :]
                del stack[len(stack) - count :]
                stack.append(step(values, arguments))
        except KoubaiError:
            raise
        except (TypeError, ValueError, IndexError, ZeroDivisionError) as error:
            raise UsageError(f"{self.text}: {error}") from None
        return stack.pop()


def close_to(name: str, known: Any) -> str:
    """The end of a message about an unknown name: one that is like it, or all there are."""
    names = [str(n).replace(PRIME, "'") for n in known]
    near = get_close_matches(name, names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(names[:30])}{', ...' if len(names) > 30 else ''}" if names else ""


def plainly(text: str) -> str:
    """Letters and digits in their plain form: of full width, as indices below, mathematical ones;
    ``x²`` as ``x^2``, ``10⁻⁴`` as ``10^−4``.

    Examples
    --------
    >>> plainly("ｗ₅ ＝ x²")
    'w5 = x^2'
    """
    text = POWER_OF_TEN.sub(lambda power: "^" + normalize("NFKC", power.group()), text)
    return normalize("NFKC", text.replace("²", "^2").replace("³", "^3"))


def _spelled(text: str) -> str:
    """Signs that people write, in those that Python reads."""
    text = plainly(text)
    for sign, python in SPELLINGS.items():
        text = text.replace(sign, python)
    return text


def parse(text: str) -> Expression:
    """Read a formula: numbers, names, lists, ``+ - * / ** @``, indices in brackets, and the usual functions.

    A power may be written ``^`` too. Numbers are floating-point numbers.

    Raises
    ------
    UsageError
        If the text is anything else, with the place and what may stand there.

    Examples
    --------
    >>> float(parse("x*y + sin(0)")({"x": 2.0, "y": 3.0}))
    6.0
    >>> parse("__import__('os')")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    koubai.errors.UsageError: '__import__' is no function here; there are abs, acos, arccos, ...
    """
    if len(text) > LONGEST:
        raise UsageError(f"a formula of {len(text):,} characters is too long; name its parts ({LONGEST:,} at most)")
    try:
        tree: ast.AST = ast.parse(_spelled(text).strip(), mode="eval").body
    except SyntaxError as error:
        raise UsageError(f"{text!r} does not parse at column {error.offset}: {_why(text, error)}") from None
    except (ValueError, RecursionError, MemoryError):
        raise UsageError(f"{text[:60]!r}... does not parse; name its parts") from None
    steps: list[tuple[Step, int]] = []
    names: dict[str, None] = {}
    waiting = [tree]
    while waiting:  # the whole before its parts and the last part first: backwards it is the order of computing
        step, parts = _read(waiting.pop(), names)
        steps.append((step, len(parts)))
        waiting += parts
    return Expression(text, tuple(names), steps[::-1])


def _why(text: str, error: SyntaxError) -> str:
    if "=" in text:
        return "an '=' cannot stand inside of a formula"
    return f"{error.msg}; products need a sign: write 2*x, not 2x"


def _read(node: ast.AST, names: dict[str, None]) -> tuple[Step, list[ast.AST]]:
    """What computes a node of the syntax from the values of its parts, and these parts."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        number = _number(node.value)
        return lambda values, xs: number, []
    if isinstance(node, ast.Name):
        name = node.id
        if name == "pi":
            return lambda values, xs: values.get("pi", np.float64(np.pi)), []
        names[name] = None
        return lambda values, xs: values[name], []
    if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
        f = BINARY[type(node.op)]
        return lambda values, xs: f(*xs), [node.left, node.right]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        minus = isinstance(node.op, ast.USub)
        return lambda values, xs: -xs[0] if minus else xs[0], [node.operand]
    if isinstance(node, (ast.List, ast.Tuple)):
        return lambda values, xs: knp.stack(xs) if xs else np.zeros(0), [*node.elts]
    if isinstance(node, ast.Subscript):
        index = _index(node.slice)
        return lambda values, xs: xs[0][index], [node.value]
    if isinstance(node, ast.Call):
        return _call(node)
    raise UsageError(
        f"{_shown(node)} cannot stand in a formula; it takes numbers, names, + - * / ** @, lists, and functions"
    )


def _number(value: Any) -> Any:
    try:
        return np.float64(value)
    except OverflowError:
        raise UsageError(f"the number {str(value)[:20]}... is too large") from None


def _shown(node: ast.AST) -> str:
    try:
        return repr(ast.unparse(node)[:40].replace(PRIME, "'"))
    except RecursionError:
        return type(node).__name__


def _index(node: ast.AST) -> Any:
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    found = []
    for part in parts:
        sign, inner = (-1, part.operand) if isinstance(part, ast.UnaryOp) else (1, part)
        if not (isinstance(inner, ast.Constant) and type(inner.value) is int):
            raise UsageError(f"an index is a whole number from 0, got {_shown(part)}")
        found.append(sign * inner.value)
    return tuple(found)


def _call(node: ast.Call) -> tuple[Step, list[ast.AST]]:
    name = node.func.id if isinstance(node.func, ast.Name) else None
    if name not in FUNCTIONS:
        near = get_close_matches(name or "", FUNCTIONS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(FUNCTIONS)}"
        raise UsageError(f"{_shown(node.func)} is no function here; {hint}")
    options = {}
    for keyword in node.keywords:
        if keyword.arg != "axis":
            raise UsageError(f"{name}: the only option here is axis, got {keyword.arg}")
        (options["axis"],) = _index(keyword.value)
    function = FUNCTIONS[name]

    return lambda values, xs: function(*xs, **options), [*node.args]
