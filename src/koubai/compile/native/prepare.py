"""What is decided of a nest before it is written: which loops become one, and whose turns lie in a vector's lanes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from koubai.compile.index import Counter, Index, affine, plus, times
from koubai.compile.llvm import Machine
from koubai.compile.nest import Apply, Load, Nest, Store, fixed_stride, loads_of, positions_of, stride

__all__ = ["collapse", "lanes_for", "size", "vector_counter", "weight", "widest"]

# Vectors


def lanes_for(machine: Machine, extent: int, itemsize: int) -> int:
    """A vector's lanes; fewer (a power of two) where the loop is shorter than that."""
    most = machine.lanes(itemsize)
    lanes = 1
    while lanes < min(most, extent):
        lanes *= 2
    return lanes


def vector_counter(nest: Nest, machine: Machine) -> Counter | None:
    """The innermost loop, or in a fold the better one of the two innermost."""
    candidates = [c[-1] for c in (nest.counters, nest.inner if nest.fold else []) if c]
    if nest.ordered or not candidates:
        return None
    return max(candidates, key=lambda c: _merit(c, nest, machine))


def _merit(c: Counter, nest: Nest, machine: Machine) -> float:
    """Contiguous accesses count for, strided ones against, and so does a vector that stays half empty."""
    loads = [x for x in loads_of(nest.stores) if c in x.counters]
    contiguous = sum(stride(x.at, c) == 1 for x in loads)
    fill = min(1.0, c.extent / machine.lanes(widest(nest)))
    return (contiguous - 2 * (len(loads) - contiguous)) * fill + fill - 0.5 * (c in nest.inner)


# Sizes


def size(counters: Sequence[Counter]) -> int:
    """The turns of all loops together."""
    return int(np.prod([c.extent for c in counters], dtype=np.int64))


def widest(nest: Nest) -> int:
    """Bytes of the largest floating-point number that a nest computes with; of the result where there is none."""
    dtypes = [s.buffer.type.dtype for s in nest.stores] + [x.dtype for x in loads_of(nest.stores)]
    floats = [d.itemsize for d in dtypes if d.kind == "f"]
    return int(max(floats or [d.itemsize for d in dtypes]))


def weight(nest: Nest) -> int:
    """The operations of a turn."""
    found: dict[int, None] = {}
    stack = [s.value for s in nest.stores]
    while stack:
        x = stack.pop()
        if isinstance(x, Apply) and id(x) not in found:
            found[id(x)] = None
            stack += x.inputs
    return len(found)


# Merging


def collapse(nest: Nest) -> None:
    """Make one of neighbouring loops where every access runs through both without a jump."""
    counters = list(nest.counters)
    k = len(counters) - 1
    while k > 0:
        outer, inner = counters[k - 1], counters[k]
        leaves = [x.at for x in loads_of(nest.stores)] + [x.at for x in positions_of(nest.stores)]
        accesses = leaves + [s.at for s in nest.stores]
        if all(_continuous(at, outer, inner) for at in accesses):
            merged = Counter(outer.extent * inner.extent)
            done: dict[int, Any] = {}
            nest.stores = [_merged(s, outer, inner, merged, done) for s in nest.stores]
            counters[k - 1 : k + 1] = [merged]
        k -= 1
    nest.counters = counters


def _continuous(at: Index, outer: Counter, inner: Counter) -> bool:
    big, small = stride(at, outer), stride(at, inner)
    return big is not None and small is not None and big == small * inner.extent


def _merged(x: Any, outer: Counter, inner: Counter, merged: Counter, done: dict[int, Any]) -> Any:
    """An expression (or a store) on the one counter instead of the two."""
    if id(x) in done:
        return done[id(x)]
    if isinstance(x, (Load, Store)):
        step = fixed_stride(x.at, inner)
        rest = plus(plus(x.at, times(affine(inner), -step)), times(affine(outer), -step * inner.extent))
        at = plus(rest, times(affine(merged), step))
        made: Any
        if isinstance(x, Store):
            return Store(x.buffer, at, _merged(x.value, outer, inner, merged, done), x.add)
        made = Load(x.buffer, at, _exchanged(x.counters, outer, inner, merged), x.dtype)
    elif isinstance(x, Apply):
        inputs = tuple(_merged(z, outer, inner, merged, done) for z in x.inputs)
        made = Apply(x.body, inputs, x.casts, x.dtype, x.name, _exchanged(x.counters, outer, inner, merged))
    else:
        made = x
    done[id(x)] = made
    return made


def _exchanged(counters: frozenset[Counter], outer: Counter, inner: Counter, merged: Counter) -> frozenset[Counter]:
    both = {outer, inner}
    return (counters - both) | {merged} if counters & both else counters
