"""How the axes of C are cut: columns into registers, rows and columns into panels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from koubai.compile.llvm import Function, Value, vector

__all__ = ["Panel", "Part", "Span", "padded", "panels", "panels_of", "parts_of"]

Span = tuple[Value, Value]


class Part(NamedTuple):
    """Neighbouring columns that one register holds: from `start`, `width` of them in `lanes` lanes."""

    start: int
    width: int
    lanes: int

    def mask(self, f: Function) -> Value | None:
        return None if self.width == self.lanes else f.first_lanes(self.width, self.lanes)

    def type(self, element: str) -> str:
        return vector(element, self.lanes)


def parts_of(columns: int, lanes: int) -> tuple[Part, ...]:
    """Cut that many columns into registers, the last one no wider than it needs to be.

    Examples
    --------
    >>> parts_of(26, 16)
    (Part(start=0, width=16, lanes=16), Part(start=16, width=10, lanes=16))
    >>> parts_of(4, 16)
    (Part(start=0, width=4, lanes=4),)
    """
    parts = [Part(start, lanes, lanes) for start in range(0, columns - lanes + 1, lanes)]
    start = len(parts) * lanes
    if start < columns:
        rest = columns - start
        parts.append(Part(start, rest, 1 << (rest - 1).bit_length()))
    return tuple(parts)


def padded(columns: int, lanes: int) -> int:
    """Elements of that many columns when their registers are full."""
    return sum(part.lanes for part in parts_of(columns, lanes))


class Panel(NamedTuple):
    """The panels along one axis of C from number `first` to `stop` (excluded), each of `size` rows or columns."""

    first: int
    stop: int
    size: int


def panels_of(total: int, size: int) -> list[Panel]:
    """The full panels and the narrower last one."""
    whole = total // size
    kinds = [Panel(0, whole, size)] if whole else []
    if total % size:
        kinds.append(Panel(whole, whole + 1, total % size))
    return kinds


@contextmanager
def panels(f: Function, span: Span, kind: Panel) -> Iterator[Value]:
    """Go over the panels of a kind within a span; yields the panel's number."""
    first, last = span
    if first.text[0] != "%" and kind.stop == kind.first + 1:
        yield f.integer(kind.first)
        return
    if kind.first:
        first = f.intrinsic("smax", first, f.integer(kind.first))
    last = f.intrinsic("smin", last, f.integer(kind.stop))
    with f.loop(first, last) as panel:
        yield panel
