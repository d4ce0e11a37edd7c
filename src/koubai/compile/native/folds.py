"""Folds: sums that go along a loop, in several parts at once so that one addition need not wait for the last."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import product

from koubai.compile.index import Counter
from koubai.compile.llvm import Value, lanes_of, vector
from koubai.compile.native.elements import Elements
from koubai.compile.native.prepare import size, weight
from koubai.compile.native.scalars import Number, element
from koubai.compile.nest import Nest
from koubai.ops.lowering import Fold

__all__ = ["fold_across", "fold_along"]

LIGHT = 6  # operations of a turn that take less time than the sum does, so that several sums pay
UNROLLED = 100  # operations of all turns of a fold, that are written one after the other
CHAINS = 4  # sums that a long reduction keeps


def fold_across(x: Elements, nest: Nest) -> None:
    """Fold over the inner counters, for as many outer places at once as there are lanes."""
    if not size(nest.inner):
        x.put(nest.stores[0], _start(x, nest))
        return
    loops = x.loops
    *others, last = nest.inner or [Counter(1)]
    few = size(nest.inner) * max(1, weight(nest)) <= UNROLLED
    chains = CHAINS if last.extent >= 2 * CHAINS and weight(nest) <= LIGHT and not few else 1
    sums = _Sums(x, nest, loops.lanes, chains)

    def along_last() -> None:
        whole = last.extent - last.extent % chains
        with loops.turns(last, 0, whole, chains):
            sums.take_all(last, 1)
        for k in range(whole, last.extent):
            with loops.at(last, x.f.integer(k)):
                sums.take(k - whole)

    if few:
        for place in product(*(range(c.extent) for c in nest.inner)):
            with ExitStack() as turn:
                for c, k in zip(nest.inner, place):
                    turn.enter_context(loops.at(c, x.f.integer(k)))
                sums.take(0)
    else:
        loops.over(others, along_last)
    x.put(sums.store, sums.of_chains())


def fold_along(x: Elements, nest: Nest, along: Counter, lanes: int) -> None:
    """Fold vectors of values that lie side by side, and their lanes at the end."""
    if not size(nest.inner):
        x.put(nest.stores[0], _start(x, nest))
        return
    loops = x.loops
    others = [c for c in nest.inner if c is not along]
    chains = CHAINS if along.extent >= 2 * CHAINS * lanes and weight(nest) <= LIGHT else 1
    sums = _Sums(x, nest, lanes, chains)

    def in_lanes() -> None:
        whole = along.extent - along.extent % lanes
        full = whole - whole % (lanes * chains)
        if full:
            with loops.turns(along, 0, full, lanes * chains):
                sums.take_all(along, lanes)
        for k, at in enumerate(range(full, whole, lanes)):
            with loops.at(along, x.f.integer(at)), loops.wide(along, lanes):
                sums.take(k)
        if whole < along.extent:
            with loops.rest(along, lanes, whole):
                sums.take(chains - 1, loops.mask)

    loops.over(others, in_lanes)
    x.put(sums.store, sums.of_lanes(sums.of_chains()))


def _start(x: Elements, nest: Nest) -> Number:
    dtype = nest.stores[0].buffer.type.dtype
    return x.e.constant(_how(nest).start(dtype), dtype)


def _how(nest: Nest) -> Fold:
    assert nest.fold is not None
    return nest.fold


class _Sums:
    """What has been folded so far: a vector for each chain."""

    def __init__(self, x: Elements, nest: Nest, lanes: int, chains: int) -> None:
        self.x, self.step, self.lanes = x, _how(nest).step, lanes
        (self.store,) = nest.stores
        self.dtype = self.store.buffer.type.dtype
        start = x.f.splat(_start(x, nest).value, lanes)
        self.places = [x.f.variable(start) for _ in range(chains)]

    def take_all(self, counter: Counter, apart: int) -> None:
        """In a loop's turn a value (a vector, where it is `apart` that many) for each chain."""
        f, loops = self.x.f, self.x.loops
        here = loops.counter[counter]
        for k in range(len(self.places)):
            if k:
                loops.move(counter, f.add(here, f.integer(k * apart)))
            if apart == 1:
                self.take(k)
            else:
                with loops.wide(counter, apart):
                    self.take(k)

    def take(self, chain: int, mask: Value | None = None) -> None:
        """One more value; lanes that a mask leaves out keep what they have."""
        f, place = self.x.f, self.places[chain]
        before = self._sum(place)
        value = self.x.e.cast(self.x.value(self.store.value), self.dtype)
        taken = self.step(self.x.e, before, value).value
        if mask is not None:
            taken = f.splat(taken, self.lanes) if lanes_of(taken.type) < self.lanes else taken
            taken = f.select(mask, taken, before.value)
        f.store(taken, place)

    def _sum(self, place: Value) -> Number:
        return Number(self.x.f.load(place, vector(element(self.dtype), self.lanes)), self.dtype)

    def of_chains(self) -> Number:
        """All chains, by pairs."""
        sums = [self._sum(place) for place in self.places]
        while len(sums) > 1:
            sums = [self.step(self.x.e, a, b) for a, b in zip(sums[::2], sums[1::2])]
        return sums[0]

    def of_lanes(self, sums: Number) -> Number:
        """All lanes, half by half."""
        f, lanes = self.x.f, self.lanes
        while lanes > 1:
            lanes //= 2
            if lanes == 1:
                low, high = f.extract(sums.value, 0), f.extract(sums.value, 1)
            else:
                low = f.shuffle(sums.value, sums.value, range(lanes))
                high = f.shuffle(sums.value, sums.value, range(lanes, 2 * lanes))
            sums = self.step(self.x.e, Number(low, self.dtype), Number(high, self.dtype))
        return sums
