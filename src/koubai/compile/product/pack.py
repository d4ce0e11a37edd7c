"""Copies of panels of B in the order in which tiles read them."""

from __future__ import annotations

from dataclasses import dataclass

from koubai.compile.llvm import Function, Value, lanes_of, vector
from koubai.compile.product.cuts import Part, padded, parts_of
from koubai.compile.product.problem import Problem

__all__ = ["Copy", "dealt", "joined"]


@dataclass(frozen=True, slots=True)
class Copy:
    """A panel copied so that, for each step along the sum, `width` neighbours become one row, filled up with zeros.

    Attributes
    ----------
    across, along : int
        Elements in the source from neighbour to neighbour, and from step to step; one of them should be 1.
    width : int
    least : int
        The smallest number of steps that is copied.
    """

    p: Problem
    across: int
    along: int
    width: int
    least: int

    def function(self) -> str:
        """The name of a function ``(source, target, depth)``; copies of the same kind share it."""
        p = self.p
        how = "in fours" if self.least >= self.steps else "singly"
        name = f'"copy of {p.element}: {self.width}, steps {self.across} {self.along}, {how}"'
        if name not in p.module.functions:
            arguments = [("ptr noalias readonly", "from"), ("ptr noalias", "to"), ("i64", "depth")]
            f = p.module.function(name, arguments, attributes="noinline nounwind", linkage="internal")
            self.write(f, *f.arguments)
            f.ret()
        return name

    def write(self, f: Function, source: Value, target: Value, depth: Value) -> None:
        if self.across == 1 or self.width == 1:
            self._rows(f, source, target, depth)
        elif self.along == 1 and self.least >= self.steps:
            self._transposed(f, source, target, depth)
        else:
            self._elements(f, source, target, depth)

    @property
    def stride(self) -> int:
        """Elements from row to row of the copy."""
        return padded(self.width, self.p.lanes)

    @property
    def steps(self) -> int:
        """How many steps are transposed at a time: those in 16 bytes, within which all processors deal elements out."""
        return 16 // self.p.itemsize

    def _rows(self, f: Function, source: Value, target: Value, depth: Value) -> None:
        p = self.p
        with f.loop(0, depth) as at:
            here = f.offset(source, f.mul(at, f.integer(self.along)), p.element)
            there = f.offset(target, f.mul(at, f.integer(self.stride)), p.element)
            for part in parts_of(self.width, p.lanes):
                value = p.load(f, f.offset(here, part.start, p.element), part)
                f.store(value, f.offset(there, part.start, p.element))

    def _transposed(self, f: Function, source: Value, target: Value, depth: Value) -> None:
        """The last steps may overlap those before them."""
        p, steps = self.p, self.steps
        last = f.sub(depth, f.integer(steps))
        whole, rest = divmod(self.width, p.lanes)
        parts = parts_of(self.width, p.lanes)
        for part, count in ((parts[0], whole), (parts[-1], 1 if rest else 0)):
            if count == 0:
                continue
            with f.loop(0, count) as group, f.loop(0, depth, steps) as start:
                at = f.intrinsic("smin", start, last)
                column = f.add(f.mul(group, f.integer(p.lanes)), f.integer(part.start))
                here = f.offset(source, f.add(f.mul(column, f.integer(self.across)), at), p.element)
                there = f.offset(target, f.add(f.mul(at, f.integer(self.stride)), column), p.element)
                self._group(f, here, there, part)

    def _group(self, f: Function, source: Value, target: Value, part: Part) -> None:
        """Transpose some steps of a part's neighbours."""
        element, steps = self.p.element, self.steps
        zero = f.zero(vector(element, steps))
        lanes = max(part.lanes, steps)
        pieces = [
            f.load(f.offset(source, i * self.across, element), zero.type) if i < part.width else zero
            for i in range(lanes)
        ]
        for step, value in enumerate(dealt(f, [joined(f, pieces[i::steps]) for i in range(steps)])):
            if part.lanes == 1:
                value = f.extract(value, 0)
            elif part.lanes < steps:
                value = f.shuffle(value, value, range(part.lanes))
            f.store(value, f.offset(target, step * self.stride, element))

    def _elements(self, f: Function, source: Value, target: Value, depth: Value) -> None:
        """One element at a time."""
        element = self.p.element
        with f.loop(0, depth) as at:
            here = f.offset(source, f.mul(at, f.integer(self.along)), element)
            there = f.offset(target, f.mul(at, f.integer(self.stride)), element)
            with f.loop(0, self.width) as neighbour:
                value = f.load(f.offset(here, f.mul(neighbour, f.integer(self.across)), element), element)
                f.store(value, f.offset(there, neighbour, element))
            for i in range(self.width, self.stride):
                f.store(f.zero(element), f.offset(there, i, element))


def joined(f: Function, pieces: list[Value]) -> Value:
    """One vector of several."""
    while len(pieces) > 1:
        both = range(2 * lanes_of(pieces[0].type))
        pieces = [f.shuffle(x, z, both) for x, z in zip(pieces[::2], pieces[1::2])]
    return pieces[0]


def dealt(f: Function, rows: list[Value]) -> list[Value]:
    """Transpose the squares that vectors make: each step deals the elements of two halves out like cards."""
    size, lanes = len(rows), lanes_of(rows[0].type)
    first = [square + k for square in range(0, lanes, size) for k in range(size // 2)]
    low = [k + other for k in first for other in (0, lanes)]
    high = [k + size // 2 for k in low]
    for _ in range(size.bit_length() - 1):
        pairs = list(zip(rows[: size // 2], rows[size // 2 :]))
        rows = [f.shuffle(*pair, side) for pair in pairs for side in (low, high)]
    return rows
