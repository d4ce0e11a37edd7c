"""Copies that lie one way in memory and are to lie the other way: square by square in registers."""

from __future__ import annotations

from math import prod

from koubai.compile.index import Counter, affine
from koubai.compile.llvm import Function, Value, vector
from koubai.compile.native.scalars import memory
from koubai.compile.nest import Load, Nest, fixed_stride, stride
from koubai.compile.product.cuts import Part, parts_of
from koubai.compile.product.pack import dealt, joined
from koubai.compile.window.problem import digits

__all__ = ["turned", "write_turned"]

CHUNK = 64  # elements along the source that a unit of work has
LEAST = 8  # shorter axes are not worth it


def turned(nest: Nest) -> tuple[Counter, Counter] | None:
    """The counters along which source and target are contiguous, if a nest only copies from one to the other."""
    if nest.fold or nest.carried or nest.ordered or len(nest.stores) != 1:
        return None
    (store,) = nest.stores
    load, dtype = store.value, store.buffer.type.dtype
    if not isinstance(load, Load) or load.dtype != dtype or dtype.itemsize not in (4, 8) or store.add:
        return None
    steps = {c: (stride(load.at, c), stride(store.at, c)) for c in nest.counters}
    if any(None in pair for pair in steps.values()) or len(affine(load.at).terms) != len(steps):
        return None
    along = [c for c, (a, b) in steps.items() if a == 1 and b != 1 and c.extent >= LEAST]
    across = [c for c, (a, b) in steps.items() if b == 1 and a != 1 and c.extent >= LEAST]
    return (along[0], across[0]) if along and across else None


def write_turned(
    f: Function, source: Value, target: Value, nest: Nest, axes: tuple[Counter, Counter], lanes: int
) -> int:
    """The body of a function whose last arguments say which units of work to do; returns how many there are."""
    (store,) = nest.stores
    load, (along, across) = store.value, axes
    kind = memory(store.buffer.type.dtype)
    others = [c for c in nest.counters if c not in axes]
    extents = [*(c.extent for c in others), -(-along.extent // CHUNK)]
    steps = 16 // store.buffer.type.dtype.itemsize
    apart, beside = fixed_stride(load.at, across), fixed_stride(store.at, along)
    with f.loop(f.arguments[-2], f.arguments[-1]) as unit:
        *places, chunk = digits(f, unit, extents)
        start = f.mul(chunk, f.integer(CHUNK))
        here = f.offset(source, f.add(start, f.integer(affine(load.at).constant)), kind)
        there = f.offset(target, f.add(f.mul(start, f.integer(beside)), f.integer(affine(store.at).constant)), kind)
        for c, place in zip(others, places):
            here = f.offset(here, f.mul(place, f.integer(fixed_stride(load.at, c))), kind)
            there = f.offset(there, f.mul(place, f.integer(fixed_stride(store.at, c))), kind)
        left = f.intrinsic("smin", f.sub(f.integer(along.extent), start), f.integer(CHUNK))
        rest = along.extent % steps
        whole = f.binary("and", left, f.integer(-steps))
        *full, last = parts_of(across.extent, lanes)
        blocks = [(Part(0, lanes, lanes), 0, len(full))] if full else []
        for part, first, count in [*blocks, (last, last.start, 1)]:
            with f.loop(0, count) as block:
                at = f.add(f.mul(block, f.integer(lanes)), f.integer(first))
                a, b = f.offset(here, f.mul(at, f.integer(apart)), kind), f.offset(there, at, kind)
                with f.loop(0, whole, steps) as k:
                    from_, to = f.offset(a, k, kind), f.offset(b, f.mul(k, f.integer(beside)), kind)
                    _square(f, from_, to, kind, part, steps, steps, apart, beside)
                if rest:
                    with f.when(f.compare("ne", whole, left)):
                        from_, to = f.offset(a, whole, kind), f.offset(b, f.mul(whole, f.integer(beside)), kind)
                        _square(f, from_, to, kind, part, steps, rest, apart, beside)
    return prod(extents)


def _square(
    f: Function, source: Value, target: Value, kind: str, part: Part, steps: int, filled: int, apart: int, beside: int
) -> None:
    """Rows of so many elements become columns; `filled` of them are there."""
    lanes, row = max(part.lanes, steps), vector(kind, steps)
    rows = []
    for i in range(lanes):
        if i >= part.width:
            rows.append(f.zero(row))
            continue
        place = f.offset(source, i * apart, kind)
        mask = f.first_lanes(filled, steps)
        rows.append(f.load(place, row) if filled == steps else f.masked_load(place, row, mask))
    for k, column in enumerate(dealt(f, [joined(f, rows[i::steps]) for i in range(steps)])[:filled]):
        place = f.offset(target, k * beside, kind)
        if part.width == lanes:
            f.store(column, place)
        else:
            f.masked_store(column, place, f.first_lanes(part.width, lanes))
