"""The gradient of a convolution by its kernel: sums over all examples and places, some weights at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import NamedTuple

from koubai.compile.llvm import Function, Value, lanes_of, vector
from koubai.compile.product.cuts import Part
from koubai.compile.window.problem import Axis, Problem, axes_on, digits
from koubai.compile.window.read import read

__all__ = ["Weights"]

Reader = Callable[[Value], Value]


class Tile(NamedTuple):
    """Weights whose sums are added up at the same time."""

    outputs: int
    channels: int
    taps: int

    @property
    def columns(self) -> int:
        return self.channels * self.taps


class Cut(NamedTuple):
    """A length in pieces: so many of a size, and the rest."""

    whole: int
    size: int
    rest: int

    @property
    def pieces(self) -> int:
        return self.whole + (self.rest > 0)


@dataclass(eq=False)
class Weights:
    """``w[o, c, k] = sum over n, p of y[n, o, p] x[n, c, p stride + k dilation - padding]``."""

    p: Problem

    @cached_property
    def f(self) -> Function:
        return self.p.function()

    @cached_property
    def axes(self) -> list[Axis]:
        return axes_on(self.p.windows)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        return self.p.parts(self.p.examples if self.p.by_example else self.axes[-1].length)

    @property
    def lanes(self) -> int:
        return self.parts[0].lanes

    @cached_property
    def tile(self) -> Tile:
        """The tile with the fewest cycles; the taps are neighbours along the last axis."""
        p, registers = self.p, self.p.machine.registers
        fits = [
            Tile(outputs, channels, taps)
            for taps in range(1, self.axes[-1].taps + 1)
            for channels in range(1, min(p.channels, 6) + 1)
            for outputs in range(1, min(p.outputs, 8) + 1)
            if outputs * channels * taps + outputs + 1 <= registers
        ] or [Tile(1, 1, 1)]
        return min(fits, key=self._cycles)

    def _cycles(self, tile: Tile) -> float:
        total, kinds = 0.0, 0
        terms = len(self.parts) * prod(axis.length for axis in self.axes)
        terms = terms if self.p.by_example else terms // self.axes[-1].length * self.p.examples
        for sizes, count in self._kinds(tile):
            kinds += 1
            sums, loads = sizes.outputs * sizes.columns, sizes.outputs + sizes.columns
            total += count * (terms * max(sums / 2, loads / 2, 4.0, (sums + loads + 3) / 6) + 6 * sums + 30)
        return total * (1 + 0.02 * kinds)

    def _cuts(self, tile: Tile) -> list[Cut]:
        lengths = (self.p.outputs, self.p.channels, self.axes[-1].taps)
        return [Cut(length // size, size, length % size) for length, size in zip(lengths, tile)]

    def _kinds(self, tile: Tile) -> Iterator[tuple[Tile, int]]:
        """The sizes of tiles that there are, and how many of each."""
        a, b, c = ([(q.size, q.whole), (q.rest, 1)] for q in self._cuts(tile))
        for outputs, i in a:
            for channels, j in b:
                for taps, k in c:
                    if outputs * channels * taps * i * j * k:
                        yield Tile(outputs, channels, taps), i * j * k

    @property
    def extents(self) -> list[int]:
        """Of the digits of a unit's number: group, tile of outputs, of channels, taps along the axes, tile of taps."""
        outputs, channels, taps = (q.pieces for q in self._cuts(self.tile))
        return [self.p.groups, outputs, channels, *(axis.taps for axis in self.axes[:-1]), taps]

    @property
    def units(self) -> int:
        return prod(self.extents)

    # The function

    def write(self) -> None:
        f = self.f
        first, last = f.arguments[3:]
        with f.loop(first, last) as unit:
            group, output, channel, *taps, last_tap = digits(f, unit, self.extents)
            which = [output, channel, last_tap]
            for sizes, _ in self._kinds(self.tile):
                with self._where(sizes, which):
                    self._unit(sizes, group, which, taps)
        f.ret()

    @contextmanager
    def _where(self, sizes: Tile, which: Sequence[Value]) -> Iterator[None]:
        """What is emitted inside is for tiles of these sizes only."""
        f = self.f
        conditions = [
            f.compare("slt" if size == q.size else "sge", number, f.integer(q.whole))
            for size, q, number in zip(sizes, self._cuts(self.tile), which)
            if q.whole and q.rest
        ]
        if not conditions:
            yield
            return
        fits = conditions[0]
        for condition in conditions[1:]:
            fits = f.binary("and", fits, condition)
        with f.when(fits):
            yield

    def _unit(self, sizes: Tile, group: Value, which: Sequence[Value], taps: Sequence[Value]) -> None:
        p, f, element = self.p, self.f, self.p.element
        output, channel, tap = (f.mul(k, f.integer(size)) for k, size in zip(which, self.tile))
        x, w, y = f.arguments[:3]
        outputs = f.add(f.mul(group, f.integer(p.outputs)), output)
        y = self._moved(y, outputs, p.y[1])
        x = self._moved(x, f.add(f.mul(group, f.integer(p.channels)), channel), p.x[1])
        w = self._moved(self._moved(w, outputs, p.w[0]), channel, p.w[1])
        for k, stride in zip((*taps, tap), p.w[2:]):
            w = self._moved(w, k, stride)
        lanes = self.lanes
        count = sizes.outputs * sizes.columns
        sums = [f.variable(f.zero(vector(element, lanes))) for _ in range(count)]
        with self._places(x, y, taps) as (image, gradient):
            if p.by_example:
                self._examples(sizes, sums, image, gradient, tap)
            else:
                self._neighbours(sizes, sums, image, gradient, tap)
        totals = _totals(f, [f.load(s, vector(element, lanes)) for s in sums])
        for i in range(sizes.outputs):
            for c in range(sizes.channels):
                for j in range(sizes.taps):
                    at = i * p.w[0] + c * p.w[1] + j * p.w[-1]
                    f.store(totals[(i * sizes.channels + c) * sizes.taps + j], f.offset(w, at, element))

    def _moved(self, pointer: Value, count: Value, stride: int, *, inside: bool = True) -> Value:
        return self.f.offset(pointer, self.f.mul(count, self.f.integer(stride)), self.p.element, inside=inside)

    @contextmanager
    def _places(self, x: Value, y: Value, taps: Sequence[Value]) -> Iterator[tuple[Value, Value]]:
        """Loops over the places along all axes but the last where a tap meets something; and over the examples."""
        p, f = self.p, self.f
        loops = []
        if not p.by_example:
            loops.append((f.loop(0, p.examples), p.x[0], p.y[0]))
        for k, (axis, tap) in enumerate(zip(self.axes[:-1], taps)):
            start, stop = self._range(k, axis, tap)
            shift = f.add(f.mul(tap, f.integer(axis.slope)), f.integer(axis.shift))
            x = self._moved(x, shift, p.x[2 + k], inside=False)
            loops.append((f.loop(start, stop), axis.scale * p.x[2 + k], p.y[2 + k]))
        for loop, near, far in loops:
            place = loop.__enter__()
            x, y = self._moved(x, place, near, inside=False), self._moved(y, place, far)
        yield x, y
        for loop, _, _ in reversed(loops):
            loop.__exit__(None, None, None)

    def _range(self, k: int, axis: Axis, tap: Value) -> tuple[Value, Value]:
        """The places where a tap meets an element."""
        f = self.f
        if axis.full:
            return f.integer(0), f.integer(axis.length)
        ends: list[int] = []
        for tap_ in range(axis.taps):
            met = [q for q, (first, count, _) in enumerate(axis.meetings) if first <= tap_ < first + count]
            ends += [met[0], met[-1] + 1] if met else [0, 0]
        table = self.p.module.table(f"{self.p.name}_{k}", ends, "i64")
        entry = f.offset(table, f.mul(tap, f.integer(2)), "i64")
        return f.load(entry, "i64"), f.load(f.offset(entry, 1, "i64"), "i64")

    # Terms

    def _examples(self, sizes: Tile, sums: list[Value], image: Value, gradient: Value, tap: Value) -> None:
        """Every place of the last axis, examples side by side."""
        p, f, axis = self.p, self.f, self.axes[-1]
        with f.loop(0, axis.length) as place:
            here = self._moved(gradient, place, p.y[-1])
            columns = [self._column(image, place, tap, c, j) for c in range(sizes.channels) for j in range(sizes.taps)]

            def step(start: Value, part: Part) -> None:
                at: Reader = lambda pointer: read(f, p.element, f.offset(pointer, start, p.element), part)
                self._step(sizes, sums, here, at, lambda k: at(columns[k]))

            self._vectors(step)

    def _column(self, image: Value, place: Value, tap: Value, c: int, j: int) -> Value:
        """Where a tap meets a channel of the image; zeros where it meets nothing."""
        p, f, axis = self.p, self.f, self.axes[-1]
        k = f.add(tap, f.integer(j))
        at = f.add(f.mul(k, f.integer(axis.slope)), f.mul(place, f.integer(axis.scale)))
        at = f.add(at, f.integer(axis.shift))
        found = f.offset(image, c * p.x[1], p.element, inside=False)
        found = self._moved(found, at, p.x[-1], inside=False)
        if axis.full:
            return found
        inside = f.compare("ult", at, f.integer(axis.source))
        return f.select(inside, found, self.p.module.zeros(p.examples, p.element))

    def _neighbours(self, sizes: Tile, sums: list[Value], image: Value, gradient: Value, tap: Value) -> None:
        """Neighbouring places of the last axis side by side."""
        p, f, axis = self.p, self.f, self.axes[-1]

        def step(start: Value, part: Part) -> None:
            def column(k: int) -> Value:
                c, j = divmod(k, sizes.taps)
                here = self._column(image, start, tap, c, j)
                return read(f, p.element, here, part, axis.scale * p.x[-1])

            at: Reader = lambda pointer: read(f, p.element, self._moved(pointer, start, p.y[-1]), part, p.y[-1])
            self._step(sizes, sums, gradient, at, column)

        self._vectors(step)

    def _vectors(self, step: Callable[[Value, Part], None]) -> None:
        """A loop over the full vectors, and the last one."""
        f, lanes = self.f, self.lanes
        full = sum(part.width == lanes for part in self.parts)
        if full:
            with f.loop(0, full * lanes, lanes) as start:
                step(start, Part(0, lanes, lanes))
        for part in self.parts[full:]:
            step(f.integer(part.start), Part(0, part.width, lanes))

    def _step(
        self,
        sizes: Tile,
        sums: list[Value],
        gradient: Value,
        at: Reader,
        column: Callable[[int], Value],
    ) -> None:
        """One term of each sum in each lane."""
        p, f, kind = self.p, self.f, vector(self.p.element, self.lanes)
        outputs = [at(f.offset(gradient, i * p.y[1], p.element)) for i in range(sizes.outputs)]
        for k in range(sizes.columns):
            x = column(k)
            for i, y in enumerate(outputs):
                chain = sums[i * sizes.columns + k]
                f.store(f.muladd(x, y, f.load(chain, kind)), chain)


def _totals(f: Function, sums: list[Value]) -> list[Value]:
    """For each vector the sum of its lanes: as many vectors as there are lanes at a time, by halves."""
    lanes = lanes_of(sums[0].type)
    found: list[Value] = []
    while sums:
        count = 1 << (min(lanes, len(sums)).bit_length() - 1)
        group, sums = sums[:count], sums[count:]
        size = lanes  # of the pieces of a vector that belong to one sum
        while size > 1:
            first = [k + i for k in range(0, lanes_of(group[0].type), size) for i in range(size // 2)]
            second = [k + size // 2 for k in first]
            width = lanes_of(group[0].type)
            if len(group) > 1:
                both = [(first + [k + width for k in first]), (second + [k + width for k in second])]
                group = [f.add(*(f.shuffle(a, b, half) for half in both)) for a, b in zip(group[::2], group[1::2])]
            else:
                (a,) = group
                group = [f.add(*(_picked(f, a, half) for half in (first, second)))]
            size //= 2
        found += [f.extract(group[0], k) if count > 1 else group[0] for k in range(count)]
    return found


def _picked(f: Function, x: Value, lanes: list[int]) -> Value:
    return f.shuffle(x, x, lanes) if len(lanes) > 1 else f.extract(x, lanes[0])
