"""Boxes of counters: loops over all elements of a shape, in an order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from koubai.compile.index import Counter, Index, affine
from koubai.compile.nest import Buffer, Load, Nest, Store, c_strides, loads_of, place, stride, used

__all__ = ["axes_of", "box", "by_stride", "copy_nest"]


def axes_of(buffer: Buffer) -> tuple[int, ...]:
    """The axes from the outermost in memory to the innermost."""
    shape = buffer.type.shape
    if buffer.strides == c_strides(shape):
        return tuple(range(len(shape)))
    return tuple(sorted(range(len(shape)), key=lambda i: -buffer.strides[i]))


def box(shape: tuple[int, ...], order: Sequence[int] | None = None) -> tuple[list[Counter], tuple[Index, ...]]:
    """Counters with the axes in an order, the outermost first, and the index of all axes; none for axes of 1."""
    order = range(len(shape)) if order is None else order
    made = {axis: Counter(shape[axis]) for axis in order if shape[axis] != 1}
    index = tuple(affine(made[i]) if i in made else 0 for i in range(len(shape)))
    return [made[axis] for axis in order if axis in made], index


def by_stride(counters: Sequence[Counter | None], value: Any, at: Index) -> list[Counter]:
    """Counters with those innermost along which most is contiguous."""
    loads = loads_of([value])

    def near(c: Counter) -> tuple[int, int]:
        steps = [stride(load.at, c) for load in loads] + [stride(at, c)]
        return sum(s == 1 for s in steps), -sum(abs(s) if s is not None else 1 << 20 for s in steps)

    return sorted((c for c in counters if c is not None), key=near)


def copy_nest(source: Buffer, target: Buffer) -> Nest:
    """The target becomes what the source is; both have the same shape and dtype."""
    counters, index = box(target.type.shape, axes_of(target))
    at = place(source, index)
    load = Load(source, at, used(at), source.type.dtype)
    return Nest(counters, [Store(target, place(target, index), load)], [f"{target.name} = {source.name}"])
