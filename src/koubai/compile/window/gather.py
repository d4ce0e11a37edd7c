"""Results that gather what kernels meet: the convolution, and its gradient by the image with the roles exchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import NamedTuple

from koubai.compile.llvm import BITS, Function, Value
from koubai.compile.product.cuts import Part
from koubai.compile.window.problem import Axis, Problem, Strides, axes_back, axes_on, digits
from koubai.compile.window.read import read, write

__all__ = ["Gather"]

WALK = 8  # places in a row for which weights are read while they are in the first cache
Column = Callable[[Part], Value]
Taps = tuple[Value, Value, Value]  # the first tap at a place, how many there are, the first one's element


class Spot(NamedTuple):
    """Where a unit's sums go and what they are made of.

    Attributes
    ----------
    taps : list
        For the axes whose place is known.
    depth : Value
        Channels of the source.
    again : Value or None
        Whether the sums have been begun (i1).
    """

    into: Value
    source: Value
    weights: Value
    taps: list[Taps]
    depth: Value
    again: Value | None


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
        kernel = (p.w[1], p.w[0], *(-step for step in p.w[2:]))
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

    @cached_property
    def block(self) -> int:
        """Channels of the source that are added up at a time: so many that their weights stay in the first cache."""
        weights = self.tile[0] * prod(axis.taps for axis in self.axes) * BITS[self.p.element] // 8
        count = -(-self.depth * weights * 2 // self.p.machine.l1)
        return -(-self.depth // count)

    @property
    def walk(self) -> int:
        """How many places along the last axis of `single` a unit has: several if there are several blocks."""
        return WALK if self.block < self.depth and self.single else 1

    @property
    def extents(self) -> list[int]:
        """Of the digits of a unit's number: group, example if it has one, places, tile of rows, last place."""
        places = [axis.length for axis in self.single]
        if not self.p.by_example:
            places.insert(0, self.p.examples)
        return [self.p.groups, *places[:-1], -(-self.rows // self.tile[0]), -(-places[-1] // self.walk)]

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
            places = digits(f, unit, self.extents)
            group, tile = places.pop(0), places.pop(-2)
            top = f.mul(tile, f.integer(rows))
            a = f.add(f.mul(group, f.integer(self.rows)), top)
            b = f.mul(group, f.integer(self.depth))
            into = self._moved(target, [(a, self.result[1])])
            source = self._moved(origin, [(b, self.source[1])])
            if not self.p.by_example:
                example = places.pop(0)
                into = self._moved(into, [(example, self.result[0])])
                source = self._moved(source, [(example, self.source[0])])
            spot = Spot(into, source, self._weights(w, group, top), [], f.integer(self.depth), None)
            walk = places.pop() if self.walk > 1 else None
            for place in places:
                spot = self._at(spot, place)
            if whole and rest:
                full = f.compare("slt", tile, f.integer(whole))
                with f.when(full):
                    self._sums(rows, spot, walk)
                with f.when(f.opposite(full)):
                    self._sums(rest, spot, walk)
            else:
                self._sums(rows if whole else rest, spot, walk)
        f.ret()

    def _sums(self, rows: int, spot: Spot, walk: Value | None) -> None:
        """All sums of a unit, block by block of the source's channels."""
        f = self.f
        if self.block >= self.depth:
            self._blocks(rows, spot)
            return
        with f.loop(0, self.depth, self.block) as start:
            depth = f.intrinsic("smin", f.sub(f.integer(self.depth), start), f.integer(self.block))
            source = self._moved(spot.source, [(start, self.source[1])])
            weights = self._moved(spot.weights, [(start, self.kernel[1])])
            again = f.compare("ne", start, f.integer(0))
            spot = spot._replace(source=source, weights=weights, depth=depth, again=again)
            if walk is None:
                self._blocks(rows, spot)
                return
            first = f.mul(walk, f.integer(WALK))
            last = f.intrinsic("smin", f.add(first, f.integer(WALK)), f.integer(self.single[-1].length))
            with f.loop(first, last) as place:
                self._blocks(rows, self._at(spot, place))

    def _at(self, spot: Spot, place: Value) -> Spot:
        """A place along the next axis."""
        k = len(spot.taps)
        into = self._moved(spot.into, [(place, self.result[2 + k])])
        return spot._replace(into=into, taps=[*spot.taps, self._taps(k, self.single[k], place)])

    def _moved(self, pointer: Value, steps: Sequence[tuple[Value, int]]) -> Value:
        for count, stride in steps:
            pointer = self.f.offset(pointer, self.f.mul(count, self.f.integer(stride)), self.p.element)
        return pointer

    def _weights(self, w: Value, group: Value, row: Value) -> Value:
        """Where the first weights of a row of a group lie; the groups follow each other along the kernel's outputs."""
        w = self._moved(w, [(group, self.p.outputs * self.p.w[0]), (row, self.kernel[0])])
        ends = (min(0, step) * (axis.taps - 1) for step, axis in zip(self.kernel[2:], self.axes))
        return self.f.offset(w, -sum(ends), self.p.element)

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

    def _blocks(self, rows: int, spot: Spot) -> None:
        """All the vectors of a place."""
        f, vectors = self.f, self.tile[1]
        lanes = self.p.lanes
        full = sum(part.width == lanes for part in self.parts) // vectors
        if full:
            with f.loop(0, full) as block:
                self._tile(rows, self.parts[:vectors], f.mul(block, f.integer(vectors * lanes)), spot)
        for k in range(full * vectors, len(self.parts), vectors):
            rest = self.parts[k : k + vectors]
            moved = tuple(Part(part.start - rest[0].start, part.width, part.lanes) for part in rest)
            self._tile(rows, moved, f.integer(rest[0].start), spot)

    def _tile(self, rows: int, parts: Sequence[Part], start: Value, spot: Spot) -> None:
        """Some rows by some vectors from a lane on."""
        f, element = self.f, self.p.element
        sums = [f.variable(f.zero(part.type(element))) for _ in range(rows) for part in parts]
        places = self._results(rows, parts, start, spot)
        stride = self.result[0] if self.p.by_example else self.result[-1]
        if spot.again is not None:
            with f.when(spot.again):
                for chain, (place, part) in zip(sums, places):
                    f.store(read(f, element, place, part, stride), chain)
        with self._terms(spot) as (source, weight):
            if self.p.by_example:
                here = f.offset(source, start, element)
                beside: Column = lambda part: read(f, element, f.offset(here, part.start, element), part)
                self._step(rows, parts, sums, weight, beside)
            else:
                with f.loop(0, self.axes[-1].taps) as tap:
                    near = f.offset(weight, f.mul(tap, f.integer(self.kernel[-1])), element)
                    self._step(rows, parts, sums, near, lambda part: self._met(source, start, tap, part))
        for chain, (place, part) in zip(sums, places):
            write(f, element, f.load(chain, part.type(element)), place, part, stride)

    def _results(self, rows: int, parts: Sequence[Part], start: Value, spot: Spot) -> list[tuple[Value, Part]]:
        """Where each vector of a tile belongs."""
        f, stride = self.f, self.result[0] if self.p.by_example else self.result[-1]
        first = self._moved(spot.into, [(start, stride)])
        return [
            (f.offset(first, i * self.result[1] + part.start * stride, self.p.element), part)
            for i in range(rows)
            for part in parts
        ]

    @contextmanager
    def _terms(self, spot: Spot) -> Iterator[tuple[Value, Value]]:
        """Loops over the source's channels and the taps of each axis with one place."""
        f, source, weight = self.f, spot.source, spot.weights
        loops = [f.loop(0, spot.depth)]
        moves = [(self.source[1], self.kernel[1])]
        for axis, stride, step, (first, count, start) in zip(self.single, self.source[2:], self.kernel[2:], spot.taps):
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
        """What a tap meets at neighbouring places of the last axis."""
        f, axis = self.f, self.axes[-1]
        place = f.add(start, f.integer(part.start))
        at = f.add(f.mul(place, f.integer(axis.scale)), f.mul(tap, f.integer(axis.slope)))
        here = self._moved(source, [(f.add(at, f.integer(axis.shift)), self.source[-1])])
        return read(f, self.p.element, here, Part(0, part.width, part.lanes), axis.scale * self.source[-1])
