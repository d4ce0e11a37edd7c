"""Copies of parts of A and B in the order in which tiles read them."""

from __future__ import annotations

from collections.abc import Sequence

from koubai.compile.llvm.builder import Function, Value, lanes_of, vector
from koubai.compile.product.problem import Part, Problem

__all__ = ["Copy", "transpose"]


def transpose(f: Function, rows: Sequence[Value]) -> list[Value]:
    """The elements of a power of two of vectors, column by column: each step deals two halves out like cards."""
    made, lanes = list(rows), lanes_of(rows[0].type)
    count = 1
    while count < len(rows):
        half = len(made) // 2
        dealt = []
        for x, y in zip(made[:half], made[half:]):
            order = [k // 2 + (k % 2) * lanes for k in range(2 * lanes)]
            dealt += [f.shuffle(x, y, order[:lanes]), f.shuffle(x, y, order[lanes:])]
        made, count = dealt, 2 * count
    return made


class Copy:
    """A function that copies a panel: for each step along the sum, `width` neighbours become one row of `stride`.

    Parameters
    ----------
    across, along : int
        Elements from neighbour to neighbour, and from step to step, in the source; one of them is 1 if at all possible.
    parts : sequence of Part
        The row of the copy, cut into registers.
    stride : int
        Elements from row to row of the copy.
    """

    def __init__(
        self, p: Problem, name: str, across: int, along: int, parts: Sequence[Part], stride: int, inline: bool
    ) -> None:
        self.p, self.name, self.across, self.along, self.parts, self.stride = p, name, across, along, parts, stride
        arguments = [("ptr noalias readonly", "from"), ("ptr noalias", "to"), ("i64", "depth")]
        attributes = "alwaysinline nounwind" if inline else "noinline nounwind"
        f = p.module.function(name, arguments, attributes=attributes, linkage="internal")
        if across == 1 or sum(part.width for part in parts) == 1:
            self._rows(f)
        elif along == 1:
            self._transposed(f)
        else:
            self._elements(f, f.integer(0))
        f.ret()

    def call(self, f: Function, source: Value, target: Value, depth: Value) -> None:
        f.call(self.name, "void", source, target, depth)

    def _rows(self, f: Function) -> None:
        p, (source, target, depth) = self.p, f.arguments
        with f.loop(0, depth) as at:
            here = f.offset(source, f.mul(at, f.integer(self.along)), p.element)
            there = f.offset(target, f.mul(at, f.integer(self.stride)), p.element)
            for part in self.parts:
                value = p.load(f, f.offset(here, part.start, p.element), part)
                f.store(value, f.offset(there, part.start, p.element))

    def _transposed(self, f: Function) -> None:
        p, (source, target, depth) = self.p, f.arguments
        lanes = p.lanes
        whole = f.binary("sub", depth, f.binary("srem", depth, f.integer(lanes)))
        for part in self.parts:
            here = f.offset(source, part.start * self.across, p.element)
            there = f.offset(target, part.start, p.element)
            with f.loop(0, whole, lanes) as at:
                first = f.offset(here, at, p.element)
                type = vector(p.element, lanes)
                rows = [f.load(f.offset(first, i * self.across, p.element), type) for i in range(part.width)]
                rows += [f.zero(type)] * (part.lanes - part.width)
                self._scatter(
                    f, transpose(f, rows), f.offset(there, f.mul(at, f.integer(self.stride)), p.element), part
                )
        self._elements(f, whole)

    def _scatter(self, f: Function, columns: list[Value], there: Value, part: Part) -> None:
        """Store transposed vectors, each of which holds one row of the copy or several."""
        p, each = self.p, p_lanes(columns[0]) // part.lanes
        for at, value in enumerate(columns):
            for k in range(each):
                row = f.shuffle(value, value, range(k * part.lanes, (k + 1) * part.lanes)) if each > 1 else value
                if part.lanes == 1:
                    row = f.extract(value, k)
                if self.stride == part.lanes and each > 1:
                    f.store(value, f.offset(there, at * each * self.stride, p.element))
                    break
                f.store(row, f.offset(there, (at * each + k) * self.stride, p.element))

    def _elements(self, f: Function, start: Value) -> None:
        """From a step on, one element at a time."""
        p, (source, target, depth) = self.p, f.arguments
        width = sum(part.width for part in self.parts)
        with f.loop(start, depth) as at:
            here = f.offset(source, f.mul(at, f.integer(self.along)), p.element)
            there = f.offset(target, f.mul(at, f.integer(self.stride)), p.element)
            with f.loop(0, width) as i:
                value = f.load(f.offset(here, f.mul(i, f.integer(self.across)), p.element), p.element)
                f.store(value, f.offset(there, i, p.element))


def p_lanes(value: Value) -> int:
    return lanes_of(value.type)
