"""Formulas as data: what is written, not what it amounts to. Nothing is simplified."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

__all__ = [
    "Abs",
    "Array",
    "BigOperator",
    "Call",
    "Cases",
    "Derivative",
    "ElementwiseProduct",
    "Expr",
    "Index",
    "Logic",
    "Negative",
    "Number",
    "Power",
    "Product",
    "Quotient",
    "Relation",
    "Sum",
    "Symbol",
    "Text",
    "Tuple",
    "fold",
    "free_symbols",
    "substitute",
    "times",
    "walk",
]

T = TypeVar("T")


class Expr:
    """A formula. Immutable; equal when written alike.

    ``str()`` is its plain text, which `parse` reads back to an equal formula.
    """

    __slots__ = ()
    _fields: ClassVar[tuple[str, ...]] = ()

    @property
    def parts(self) -> tuple[Expr, ...]:
        """The formulas that it is directly made of, from left to right."""
        found: list[Expr] = []
        for name in self._fields:
            part = getattr(self, name)
            found.extend(part if isinstance(part, tuple) else (part,))
        return tuple(found)

    def with_parts(self, parts: Sequence[Expr]) -> Expr:
        """The same kind of formula made of others."""
        rest = iter(parts)
        values: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}  # type: ignore[attr-defined]
        for name in self._fields:
            part = values[name]
            values[name] = tuple(next(rest) for _ in part) if isinstance(part, tuple) else next(rest)
        return type(self)(**values)

    def substitute(self, mapping: Mapping[Any, Any]) -> Expr:
        """Put formulas, numbers or arrays in place of symbols; see `substitute`."""
        return substitute(self, mapping)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Its value; see `koubai.explain.formula.evaluate`."""
        from koubai.explain.formula.evaluate import evaluate  # which needs the classes defined here

        return evaluate(self, values)

    def __str__(self) -> str:
        from koubai.explain.formula.plain import to_plain  # which needs the classes defined here

        return to_plain(self)


@dataclass(frozen=True, slots=True)
class Number(Expr):
    """A number. It keeps its value; how many digits are shown is decided where it is rendered."""

    value: Any

    def __post_init__(self) -> None:
        if isinstance(self.value, np.generic):
            object.__setattr__(self, "value", self.value.item())


@dataclass(frozen=True, slots=True, eq=False)
class Array(Expr):
    """An array of numbers, put in for a symbol."""

    value: np.ndarray[Any, Any]

    def __post_init__(self) -> None:
        value = np.array(self.value)
        value.flags.writeable = False
        object.__setattr__(self, "value", value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Array) and np.array_equal(self.value, other.value)

    def __hash__(self) -> int:
        return hash((self.value.shape, self.value.tobytes()))


@dataclass(frozen=True, slots=True)
class Symbol(Expr):
    """A name, perhaps with an index that belongs to it: ``x``, ``w_jk``, ``x'``.

    `key` is the name under which values are given: ``"w_jk"``.
    """

    name: str
    subscript: str = ""

    @property
    def key(self) -> str:
        return f"{self.name}_{self.subscript}" if self.subscript else self.name

    @classmethod
    def from_key(cls, key: str) -> Symbol:
        """The symbol with this key: what stands behind the first underscore is the index."""
        name, _, subscript = key.partition("_")
        return cls(name, subscript) if name and subscript else cls(key)


@dataclass(frozen=True, slots=True)
class Text(Expr):
    """Words that are no formula, shown as they are."""

    text: str


@dataclass(frozen=True, slots=True)
class Derivative(Expr):
    """The partial derivative of one quantity by another: dE/dw."""

    of: Expr
    by: Expr
    _fields = ("of", "by")


@dataclass(frozen=True, slots=True)
class Sum(Expr):
    """Terms added up; one that is a `Negative` is subtracted."""

    terms: tuple[Expr, ...]
    _fields = ("terms",)


@dataclass(frozen=True, slots=True)
class Negative(Expr):
    """The opposite."""

    of: Expr
    _fields = ("of",)


@dataclass(frozen=True, slots=True)
class Product(Expr):
    """Factors side by side: numbers multiplied, or matrices."""

    factors: tuple[Expr, ...]
    _fields = ("factors",)


@dataclass(frozen=True, slots=True)
class ElementwiseProduct(Expr):
    """Matrices multiplied element by element."""

    left: Expr
    right: Expr
    _fields = ("left", "right")


@dataclass(frozen=True, slots=True)
class Quotient(Expr):
    """A fraction."""

    numerator: Expr
    denominator: Expr
    _fields = ("numerator", "denominator")


@dataclass(frozen=True, slots=True)
class Power(Expr):
    """A power; of a matrix also the transpose A^T and the inverse A^-1."""

    base: Expr
    exponent: Expr
    _fields = ("base", "exponent")


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """A function of its arguments."""

    name: str
    arguments: tuple[Expr, ...]
    _fields = ("arguments",)


@dataclass(frozen=True, slots=True)
class Abs(Expr):
    """The absolute value."""

    of: Expr
    _fields = ("of",)


@dataclass(frozen=True, slots=True)
class Index(Expr):
    """An element of an array: x[i, j + 1]."""

    of: Expr
    indices: tuple[Expr, ...]
    _fields = ("of", "indices")


@dataclass(frozen=True, slots=True)
class BigOperator(Expr):
    """An operator over an index, such as a sum: ``sum_i``, ``prod_{j != i}``, ``max_i``.

    `over` holds indices, and conditions on them.
    """

    name: str
    over: tuple[Expr, ...]
    body: Expr
    _fields = ("over", "body")

    @property
    def bound(self) -> frozenset[Symbol]:
        """The indices over which it runs: of a condition the first symbol."""
        first = (next(free_symbols(part), None) for part in self.over)
        return frozenset(symbol for symbol in first if symbol is not None)


@dataclass(frozen=True, slots=True)
class Relation(Expr):
    """An equation or a comparison; `sign` is one of = == != < <= > >= in."""

    left: Expr
    sign: str
    right: Expr
    _fields = ("left", "right")


@dataclass(frozen=True, slots=True)
class Logic(Expr):
    """Conditions joined by `word`: and, or, xor; or denied: not."""

    word: str
    conditions: tuple[Expr, ...]
    _fields = ("conditions",)


@dataclass(frozen=True, slots=True)
class Cases(Expr):
    """Values by case: ``value if condition else ... else otherwise``."""

    values: tuple[Expr, ...]
    conditions: tuple[Expr, ...]
    otherwise: Expr

    @property
    def parts(self) -> tuple[Expr, ...]:
        pairs = zip(self.values, self.conditions)
        return (*(part for pair in pairs for part in pair), self.otherwise)

    def with_parts(self, parts: Sequence[Expr]) -> Expr:
        return Cases(tuple(parts[:-1:2]), tuple(parts[1::2]), parts[-1])


@dataclass(frozen=True, slots=True)
class Tuple(Expr):
    """Several quantities: (w, V)."""

    items: tuple[Expr, ...]
    _fields = ("items",)


def walk(expression: Expr) -> list[Expr]:
    """Every formula in it, parts before what they are parts of, from left to right."""
    order, stack = [], [expression]
    while stack:
        node = stack.pop()
        order.append(node)
        stack.extend(node.parts)
    order.reverse()
    return order


def fold(expression: Expr, combine: Callable[[Any, list[T]], T]) -> T:
    """Work a result out from the inside: ``combine(node, results of its parts)``."""
    results: list[T] = []
    for node in walk(expression):
        count = len(node.parts)
        parts = results[len(results) - count :]
        del results[len(results) - count :]
        results.append(combine(node, parts))
    return results[0]


def free_symbols(expression: Expr) -> Iterator[Symbol]:
    """The symbols in it, from left to right, each once; indices of big operators included."""
    seen = set()
    for node in walk(expression):
        if isinstance(node, Symbol) and node not in seen:
            seen.add(node)
            yield node


def substitute(expression: Expr, mapping: Mapping[Any, Any]) -> Expr:
    """Put formulas, numbers or arrays in place of symbols.

    Parameters
    ----------
    mapping
        Symbols, or their keys as text, to formulas, numbers or arrays. In a `Derivative` only names are replaced
        by names: dy/dx is not a quotient into which numbers could be put. The index of a big operator is its own.

    Examples
    --------
    >>> from koubai.explain.formula import parse
    >>> print(parse("a b^2").substitute({"a": 3, "b": -0.5}))
    3 · (-0.5)^2
    """
    found = {Symbol.from_key(key) if isinstance(key, str) else key: as_expression(new) for key, new in mapping.items()}
    names = {symbol: new for symbol, new in found.items() if isinstance(new, (Symbol, Index))}

    def replaced(node: Expr, parts: list[Expr]) -> Expr:
        if isinstance(node, Symbol):
            return found.get(node, node)
        if isinstance(node, Derivative):
            return node.with_parts(_renamed(node, names)) if names else node
        if isinstance(node, BigOperator) and not node.bound.isdisjoint(found):
            return substitute(node, {symbol: new for symbol, new in found.items() if symbol not in node.bound})
        return node.with_parts(parts) if parts else node

    return fold(expression, replaced)


def _renamed(node: Derivative, names: Mapping[Symbol, Expr]) -> list[Expr]:
    return [fold(part, lambda n, parts: names.get(n, n) if not parts else n.with_parts(parts)) for part in node.parts]


def as_expression(value: Any) -> Expr:
    """A formula as it is; a number or an array as one."""
    if isinstance(value, Expr):
        return value
    return Array(value) if isinstance(value, np.ndarray) and value.ndim else Number(np.asarray(value)[()])


def times(*factors: Expr) -> Expr:
    """A product as people write it: no factor 1, sign and numbers in front, 0 where a factor is 0.

    Examples
    --------
    >>> from koubai.explain.formula import parse
    >>> print(times(parse("g"), parse("-sin(x)")))
    -g sin(x)
    """
    sign = False
    above: list[Expr] = []
    below: list[Expr] = []
    for k, factor in enumerate(factors):
        while isinstance(factor, Negative):
            sign, factor = not sign, factor.of
        if factor == Number(0):
            return Number(0)
        if isinstance(factor, Cases):
            others = (*above, *map(_reciprocal, below), *factors[k + 1 :])
            values = tuple(times(*others, v) for v in factor.values)
            cases = Cases(values, factor.conditions, times(*others, factor.otherwise))
            return Negative(cases) if sign else cases
        if isinstance(factor, Quotient):
            below.append(factor.denominator)
            factor = factor.numerator
        if factor != Number(1):
            above.extend(factor.factors if isinstance(factor, Product) else (factor,))
    product = _product(above)
    if below:
        product = Quotient(product, _product(below))
    return Negative(product) if sign else product


def _product(factors: Sequence[Expr]) -> Expr:
    factors = sorted(factors, key=lambda factor: not isinstance(factor, Number))
    return Number(1) if not factors else factors[0] if len(factors) == 1 else Product(tuple(factors))


def _reciprocal(expression: Expr) -> Expr:
    return Quotient(Number(1), expression)
