"""Loops that hand numbers from turn to turn, and stores of several vectors into each other's gaps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from koubai.compile.index import Counter, plus
from koubai.compile.llvm import Function, Value, element_of, lanes_of, vector
from koubai.compile.native.scalars import Emitter, Number, element
from koubai.compile.nest import Last, Nest, Store, stride

__all__ = ["NEAR", "Carried", "interleaved", "load_strided", "side_by_side", "store_strided"]

# Strides at which whole vectors with all that lies between are faster than gathers and scatters.
NEAR = (-4, -3, -2, -1, 2, 3, 4)


class Carried:
    """The numbers that a nest hands from turn to turn, each in as many lanes as places are computed at once."""

    def __init__(self, e: Emitter, nest: Nest, lanes: int) -> None:
        self.f, self.lanes, self.nest = e.f, lanes, nest
        starts = (e.constant(last.start, last.dtype).value for last, _ in nest.carried)
        self.places = [self.f.variable(self.f.splat(start, lanes)) for start in starts]

    def last(self, x: Last) -> Number:
        """What the turn before left."""
        (k,) = (k for k, (last, _) in enumerate(self.nest.carried) if last is x)
        return Number(self.f.load(self.places[k], vector(element(x.dtype), self.lanes)), x.dtype)

    def step(self, value: Callable[[Any], Number]) -> Number:
        """One turn; the last number that it leaves."""
        found = [value(following) for _, following in self.nest.carried]
        for place, x in zip(self.places, found):
            missing = lanes_of(x.value.type) < self.lanes
            self.f.store(self.f.splat(x.value, self.lanes) if missing else x.value, place)
        return found[-1]


def side_by_side(stores: Sequence[Store], along: Counter) -> bool:
    """Whether the stores of each turn fill what lies between those of the turns before and after."""
    first, count = stores[0], len(stores)
    return count in (2, 4, 8) and all(
        s.buffer.slot == first.buffer.slot and not s.add and s.at == plus(first.at, k) and stride(s.at, along) == count
        for k, s in enumerate(stores)
    )


def load_strided(f: Function, pointer: Value, type: str, filled: int, step: int) -> Value:
    """Elements `step` apart from the pointer on; beyond the first `filled` nothing is read."""
    kind, lanes, apart = element_of(type), lanes_of(type), abs(step)
    if step < 0:
        pointer = f.offset(pointer, step * (filled - 1), kind)
    span, needed = apart * lanes, apart * (filled - 1) + 1
    wide = vector(kind, span)
    found = f.load(pointer, wide) if needed == span else f.masked_load(pointer, wide, f.first_lanes(needed, span))
    places = [min(k if step > 0 else filled - 1 - k, filled - 1) for k in range(lanes)]
    return f.shuffle(found, found, [apart * max(k, 0) for k in places])


def store_strided(f: Function, value: Value, pointer: Value, filled: int, step: int) -> None:
    """The first `filled` lanes go `step` apart from the pointer on; what lies between stays."""
    lanes, apart = lanes_of(value.type), abs(step)
    if step < 0:
        pointer = f.offset(pointer, step * (filled - 1), element_of(value.type))
    order = [min(k // apart, filled - 1) for k in range(apart * lanes)]
    spread = f.shuffle(value, value, order if step > 0 else [filled - 1 - k for k in order])
    here = (k % apart == 0 and k // apart < filled for k in range(apart * lanes))
    f.masked_store(spread, pointer, f.lanes(list(here), "i1"))


def interleaved(f: Function, vectors: Sequence[Value]) -> Value:
    """The first elements of all vectors, then the second ones, ... of a number of vectors that is a power of two."""
    found = list(vectors)
    while len(found) > 1:
        half, n = len(found) // 2, lanes_of(found[0].type)
        order = [k + n * other for k in range(n) for other in (0, 1)]
        found = [f.shuffle(found[k], found[k + half], order) for k in range(half)]
    return found[0]
