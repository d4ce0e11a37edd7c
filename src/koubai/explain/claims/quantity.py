"""What a claim speaks of: a value, or a derivative, perhaps after steps of gradient descent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from koubai.errors import IndexingError, UsageError
from koubai.explain.claims.example import ALIASES, Example
from koubai.explain.claims.expressions import PRIME, Expression, close_to, parse, plainly
from koubai.explain.record import Record, RecordNode

__all__ = ["Derivative", "Formula", "Quantity", "Value", "quantity"]

NAME = rf"(?:[^\W\d]|\d+\.)[\w.{PRIME}]*"
INDEX = r"\[\s*-?\d+(?:\s*,\s*-?\d+)*\s*\]"
REFERENCE = rf"({NAME}|\d+)\s*({INDEX})?"
DERIVATIVE = re.compile(rf"[d∂]\s*\(?\s*{REFERENCE}\s*\)?\s*/\s*[d∂]\s*\(?\s*{REFERENCE}\s*\)?")
ONE = re.compile(REFERENCE)
AFTER = re.compile(r"(.*\S)\s+after\s+(\d+)(?:\s+steps?)?")
MOST_ELEMENTS = 100_000

Index = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A quantity of the example, or one number of it."""

    example: Example
    name: str
    index: Index | None
    after: int

    def compute(self) -> Any:
        return _element(self.name, self.example.quantities(self.after)[self.name].value, self.index)


@dataclass(frozen=True, slots=True)
class Derivative:
    """The derivative of one number by a quantity, or by one number of it."""

    example: Example
    name: str
    of: Index
    by: str
    index: Index | None
    after: int

    def record(self) -> Record | None:
        """The backward pass; None where there is nothing to differentiate by."""
        return self.example.record(self.name, self.of, self.after)

    def place(self) -> RecordNode | None:
        """Where the derivative arrives; None where nothing leads from there."""
        seen = self.record()
        try:
            return None if seen is None else seen[self.example.quantities(self.after)[self.by]]
        except IndexingError:
            return None

    def compute(self) -> Any:
        place = self.place()
        return self.at(None if place is None else place.grad)

    def at(self, gradient: Any) -> Any:
        """The number that is spoken of, in the gradient of `by`."""
        if gradient is None:
            gradient = np.zeros(self.example.quantities(self.after)[self.by].shape)
        return _element(self.by, gradient, self.index)


@dataclass(frozen=True, slots=True)
class Formula:
    """Something that is computed from the example's quantities."""

    example: Example
    expression: Expression

    def compute(self) -> Any:
        known: dict[str, Any] = {}
        for name in self.expression.names:
            bare = name.rstrip(PRIME)
            quantities = self.example.quantities(len(name) - len(bare))
            if bare not in quantities:
                raise _unknown(bare, self.example)
            known[name] = quantities[bare].value
        return self.expression(known)


Quantity = Value | Derivative | Formula


def quantity(text: str, example: Example) -> Quantity:
    """What the left side of a claim means.

    ``z`` or ``z[0]``: a value; ``dz/dx`` (or with ∂): a derivative; ``dx`` or ``x.grad``: that of the last quantity;
    each with ``'`` (or ``+``) behind a name, or ``after 3 steps`` behind all, for after a step; anything else: a
    formula.

    Raises
    ------
    UsageError
        If a name is not known.
    """
    text = plainly(text).strip().replace("'", PRIME).replace("′", PRIME)
    after = 0
    match = AFTER.fullmatch(text)
    if match:
        text, after = match[1], int(match[2])
    if text.endswith("+"):
        text, after = text[:-1].rstrip(), after + 1
    known = example.quantities(0)
    match = DERIVATIVE.fullmatch(text)
    if match and not (_head(text) in known and f"d{match[3]}" in known):
        return _derivative(example, match.groups(), after)
    match = ONE.fullmatch(text)
    if match:
        name, index = match[1], _index(match[2])
        bare = name.rstrip(PRIME)
        found = _resolve(bare, example)
        if found is not None:
            return Value(example, found, index, after + len(name) - len(bare))
        short = bare.removesuffix(".grad") if bare.endswith(".grad") else bare[1:] if bare[:1] in "d∂" else ""
        if _resolve(short, example) is not None:
            primes = PRIME * (len(name) - len(bare))
            return _derivative(example, (example.target + primes, None, short + primes, match[2]), after)
        raise _unknown(bare, example)
    if after:
        raise UsageError("'after' stands behind a name or a derivative, not behind a formula")
    return Formula(example, parse(text))


def _head(text: str) -> str:
    return text.partition("/")[0].strip()


def _derivative(example: Example, parts: tuple[str | None, ...], after: int) -> Derivative:
    names, indices, primes = [], [], []
    for name, index in (parts[:2], parts[2:]):
        assert name is not None
        bare = name.rstrip(PRIME)
        found = _resolve(bare, example)
        if found is None:
            raise _unknown(bare, example)
        names.append(found)
        indices.append(_index(index))
        primes.append(len(name) - len(bare))
    if primes[0] != primes[1]:
        raise UsageError("both sides of a derivative must be from the same step")
    value = example.quantities(after + primes[0])[names[0]].value
    of = indices[0] if indices[0] is not None else ()
    if np.size(_element(names[0], value, of)) != 1:
        raise UsageError(f"{names[0]} has shape {value.shape}; choose the number to differentiate: {names[0]}[0]")
    return Derivative(example, names[0], _normal(of, np.shape(value)), names[1], indices[1], after + primes[0])


def _normal(index: Index, shape: tuple[int, ...]) -> Index:
    return tuple(i % n for i, n in zip(index, shape)) + (0,) * (len(shape) - len(index))


def _resolve(name: str, example: Example) -> str | None:
    known = example.quantities(0)
    if name in known:
        return name
    return "output" if name in ALIASES and "output" in known else None


def _unknown(name: str, example: Example) -> UsageError:
    return UsageError(f"{name!r} is not defined in the example{close_to(name, example.quantities(0))}")


def _index(text: str | None) -> Index | None:
    return None if text is None else tuple(int(part) for part in text.strip("[] ").split(","))


def _element(name: str, value: Any, index: Index | None) -> Any:
    if not index:
        if np.size(value) > MOST_ELEMENTS:
            raise UsageError(f"{name} has {np.size(value):,} numbers; choose one: {name}[0]")
        return value
    try:
        return np.asarray(value)[index]
    except IndexError:
        shown = ", ".join(map(str, index))
        raise IndexingError(f"{name}[{shown}]: {name} has shape {np.shape(value)}") from None
