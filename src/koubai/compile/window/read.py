"""Vectors of neighbours, wherever these lie in memory."""

from __future__ import annotations

from koubai.compile.llvm.builder import Function, Value, vector
from koubai.compile.product.cuts import Part
from koubai.compile.window.problem import Axis

__all__ = ["met", "read", "write"]


def read(f: Function, element: str, pointer: Value, part: Part, stride: int = 1) -> Value:
    """The lanes of a part, the first one at a place, so many elements apart; zero beyond the part's width."""
    mask = part.mask(f)
    if part.lanes == 1:
        return f.load(pointer, element)
    if stride != 1:
        pointers = f.offsets(pointer, f.lanes([k * stride for k in range(part.lanes)], "i64"), element)
        return f.gather(pointers, part.type(element), mask or f.first_lanes(part.lanes, part.lanes))
    return f.load(pointer, part.type(element)) if mask is None else f.masked_load(pointer, part.type(element), mask)


def write(f: Function, element: str, value: Value, pointer: Value, part: Part, stride: int) -> None:
    """The counterpart of `read`."""
    mask = part.mask(f)
    if part.lanes > 1 and stride != 1:
        pointers = f.offsets(pointer, f.lanes([k * stride for k in range(part.lanes)], "i64"), element)
        f.scatter(value, pointers, mask or f.first_lanes(part.lanes, part.lanes))
    elif mask is None:
        f.store(value, pointer)
    else:
        f.masked_store(value, pointer, mask)


def met(
    f: Function, element: str, axis: Axis, source: Value, stride: int, start: Value, tap: Value, part: Part
) -> Value:
    """What a tap meets at the places of an axis from `start` on, zero where it meets nothing."""
    at = f.add(f.mul(start, f.integer(axis.scale)), f.mul(tap, f.integer(axis.slope)))
    at = f.add(at, f.integer(axis.shift))
    if axis.full and axis.divisor == 1:
        return read(f, element, f.offset(source, f.mul(at, f.integer(stride)), element), part, axis.scale * stride)
    type = vector("i64", part.lanes)
    where = f.splat(at, part.lanes)
    if part.lanes > 1:
        where = f.add(where, f.lanes([k * axis.scale for k in range(part.lanes)], "i64"))
    inside = f.compare("ult", where, f.constant(axis.source * axis.divisor, type))
    if part.width < part.lanes:
        inside = f.binary("and", inside, f.first_lanes(part.width, part.lanes))
    if axis.divisor > 1:
        rest = f.binary("urem", where, f.constant(axis.divisor, type))
        inside = f.binary("and", inside, f.compare("eq", rest, f.constant(0, type)))
        where = f.binary("udiv", where, f.constant(axis.divisor, type))
    elif axis.scale * stride == 1 and part.lanes > 1:
        return f.masked_load(f.offset(source, at, element, inside=False), part.type(element), inside)
    safe = f.select(inside, where, f.constant(0, type))
    if part.lanes == 1:
        value = f.load(f.offset(source, f.mul(safe, f.integer(stride)), element), element)
        return f.select(inside, value, f.constant(0.0, element))
    pointers = f.offsets(source, f.mul(safe, f.constant(stride, type)), element)
    return f.gather(pointers, part.type(element), inside)
