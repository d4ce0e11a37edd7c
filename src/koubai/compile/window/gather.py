"""Results that gather what kernels meet: the convolution, and its gradient by the image with the roles exchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import prod

from koubai.compile.llvm.builder import Function, Value
from koubai.compile.product.cuts import Part
from koubai.compile.window.problem import Axis, Problem, Strides, axes_back, axes_on, digits
from koubai.compile.window.read import met, read, write

__all__ = ["Gather"]

Column = Callable[[Part], Value]
Taps = tuple[Value, Value, Value]  # the first tap at a place, how many there are, the first one's element


@dataclass(eq=False)
class Gather:
    """``r[n, a, q] = sum over b, k of w[a, b, k] s[n, b, where tap k at place q meets s]``.

    Attributes
    ----------
    backwards : bool
        Whether r is the image and s the result.
    rows, depth : int
        Channels of a group in the result, and in the source.
    kernel : tuple of int
        Strides along (a, b, *taps).
    """

    p: Problem
    backwards: bool
    axes: tuple[Axis, ...]
    rows: int
    depth: int
    result: Strides
    source: Strides
    kernel: Strides

    @staticmethod
    def on(p: Problem) -> Gather:
        """The convolution."""
        return Gather(p, False, tuple(axes_on(p.windows)), p.outputs, p.channels, p.y, p.x, p.w)

    @staticmethod
    def back(p: Problem) -> Gather:
        """Its gradient by the image."""
        kernel = (p.w[1], p.w[0], *p.w[2:])
        return Gather(p, True, tuple(axes_back(p.windows)), p.channels, p.outputs, p.x, p.y, kernel)

    @cached_property
    def f(self) -> Function:
        return self.p.function()

    # How the work is cut

    @cached_property
    def single(self) -> tuple[Axis, ...]:
        """The axes along which a unit has one place."""
        return self.axes if self.p.by_example else self.axes[:-1]

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        return self.p.parts(self.p.examples if self.p.by_example else self.axes[-1].length)

    @cached_property
    def tile(self) -> tuple[int, int]:
        """The (rows, vectors) of the tile with the fewest cycles."""
        registers = self.p.machine.registers
        fits = [
            (rows, vectors)
            for vectors in range(1, min(len(self.parts), 8) + 1)
            for rows in range(1, min(self.rows, 16) + 1)
            if rows * vectors + vectors + 1 <= registers
        ]
        return min(fits, key=lambda tile: self._cycles(*tile))

    def _cycles(self, rows: int, vectors: int) -> float:
        total, kinds = 0.0, 0
        terms = self.depth * prod(axis.taps for axis in self.axes)
        for r, tiles in ((rows, self.rows // rows), (self.rows % rows, 1)):
            for v, blocks in ((vectors, len(self.parts) // vectors), (len(self.parts) % vectors, 1)):
                if r and v and tiles and blocks:
                    kinds += 1
                    turn = max(r * v / 2, (r + v) / 2, 4.0, (r * v + v + 4) / 6)
                    total += tiles * blocks * (terms * turn + r * v + 20)
        return total * (1 + 0.02 * kinds)

    @property
    def extents(self) -> list[int]:
        """Of the digits of a unit's number: group, example if it has one, places, tile of rows, last place."""
        places = [axis.length for axis in self.single]
        if not self.p.by_example:
            places.insert(0, self.p.examples)
        tiles = -(-self.rows // self.tile[0])
        return [self.p.groups, *places[:-1], tiles, *places[-1:]]

    @property
    def units(self) -> int:
        return prod(self.extents)

    # The function

    def write(self) -> None:
        f = self.f
        x, w, y, first, last = f.arguments
        target, origin = (x, y) if self.backwards else (y, x)
        rows = self.tile[0]
        whole, rest = divmod(self.rows, rows)
        with f.loop(first, last) as unit:
            group, *places, tile, place = digits(f, unit, self.extents)
            places.append(place)
            top = f.mul(tile, f.integer(rows))
            a = f.add(f.mul(group, f.integer(self.rows)), top)
            b = f.mul(group, f.integer(self.depth))
            into = self._moved(target, [(a, self.result[1])])
            out_of = self._moved(origin, [(b, self.source[1])])
            weights = self._weights(w, group, top)
            if not self.p.by_example:
                example = places.pop(0)
                into = self._moved(into, [(example, self.result[0])])
                out_of = self._moved(out_of, [(example, self.source[0])])
            into = self._moved(into, list(zip(places, self.result[2:])))
            taps = [self._taps(k, axis, place) for k, (axis, place) in enumerate(zip(self.single, places))]
            if whole and rest:
                full = f.compare("slt", tile, f.integer(whole))
                with f.when(full):
                    self._blocks(rows, into, out_of, weights, taps)
                with f.when(f.binary("xor", full, Value("true", "i1"))):
                    self._blocks(rest, into, out_of, weights, taps)
            else:
                self._blocks(rows if whole else rest, into, out_of, weights, taps)
        f.ret()

    def _moved(self, pointer: Value, steps: Sequence[tuple[Value, int]]) -> Value:
        for count, stride in steps:
            pointer = self.f.offset(pointer, self.f.mul(count, self.f.integer(stride)), self.p.element)
        return pointer

    def _weights(self, w: Value, group: Value, row: Value) -> Value:
        """Where the weights of a row of a group lie; the groups follow each other along the kernel's outputs."""
        return self._moved(w, [(group, self.p.outputs * self.p.w[0]), (row, self.kernel[0])])

    def _taps(self, k: int, axis: Axis, place: Value) -> Taps:
        """The first tap at a place, how many there are, and the first one's element."""
        f = self.f
        if axis.full and axis.divisor == 1:
            at = f.add(f.mul(place, f.integer(axis.scale)), f.integer(axis.shift))
            return f.integer(0), f.integer(axis.taps), at
        numbers = [number for meeting in axis.meetings for number in meeting]
        table = self.p.module.table(f"{self.p.name}_{k}", numbers, "i64")
        entry = f.offset(table, f.mul(place, f.integer(3)), "i64")
        first, count, start = (f.load(f.offset(entry, i, "i64"), "i64") for i in range(3))
        return first, count, start

    def _blocks(self, rows: int, into: Value, out_of: Value, weights: Value, taps: list[Taps]) -> None:
        f, vectors = self.f, self.tile[1]
        lanes = self.p.lanes
        full = sum(part.width == lanes for part in self.parts) // vectors
        if full:
            with f.loop(0, full) as block:
                start = f.mul(block, f.integer(vectors * lanes))
                self._tile(rows, self.parts[:vectors], start, into, out_of, weights, taps)
        for k in range(full * vectors, len(self.parts), vectors):
            rest = self.parts[k : k + vectors]
            moved = tuple(Part(part.start - rest[0].start, part.width, part.lanes) for part in rest)
            self._tile(rows, moved, f.integer(rest[0].start), into, out_of, weights, taps)

    def _tile(
        self,
        rows: int,
        parts: Sequence[Part],
        start: Value,
        into: Value,
        out_of: Value,
        weights: Value,
        taps: list[Taps],
    ) -> None:
        """Some rows by some vectors from a lane on."""
        f, element = self.f, self.p.element
        sums = [f.variable(f.zero(part.type(element))) for _ in range(rows) for part in parts]
        stride = self.result[0] if self.p.by_example else self.result[-1]
        with self._terms(out_of, weights, taps) as (source, weight):
            if self.p.by_example:
                here = f.offset(source, start, element)
                beside: Column = lambda part: read(f, element, f.offset(here, part.start, element), part)
                self._step(rows, parts, sums, weight, beside)
            else:
                with f.loop(0, self.axes[-1].taps) as tap:
                    near = f.offset(weight, f.mul(tap, f.integer(self.kernel[-1])), element)
                    self._step(rows, parts, sums, near, lambda part: self._met(source, start, tap, part))
        for i in range(rows):
            row = f.offset(into, i * self.result[1], element)
            for j, part in enumerate(parts):
                value = f.load(sums[i * len(parts) + j], part.type(element))
                place = f.offset(row, f.mul(f.add(start, f.integer(part.start)), f.integer(stride)), element)
                write(f, element, value, place, part, stride)

    @contextmanager
    def _terms(self, source: Value, weight: Value, taps: list[Taps]) -> Iterator[tuple[Value, Value]]:
        """Loops over the source's channels and the taps of each axis with one place."""
        f = self.f
        loops = [f.loop(0, self.depth)]
        moves = [(self.source[1], self.kernel[1])]
        for axis, stride, step, (first, count, start) in zip(self.single, self.source[2:], self.kernel[2:], taps):
            source = self._moved(source, [(start, stride)])
            weight = self._moved(weight, [(first, step)])
            loops.append(f.loop(0, count))
            moves.append((axis.move * stride, axis.step * step))
        for loop, (near, far) in zip(loops, moves):
            k = loop.__enter__()
            source, weight = self._moved(source, [(k, near)]), self._moved(weight, [(k, far)])
        yield source, weight
        for loop in reversed(loops):
            loop.__exit__(None, None, None)

    def _step(self, rows: int, parts: Sequence[Part], sums: list[Value], weight: Value, column: Column) -> None:
        """One term of each sum."""
        f, element = self.f, self.p.element
        vectors = [column(part) for part in parts]
        for i in range(rows):
            scalar = f.load(f.offset(weight, i * self.kernel[0], element), element)
            for j, part in enumerate(parts):
                chain = sums[i * len(parts) + j]
                so_far = f.load(chain, part.type(element))
                f.store(f.muladd(f.splat(scalar, part.lanes), vectors[j], so_far), chain)

    def _met(self, source: Value, start: Value, tap: Value, part: Part) -> Value:
        start = self.f.add(start, self.f.integer(part.start))
        return met(self.f, self.p.element, self.axes[-1], source, self.source[-1], start, tap, part)
