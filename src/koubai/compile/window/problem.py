"""A convolution as the generators see it: sizes, strides, and which taps of the kernel meet which elements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd

import numpy as np

from koubai.compile.llvm import BITS, Function, Machine, Module, Value
from koubai.compile.product.cuts import Part, parts_of
from koubai.ops.windows import Windows

__all__ = ["Axis", "Problem", "Strides", "axes_back", "axes_on", "digits"]

Strides = tuple[int, ...]


@dataclass(frozen=True)
class Problem:
    """``y[n, o, p] = sum over c, k of w[o, c, k] x[n, c, p stride + k dilation - padding]``, or one of its gradients.

    Where examples do not lie side by side, every tap must meet an element at every place along the last axis.

    Attributes
    ----------
    examples, outputs, channels : int
        The last two of one group.
    x, w, y : tuple of int
        Strides in elements, along (examples, channels, *spatial) and (outputs, channels, *kernel).
    """

    module: Module
    machine: Machine
    name: str
    element: str
    windows: Windows
    groups: int
    examples: int
    outputs: int
    channels: int
    x: Strides
    w: Strides
    y: Strides

    @property
    def lanes(self) -> int:
        return self.machine.lanes(BITS[self.element] // 8)

    @cached_property
    def by_example(self) -> bool:
        """Whether a vector holds neighbouring examples."""
        return self.examples > 1 and self.x[0] == 1 and self.y[0] == 1

    def parts(self, along: int) -> tuple[Part, ...]:
        """The vectors of a row of examples or places."""
        return parts_of(along, self.lanes)

    def function(self) -> Function:
        """An empty function with the arguments (x, w, y, first, last)."""
        pointers = [("ptr noalias", name) for name in "xwy"]
        units = [("i64", "first"), ("i64", "last")]
        attributes = "nounwind noinline"
        return self.module.function(self.name, [*pointers, *units], attributes=attributes, linkage="internal")


@dataclass(frozen=True)
class Axis:
    """A spatial axis of a result: at each place, which taps of the kernel meet the source, and where.

    Tap k at place p meets the element ``(p scale + k slope + shift) / divisor``, if that is whole and inside.

    Attributes
    ----------
    length, source, taps : int
        Of the result, of the source, of the kernel.
    step : int
        From one tap that meets an element to the next.
    """

    length: int
    source: int
    taps: int
    scale: int
    slope: int
    shift: int
    divisor: int

    @property
    def step(self) -> int:
        return self.divisor // gcd(self.divisor, self.slope)

    @property
    def move(self) -> int:
        """Elements of the source from one tap to the next."""
        return self.step * self.slope // self.divisor

    @cached_property
    def meetings(self) -> list[tuple[int, int, int]]:
        """For each place the first tap, how many there are, and the first one's element."""
        places, taps = np.arange(self.length)[:, None], np.arange(self.taps)
        at = places * self.scale + taps * self.slope + self.shift
        meets = (at % self.divisor == 0) & (at >= 0) & (at < self.source * self.divisor)
        first = meets.argmax(axis=1)
        start = at[places[:, 0], first] // self.divisor
        return list(zip(first.tolist(), meets.sum(axis=1).tolist(), start.tolist()))

    @cached_property
    def full(self) -> bool:
        """Whether every tap meets an element at every place."""
        return all(count == self.taps for _, count, _ in self.meetings)


def axes_on(windows: Windows) -> list[Axis]:
    """From the image to the result."""
    return [
        Axis(count, length, kernel, stride, dilation, -before, 1)
        for count, length, kernel, stride, dilation, (before, _) in _settings(windows)
    ]


def axes_back(windows: Windows) -> list[Axis]:
    """From the result to the image, the taps counted from the last one: so the elements that they meet ascend."""
    return [
        Axis(length, count, kernel, 1, dilation, before - (kernel - 1) * dilation, stride)
        for count, length, kernel, stride, dilation, (before, _) in _settings(windows)
    ]


def _settings(v: Windows) -> zip[tuple[int, int, int, int, int, tuple[int, int]]]:
    return zip(v.count, v.lengths, v.kernel, v.stride, v.dilation, v.padding)


def digits(f: Function, number: Value, extents: Sequence[int]) -> list[Value]:
    """A number written with digits of these extents, the last one the fastest."""
    found: list[Value] = []
    for n in reversed(extents[1:]):
        found.insert(0, f.binary("urem", number, f.integer(n)) if n > 1 else f.integer(0))
        number = f.binary("udiv", number, f.integer(n)) if n > 1 else number
    return [number if extents[0] > 1 else f.integer(0), *found]
