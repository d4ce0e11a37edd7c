"""A tile of C in registers, and the loop that fills it."""

from __future__ import annotations

from dataclasses import dataclass

from koubai.compile.llvm import Function, Value
from koubai.compile.product.cuts import Part
from koubai.compile.product.problem import Problem

__all__ = ["Tile"]

# Two multiply-adds start in each cycle and finish four cycles later, on all processors that we know.
CHAINS = 8


@dataclass(frozen=True, slots=True)
class Tile:
    """Sums that are added up at the same time.

    Attributes
    ----------
    rows : int
    parts : tuple of Part
        The registers of a row.
    a_row, a_depth, b_depth : int
        Elements from row to row of A, and along the sum in A and in B.
    padded : bool
        Whether the rows of B are filled up to whole registers.
    """

    p: Problem
    rows: int
    parts: tuple[Part, ...]
    a_row: int
    a_depth: int
    b_depth: int
    padded: bool

    def function(self) -> str:
        """The name of a function ``(a, b, c, depth, c_row, add)`` that stores the sums or adds them to C.

        Products whose tiles are the same share it.
        """
        p = self.p
        spans = " ".join(f"{part.width}/{part.lanes}" for part in self.parts)
        steps = f"{self.a_row} {self.a_depth} {self.b_depth}{' padded' if self.padded else ''} {p.c_column}"
        name = f'"tile of {p.element}: {self.rows} x {spans}, steps {steps}"'
        if name not in p.module.functions:
            arguments = [("ptr noalias readonly", "a"), ("ptr noalias readonly", "b"), ("ptr noalias", "c")]
            arguments += [("i64", "depth"), ("i64", "c_row"), ("i1", "add")]
            f = p.module.function(name, arguments, attributes="noinline nounwind", linkage="internal")
            a, b, c, depth, c_row, add = f.arguments
            sums = self.add_if(f, add, self.sums(f, a, b, depth), c, c_row)
            for i in range(self.rows):
                for j, part in enumerate(self.parts):
                    p.store(f, sums[i * len(self.parts) + j], self.place(f, c, c_row, i, part), part.mask(f))
            f.ret()
        return name

    def place(self, f: Function, c: Value, c_row: Value, row: int, part: Part) -> Value:
        """Where a vector of C stands."""
        at = f.add(f.mul(c_row, f.integer(row)), f.integer(part.start * self.p.c_column))
        return f.offset(c, at, self.p.element)

    def add_if(self, f: Function, condition: Value, sums: list[Value], c: Value, c_row: Value) -> list[Value]:
        """The sums, to which C is added if so wished."""
        before, then, after = f.block, f.new_block("then"), f.new_block("after")
        f.branch(condition, then, after)
        f.start(then)
        added = self.added(f, sums, c, c_row)
        f.jump(after)
        f.start(after)
        return [f.phi([(x, before), (y, then)]) for x, y in zip(sums, added)]

    def added(self, f: Function, sums: list[Value], c: Value, c_row: Value) -> list[Value]:
        """C plus the sums."""
        places = [(i, part) for i in range(self.rows) for part in self.parts]
        return [f.add(self.p.load(f, self.place(f, c, c_row, *at), at[1]), x) for at, x in zip(places, sums)]

    def sums(self, f: Function, a: Value, b: Value, depth: Value) -> list[Value]:
        """The finished sums, row by row.

        A known number of terms is split over several accumulators if the tile has too few to keep the processor busy.
        """
        zeros = [f.zero(part.type(self.p.element)) for _ in range(self.rows) for part in self.parts]
        count, chains = len(zeros), 1
        if depth.text[0] != "%":
            terms = int(depth.text)
            if terms == 0:
                return zeros
            chains = max(1, min(CHAINS // count, terms))
            depth = f.integer(terms // chains * chains)

        def turn(_: Value, values: list[Value]) -> list[Value]:
            a, b, *sums = values
            made: list[Value] = []
            for chain in range(chains):
                made += self._step(f, *self._along(f, a, b, chain), sums[chain * count : (chain + 1) * count])
            return [*self._along(f, a, b, chains), *made]

        a, b, *sums = f.fold(0, depth, chains, [a, b, *zeros * chains], turn)
        for chain in range(terms % chains if chains > 1 else 0):
            here = slice(chain * count, (chain + 1) * count)
            sums[here] = self._step(f, *self._along(f, a, b, chain), sums[here])
        while len(sums) > count:
            half = len(sums) // count // 2 * count
            sums = [f.add(x, y) for x, y in zip(sums[:half], sums[half:])] + sums[2 * half :]
        return sums

    def _along(self, f: Function, a: Value, b: Value, terms: int) -> tuple[Value, Value]:
        element = self.p.element
        return f.offset(a, terms * self.a_depth, element), f.offset(b, terms * self.b_depth, element)

    def _step(self, f: Function, a: Value, b: Value, sums: list[Value]) -> list[Value]:
        """One term of each sum; the factors of the longer side of the tile need a register only while they are used."""
        p, rows, parts = self.p, range(self.rows), self.parts

        def left(i: int) -> dict[int, Value]:
            scalar = f.load(f.offset(a, i * self.a_row, p.element), p.element)
            return {lanes: f.splat(scalar, lanes) for lanes in {part.lanes: 0 for part in parts}}

        def right(part: Part) -> Value:
            place = f.offset(b, part.start, p.element)
            return f.load(place, part.type(p.element)) if self.padded else p.load(f, place, part)

        def term(i: int, j: int) -> None:
            factor = lefts[i][parts[j].lanes]
            made[i * len(parts) + j] = f.muladd(factor, rights[j], sums[i * len(parts) + j])

        made, lefts, rights = list(sums), {}, {}
        if self.rows >= len(parts):
            rights = dict(enumerate(map(right, parts)))
            for i in rows:
                lefts[i] = left(i)
                for j in range(len(parts)):
                    term(i, j)
        else:
            lefts = {i: left(i) for i in rows}
            for j, part in enumerate(parts):
                rights[j] = right(part)
                for i in rows:
                    term(i, j)
        return made
