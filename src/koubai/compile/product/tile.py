"""A tile of C in registers, and the loop that fills it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from koubai.compile.llvm.builder import Function, Value
from koubai.compile.product.plan import CHAINS
from koubai.compile.product.problem import Part, Problem

__all__ = ["Source", "Tile"]


@dataclass(frozen=True, slots=True)
class Source:
    """How a tile reads A and B: elements from row to row of A, and along the sum in A and in B, and
    whether B's rows may be read past their ends."""

    a_row: int
    a_depth: int
    b_depth: int
    b_padded: bool


class Tile:
    """A function that computes one tile of C.

    Parameters
    ----------
    name : str
    rows : int
    parts : sequence of Part
        The registers of a row.
    source : Source
    depth : int or None
        How many terms each sum has; None if it is said at each call.
    add : bool or None
        Whether to add to what C holds; None if it is said at each call.
    inline : bool
        Whether the function is to vanish in its caller.
    """

    def __init__(
        self,
        p: Problem,
        name: str,
        rows: int,
        parts: Sequence[Part],
        source: Source,
        depth: int | None,
        add: bool | None,
        finish: bool,
        inline: bool,
    ) -> None:
        self.p, self.rows, self.parts, self.source = p, rows, parts, source
        self.depth, self.add, self.finish = depth, add, finish
        self.name = name
        arguments = [("ptr noalias readonly", "a"), ("ptr noalias readonly", "b"), ("ptr noalias", "c")]
        arguments += [("i64", "depth"), ("i1", "add"), ("i64", "row"), ("i64", "column"), *p.extra]
        attributes = "alwaysinline nounwind" if inline else "noinline nounwind"
        f = p.module.function(name, arguments, attributes=attributes, linkage="internal")
        self._write(f)

    def call(
        self, f: Function, a: Value, b: Value, c: Value, depth: Value, add: Value, row: Value, column: Value
    ) -> None:
        """Call it from a phase."""
        f.call(self.name, "void", a, b, c, depth, add, row, column, *self.p.given(f))

    def _write(self, f: Function) -> None:
        p, c = self.p, f.arguments[2]
        row, column = f.arguments[5:7]
        sums = self._sums(f)
        if self.add is None:
            sums = self._add_if(f, f.arguments[4], sums)
        elif self.add:
            sums = self._added(f, sums)
        for i in range(self.rows):
            for j, part in enumerate(self.parts):
                place = f.offset(c, i * p.c.strides[0] + part.start, p.element)
                value, mask = sums[i * len(self.parts) + j], part.mask(f)
                if self.finish:
                    at = f.add(row, f.integer(i)), f.add(column, f.integer(part.start))
                    p.finish(f, value, place, at, mask)
                else:
                    p.store(f, value, place, mask)
        f.ret()

    def _add_if(self, f: Function, condition: Value, sums: list[Value]) -> list[Value]:
        before, then, after = f.block, f.new_block("then"), f.new_block("after")
        f.branch(condition, then, after)
        f.start(then)
        added = self._added(f, sums)
        f.jump(after)
        f.start(after)
        return [f.phi([(x, before), (y, then)]) for x, y in zip(sums, added)]

    def _added(self, f: Function, sums: list[Value]) -> list[Value]:
        p, made = self.p, []
        for at, value in enumerate(sums):
            i, part = at // len(self.parts), self.parts[at % len(self.parts)]
            place = f.offset(f.arguments[2], i * p.c.strides[0] + part.start, p.element)
            made.append(f.add(p.load(f, place, part), value))
        return made

    def _sums(self, f: Function) -> list[Value]:
        """The finished sums, row by row."""
        p, source = self.p, self.source
        zeros = [f.zero(part.type(p.element)) for _ in range(self.rows) for part in self.parts]
        if self.depth == 0:
            return zeros
        chains = 1
        if self.depth is not None:
            chains = max(1, min(4, CHAINS // len(zeros), self.depth))

        def turn(_: Value, values: list[Value]) -> list[Value]:
            a, b, sums = values[0], values[1], values[2:]
            made = []
            for chain in range(chains):
                part = sums[chain * len(zeros) : (chain + 1) * len(zeros)]
                made += self._step(
                    f,
                    f.offset(a, chain * source.a_depth, p.element),
                    f.offset(b, chain * source.b_depth, p.element),
                    part,
                )
            return [
                f.offset(a, chains * source.a_depth, p.element),
                f.offset(b, chains * source.b_depth, p.element),
                *made,
            ]

        a, b, depth = *f.arguments[:2], f.arguments[3]
        stop = depth if self.depth is None else f.integer(self.depth // chains * chains)
        a, b, *sums = f.fold(0, stop, chains, [a, b, *zeros * chains], turn)
        for chain in range(self.depth % chains if self.depth else 0):
            part = slice(chain * len(zeros), (chain + 1) * len(zeros))
            left, right = f.offset(a, chain * source.a_depth, p.element), f.offset(b, chain * source.b_depth, p.element)
            sums[part] = self._step(f, left, right, sums[part])
        while chains > 1:
            half = -(-chains // 2) * len(zeros)
            sums = [f.add(x, y) for x, y in zip(sums, sums[half:])] + sums[len(sums) - half : half]
            chains = -(-chains // 2)
        return sums

    def _step(self, f: Function, a: Value, b: Value, sums: list[Value]) -> list[Value]:
        """One term of each sum, in the order that needs the fewest registers."""
        p, parts = self.p, self.parts
        made = list(sums)

        def left(i: int) -> Value:
            return f.load(f.offset(a, i * self.source.a_row, p.element), p.element)

        def right(part: Part) -> Value:
            place = f.offset(b, part.start, p.element)
            return f.load(place, part.type(p.element)) if self.source.b_padded else p.load(f, place, part)

        if self.rows >= len(parts):
            vectors = [right(part) for part in parts]
            for i in range(self.rows):
                scalar = left(i)
                for j, part in enumerate(parts):
                    at = i * len(parts) + j
                    made[at] = f.muladd(f.splat(scalar, part.lanes), vectors[j], sums[at])
            return made
        scalars = [left(i) for i in range(self.rows)]
        for j, part in enumerate(parts):
            here = right(part)
            for i in range(self.rows):
                at = i * len(parts) + j
                made[at] = f.muladd(f.splat(scalars[i], part.lanes), here, sums[at])
        return made
