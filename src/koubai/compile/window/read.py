"""Vectors of neighbours, wherever these lie in memory."""

from __future__ import annotations

from koubai.compile.llvm import Function, Value, lanes_of, vector
from koubai.compile.product.cuts import Part

__all__ = ["read", "write"]

NEAR = 4  # elements so far apart are loaded together with what lies between


def read(f: Function, element: str, pointer: Value, part: Part, stride: int = 1) -> Value:
    """The lanes of a part, the first one at a place, so many elements apart; zero beyond the part's width."""
    if part.lanes == 1:
        return f.load(pointer, element)
    if not 0 < stride <= NEAR:
        pointers = f.offsets(pointer, f.lanes([k * stride for k in range(part.lanes)], "i64"), element)
        return f.gather(pointers, part.type(element), f.first_lanes(part.width, part.lanes))
    span, needed = stride * part.lanes, stride * (part.width - 1) + 1
    type = vector(element, span)
    whole = f.load(pointer, type) if needed == span else f.masked_load(pointer, type, f.first_lanes(needed, span))
    return _every(f, whole, stride)


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


def _every(f: Function, x: Value, step: int) -> Value:
    """Every so manieth lane, from the first one on."""
    return x if step == 1 else f.shuffle(x, x, range(0, lanes_of(x.type), step))
