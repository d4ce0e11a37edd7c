"""Elements of buffers and what is computed of them, in one lane or in many."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from koubai.compile.index import Affine, Counter, Division, Index, Read, affine, counters_of
from koubai.compile.llvm import Value, lanes_of, vector
from koubai.compile.native.loops import Loops
from koubai.compile.native.runs import NEAR, Carried, interleaved, load_strided, side_by_side, store_strided
from koubai.compile.native.scalars import Emitter, Number, memory
from koubai.compile.nest import Last, Literal, Load, Nest, Position, Store, stride

__all__ = ["Elements"]


class Elements:
    """Values, loads and stores where the loops stand.

    Attributes
    ----------
    loops : Loops
    e : Emitter
    base : dict
        Slot -> the buffer's address.
    carried : Carried
        What is handed from turn to turn, where something is.
    """

    carried: Carried

    def __init__(self, loops: Loops, base: dict[int, Value]) -> None:
        self.loops, self.base = loops, base
        self.f = loops.f
        self.e = Emitter(self.f)

    # Stores

    def store(self, nest: Nest) -> None:
        """What a nest does in each turn."""
        loops = self.loops
        values = [self.value(store.value) for store in nest.stores]  # all read before the first is written over
        if loops.along is not None and loops.mask is None and side_by_side(nest.stores, loops.along):
            first = nest.stores[0]
            result = interleaved(self.f, [self._as_stored(s, v) for s, v in zip(nest.stores, values)])
            self.f.store(result, self._pointer(first.buffer.slot, first.at, memory(first.buffer.type.dtype)))
            return
        for store, value in zip(nest.stores, values):
            self.put(store, value)

    def put(self, store: Store, value: Number) -> None:
        """A value goes where a store says."""
        dtype, loops = store.buffer.type.dtype, self.loops
        if store.add:
            before = Load(store.buffer, store.at, frozenset([loops.along] if loops.along else []), dtype)
            value = self.e.add(self._loaded(before), self.e.cast(value, dtype))
        result = self._as_stored(store, value)
        step = None if loops.along is None else stride(store.at, loops.along)
        if loops.along is None or loops.lanes == 1:
            self.f.store(result, self._pointer(store.buffer.slot, store.at, memory(dtype)))
        elif step == 1:
            pointer = self._pointer(store.buffer.slot, store.at, memory(dtype))
            if loops.mask is None:
                self.f.store(result, pointer)
            else:
                self.f.masked_store(result, pointer, loops.mask)
        elif step in NEAR and not store.add:
            pointer = self._pointer(store.buffer.slot, store.at, memory(dtype))
            store_strided(self.f, result, pointer, loops.filled, step)
        else:
            self.f.scatter(result, self._pointers(store.buffer.slot, store.at, memory(dtype)), self._all())

    def _as_stored(self, store: Store, value: Number) -> Value:
        """A value as it lies in memory, in all lanes."""
        dtype, lanes = store.buffer.type.dtype, self.loops.lanes
        result = self.e.cast(value, dtype).value
        if dtype.kind == "b":
            result = self.f.convert("zext", result, vector("i8", lanes_of(result.type)))
        return self.f.splat(result, lanes) if lanes_of(result.type) < lanes else result

    def _all(self) -> Value:
        return self.f.first_lanes(self.loops.filled, self.loops.lanes)

    # Values

    def value(self, x: Any) -> Number:
        """An expression's value, computed in the outermost loop in which it can be."""
        found: Number = self.loops.once(self.loops.depth(x.counters), x, lambda: self._made(x))
        return found

    def _made(self, x: Any) -> Number:
        if isinstance(x, Literal):
            return self.e.constant(x.value, x.dtype)
        if isinstance(x, Load):
            return self._loaded(x)
        if isinstance(x, Position):
            return Number(self._index(affine(x.at), wide=self.loops.along in x.counters), x.dtype)
        if isinstance(x, Last):
            return self.carried.last(x)
        values = []
        for z, dtype in zip(x.inputs, x.casts):
            if isinstance(z, Literal) and dtype is not None:
                values.append(self.e.constant(z.value, dtype))
            else:
                values.append(self.value(z) if dtype is None else self.e.cast(self.value(z), dtype))
        return self.e.cast(x.body(self.e, *values), x.dtype)

    def _loaded(self, x: Load) -> Number:
        kind, loops = memory(x.dtype), self.loops
        along = loops.along if loops.along in x.counters else None
        step = None if along is None else stride(x.at, along)
        if along is None:
            value = self.f.load(self._pointer(x.buffer.slot, x.at, kind), kind)
        elif step == 1:
            pointer = self._pointer(x.buffer.slot, x.at, kind)
            wanted = vector(kind, loops.lanes)
            if loops.mask is None:
                value = self.f.load(pointer, wanted)
            else:
                value = self.f.masked_load(pointer, wanted, loops.mask)
        elif step is not None and step in NEAR:
            pointer = self._pointer(x.buffer.slot, x.at, kind)
            value = load_strided(self.f, pointer, vector(kind, loops.lanes), loops.filled, step)
        else:
            value = self.f.gather(self._pointers(x.buffer.slot, x.at, kind), vector(kind, loops.lanes), self._all())
        if x.dtype.kind == "b":
            value = self.f.compare("ne", value, self.f.constant(0, value.type))
        return Number(value, x.dtype)

    # Addresses

    def _pointer(self, slot: int, at: Index, kind: str) -> Value:
        """The address of an element; the part that outer counters decide is computed out there."""
        pointer, at = self.base[slot], affine(at)
        by_depth: dict[int, list[Any]] = {}
        for atom, c in at.terms:
            depth = self.loops.depth(counters_of(Affine(((atom, 1),))))
            by_depth.setdefault(depth, []).append((atom, c))
        if at.constant:
            by_depth.setdefault(0, [])
        key: tuple[Any, ...] = (slot, kind)
        for depth in sorted(by_depth):
            part = Affine(tuple(by_depth[depth]), at.constant if depth == min(by_depth) else 0)
            key = (*key, part)
            pointer = self.loops.once(depth, key, partial(self._beyond, pointer, part, kind))
        return pointer

    def _beyond(self, pointer: Value, part: Affine, kind: str) -> Value:
        return self.f.offset(pointer, self._index(part), kind)

    def _pointers(self, slot: int, at: Index, kind: str) -> Value:
        index = self._index(affine(at), wide=True)
        return self.f.offsets(self.base[slot], index, kind)

    def _index(self, at: Affine, *, wide: bool = False) -> Value:
        """An index as i64; `wide`: one in each lane."""
        f, lanes = self.f, self.loops.lanes
        total: Value | None = None
        for atom, c in at.terms:
            value = self._atom(atom, wide)
            if c != 1:
                value = f.binary("mul nsw", value, f.constant(c, value.type))
            total = value if total is None else self._sum(total, value)
        if total is None:
            return f.integer(at.constant)
        if at.constant:
            total = f.binary("add nsw", total, f.constant(at.constant, total.type))
        return f.splat(total, lanes) if wide and lanes_of(total.type) < lanes else total

    def _sum(self, a: Value, b: Value) -> Value:
        lanes = max(lanes_of(a.type), lanes_of(b.type))
        a, b = (self.f.splat(v, lanes) if lanes_of(v.type) < lanes else v for v in (a, b))
        return self.f.binary("add nsw", a, b)

    def _atom(self, atom: Any, wide: bool) -> Value:
        f, lanes, along = self.f, self.loops.lanes, self.loops.along
        if isinstance(atom, Counter):
            value = self.loops.counter[atom]
            if wide and atom is along:
                return f.add(f.splat(value, lanes), f.lanes(range(lanes), "i64"))
            return value
        if isinstance(atom, Division):
            inner = self._index(atom.index, wide=wide and along in set(counters_of(atom.index)))
            return f.binary("urem" if atom.remainder else "udiv", inner, f.constant(atom.by, inner.type))
        assert isinstance(atom, Read)
        value = self.e.cast(self.value(atom.value), np.dtype(np.int64)).value
        if not wide and lanes_of(value.type) > 1:
            raise AssertionError("a vector of indices where one was expected")
        negative = f.compare("slt", value, f.zero(value.type))
        return f.select(negative, f.add(value, f.constant(atom.length, value.type)), value)
