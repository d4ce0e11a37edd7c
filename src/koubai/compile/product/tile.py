"""A tile of C in registers: which shape, and the loop that fills it."""

from __future__ import annotations

from typing import NamedTuple

from koubai.compile.llvm.builder import Function, Value, vector
from koubai.compile.product.problem import Problem

__all__ = ["Part", "columns_of", "sums"]


class Part(NamedTuple):
    """Neighbouring columns that one register holds: from `start`, `width` of them in `lanes` lanes."""

    start: int
    width: int
    lanes: int

    def mask(self, f: Function) -> Value | None:
        return None if self.width == self.lanes else f.first_lanes(self.width, self.lanes)

    def type(self, element: str) -> str:
        return vector(element, self.lanes)


def columns_of(count: int, lanes: int) -> list[Part]:
    """Cut that many columns into registers, the last one no wider than it needs to be.

    Examples
    --------
    >>> columns_of(26, 16)
    [Part(start=0, width=16, lanes=16), Part(start=16, width=10, lanes=16)]
    >>> columns_of(4, 16)
    [Part(start=0, width=4, lanes=4)]
    """
    parts = [Part(start, lanes, lanes) for start in range(0, count - lanes + 1, lanes)]
    start = len(parts) * lanes
    if start < count:
        rest = count - start
        parts.append(Part(start, rest, 1 << (rest - 1).bit_length()))
    return parts


def load_part(p: Problem, f: Function, row: Value, part: Part, stride: int) -> Value:
    """A part of a row of B, its columns `stride` apart."""
    place = f.offset(row, part.start * stride, p.element)
    mask = part.mask(f)
    if stride == 1:
        type = part.type(p.element)
        return f.load(place, type) if mask is None else f.masked_load(place, type, mask)
    made = f.load(place, p.element)
    if part.lanes == 1:
        return made
    made = f.insert(f.zero(part.type(p.element)), made, 0)
    for lane in range(1, part.width):
        made = f.insert(made, f.load(f.offset(place, lane * stride, p.element), p.element), lane)
    return made


def sums(p: Problem, f: Function, a: Value, b: Value, rows: int, parts: list[Part]) -> list[list[Value]]:
    """The finished sums of a tile whose first row of A and first column of B are at a and b."""
    zeros = [f.zero(part.type(p.element)) for _ in range(rows) for part in parts]
    b_stride = p.b.strides[1] if p.b.columns > 1 else 1

    def turn(at: Value, values: list[Value]) -> list[Value]:
        column = f.offset(a, f.mul(at, f.integer(p.a.strides[1])), p.element)
        row = f.offset(b, f.mul(at, f.integer(p.b.strides[0])), p.element)
        right = [load_part(p, f, row, part, b_stride) for part in parts]
        made = []
        for i in range(rows):
            left = f.load(f.offset(column, i * p.a.strides[0], p.element), p.element)
            for j, part in enumerate(parts):
                made.append(f.muladd(f.splat(left, part.lanes), right[j], values[i * len(parts) + j]))
        return made

    flat = f.fold(0, p.a.columns, 1, zeros, turn) if p.a.columns else zeros
    return [flat[i * len(parts) : (i + 1) * len(parts)] for i in range(rows)]
