"""Indices as formulas in the loops' counters, so that strides can be read off them.

An index is a Python int or an `Affine`: a sum of counters times whole numbers, and of what is not a multiple
of a counter (a quotient, a remainder, a number read from an array).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Affine",
    "Counter",
    "Division",
    "Index",
    "Read",
    "affine",
    "counters_of",
    "plus",
    "quotient",
    "rest",
    "times",
]


@dataclass(frozen=True, slots=True, eq=False)
class Counter:
    """A loop's counter, from 0 to extent - 1."""

    extent: int


@dataclass(frozen=True, slots=True)
class Division:
    """The quotient (or the remainder) of an index that is at least 0, by a number. See `quotient` and `rest`."""

    index: Affine
    by: int
    remainder: bool

    @property
    def extent(self) -> int:
        below = _top(self.index)
        return min(self.by, below + 1) if self.remainder else below // self.by + 1


@dataclass(frozen=True, slots=True)
class Read:
    """An index that is an element of an array; a negative one counts from the end of an axis of `length`."""

    value: Any
    length: int

    @property
    def extent(self) -> int:
        return self.length


Atom = Counter | Division | Read


@dataclass(frozen=True, slots=True)
class Affine:
    """constant + the sum of coefficient * atom."""

    terms: tuple[tuple[Any, int], ...]
    constant: int = 0


Index = int | Affine


def affine(i: Index | Atom) -> Affine:
    """Any index as an Affine."""
    if isinstance(i, int):
        return Affine((), i)
    return i if isinstance(i, Affine) else Affine(((i, 1),), 0)


def _made(terms: Mapping[Any, int], constant: int) -> Index:
    left = tuple((atom, c) for atom, c in terms.items() if c)
    return Affine(left, constant) if left else constant


def plus(i: Index, k: Index) -> Index:
    if isinstance(i, int) and isinstance(k, int):
        return i + k
    a, b = affine(i), affine(k)
    terms = dict(a.terms)
    for atom, c in b.terms:
        terms[atom] = terms.get(atom, 0) + c
    return _made(terms, a.constant + b.constant)


def times(i: Index, k: int) -> Index:
    if isinstance(i, int):
        return i * k
    return _made({atom: c * k for atom, c in i.terms}, i.constant * k)


def _top(i: Affine) -> int:
    """The largest value that an index takes."""
    return i.constant + sum(max(c, 0) * (int(atom.extent) - 1) for atom, c in i.terms)


def _bottom(i: Affine) -> int:
    return i.constant + sum(min(c, 0) * (int(atom.extent) - 1) for atom, c in i.terms)


def _divided(i: Affine, k: int) -> tuple[Index, Index] | None:
    """i as k * quotient + rest with the rest below k, where the coefficients show that."""
    whole = {atom: c // k for atom, c in i.terms if c % k == 0}
    part = _made({atom: c for atom, c in i.terms if c % k}, i.constant % k)
    if _bottom(affine(part)) < 0 or _top(affine(part)) >= k:
        return None
    return _made(whole, i.constant // k), part


def _lift(i: Affine, k: int) -> int:
    """How many times k an index wants, never to be below 0."""
    return max(0, -(_bottom(i) // k))


def quotient(i: Index, k: int) -> Index:
    """i // k, rounded down as Python does; 0 by 0, in arrays without elements."""
    if isinstance(i, int):
        return i // k if k else 0
    found = _divided(i, k) if k else (0, 0)
    if found is not None:
        return found[0]
    lift = _lift(i, k)
    return plus(affine(Division(affine(plus(i, lift * k)), k, remainder=False)), -lift)


def rest(i: Index, k: int) -> Index:
    """i % k, at least 0 as in Python; 0 by 0."""
    if isinstance(i, int):
        return i % k if k else 0
    found = _divided(i, k) if k else (0, 0)
    if found is not None:
        return found[1]
    return affine(Division(affine(plus(i, _lift(i, k) * k)), k, remainder=True))


def counters_of(i: Index) -> Iterable[Counter]:
    """The counters that an index depends on."""
    if isinstance(i, int):
        return
    for atom, _ in i.terms:
        if isinstance(atom, Counter):
            yield atom
        elif isinstance(atom, Division):
            yield from counters_of(atom.index)
        else:
            yield from atom.value.counters
