"""A nest of loops as an LLVM function on vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import product
from typing import Any

import numpy as np

from koubai.compile.index import Affine, Counter, Division, Index, Read, affine, counters_of, plus, times
from koubai.compile.llvm import Block, Machine, Module, Value, lanes_of, vector
from koubai.compile.native.runs import NEAR, Carried, interleaved, load_strided, side_by_side, store_strided
from koubai.compile.native.scalars import Emitter, Number, element, memory
from koubai.compile.native.transposed import turned, write_turned
from koubai.compile.nest import Apply, Check, Last, Literal, Load, Nest, Position, Store, buffers_read, loads_of, stride

__all__ = ["Written", "write_check", "write_nest"]

ALONE = "nounwind noinline"  # inlining would only make one function of many, which LLVM compiles more slowly
WORTH_SHARING = 4.0  # microseconds; two threads meet in some 0.2
UNIT = 1 << 13  # elements that a thread takes at once from a nest with one loop
LIGHT = 6  # operations
UNROLLED = 100  # operations of all turns of a fold, that are written one after the other
CHAINS = 4  # sums that a long reduction keeps, so that one addition need not wait for the last


class Written:
    """A function of the module that does a nest's work.

    Attributes
    ----------
    name : str
    slots : list of int
        Of its pointers, in order.
    first, last : int
        Its units of work: from first to last (excluded).
    parallel : bool
        Whether it takes long enough for several threads to share it.
    """

    __slots__ = ("first", "last", "name", "parallel", "slots")

    def __init__(self, name: str, slots: list[int], first: int, last: int, cost: float = 0.0) -> None:
        self.name, self.slots, self.first, self.last = name, slots, first, last
        self.parallel = cost > WORTH_SHARING and last - first > 1


def write_nest(module: Module, machine: Machine, nest: Nest, name: str) -> Written:
    """``void name(ptr ..., i64 first, i64 last)``: units [first, last) of the nest's work."""
    return _Writer(module, machine, name, nest.stores, nest).nest()


def write_check(module: Module, machine: Machine, check: Check, name: str) -> Written:
    """``i1 name(ptr ...)``: whether the check holds."""
    return _Writer(module, machine, name, [check.fits], None).check(check)


class _Writer:
    def __init__(self, module: Module, machine: Machine, name: str, roots: Sequence[Any], nest: Nest | None) -> None:
        self.machine, self.roots, self.shape = machine, roots, nest
        buffers = {b.slot: b for b in [*buffers_read(roots), *(s.buffer for s in roots if isinstance(s, Store))]}
        self.slots = list(buffers)
        pointers = [("ptr noalias", f"b{slot}") for slot in self.slots]
        if nest is None:
            self.f = module.function(name, pointers, result="i1", attributes=ALONE, linkage="internal")
        else:
            ranged = [*pointers, ("i64", "first"), ("i64", "last")]
            self.f = module.function(name, ranged, attributes=ALONE, linkage="internal")
            self.first, self.last = self.f.arguments[-2:]
        self.base = dict(zip(self.slots, self.f.arguments))
        self.e = Emitter(self.f)
        self.name = name
        self.depth: dict[Counter, int] = {}
        self.blocks: list[Block] = [self.f.block]
        self.memo: list[dict[Any, Any]] = [{}]
        self.counter: dict[Counter, Value] = {}
        self.lanes = 1  # how many turns at once,
        self.along: Counter | None = None  # of which counter
        self.mask: Value | None = None

    # The whole function

    def nest(self) -> Written:
        nest = self.shape
        assert nest is not None
        if any(c.extent == 0 for c in nest.counters):
            self.f.ret()
            return Written(self.name, self.slots, 0, 0)
        counters = nest.counters if nest.fold or nest.carried else self._collapsed(nest.counters)
        # A vector of a value or two takes about a nanosecond.
        cost = _size(nest.counters) * _size(nest.inner) * len(nest.stores) * _widest(nest) / 64 * 1e-3
        if (axes := turned(nest)) is not None and not nest.unit:
            source, target = (self.base[x.buffer.slot] for x in (nest.stores[0].value, nest.stores[0]))
            units = write_turned(self.f, source, target, nest, axes, self.machine.lanes(_widest(nest)))
            self.f.ret()
            return Written(self.name, self.slots, 0, units, cost)
        vectorized = None if nest.ordered else self._vector_counter(counters, nest)
        body = self._folded if nest.fold else self._carried if nest.carried else self._stores
        if vectorized is not None and vectorized in nest.inner:
            units = self._outer(counters, lambda: self._fold_along(vectorized))
        else:
            units = self._outer(counters, body, vectorized)
        self.f.ret()
        return Written(self.name, self.slots, 0, units, cost)

    def check(self, check: Check) -> Written:
        if any(c.extent == 0 for c in check.counters):
            self.f.ret(Value("true", "i1"))
            return Written(self.name, self.slots, 0, 0)
        wrong = self.f.variable(Value("false", "i1"))
        inner = check.counters[-1] if check.counters else None
        lanes = self._lanes_for(inner.extent, 4) if inner else 1

        def body() -> None:
            fits = self.value(check.fits).value
            bad = self.f.opposite(fits)
            if self.mask is not None:
                bad = self.f.binary("and", bad, self.mask)
            if lanes_of(bad.type) > 1:
                bad = self.f.intrinsic("vector.reduce.or", bad, result="i1")
            self.f.store(self.f.binary("or", self.f.load(wrong, "i1"), bad), wrong)

        self._loops(check.counters, body, inner, lanes)
        self.f.ret(self.f.opposite(self.f.load(wrong, "i1")))
        return Written(self.name, self.slots, 0, 1)

    # Loops

    def _outer(self, counters: list[Counter], body: Callable[[], None], along: Counter | None = None) -> int:
        """All the counters, the outermost split into units; returns how many there are."""
        nest = self.shape
        assert nest is not None
        lanes = self._lanes_for(along.extent, _widest(nest)) if along is not None else 1
        if not counters or nest.ordered or nest.unit:
            self._loops(counters, body, along, lanes)
            return 1
        if len(counters) > 1 or along is None:
            outer, *others = counters
            if outer is along:  # a single vector of it would be all: let it be the unit
                self._loops(counters, body, along, lanes)
                return 1
            with self._turns(outer, self.first, self.last, 1):
                self._loops(others, body, along, lanes)
            return outer.extent
        (only,) = counters
        if only.extent <= UNIT:
            self._loops(counters, body, along, lanes)
            return 1
        units = -(-only.extent // UNIT)
        whole = only.extent - only.extent % lanes
        start = self.f.mul(self.first, self.f.integer(UNIT))
        stop = self.f.intrinsic("smin", self.f.mul(self.last, self.f.integer(UNIT)), self.f.integer(whole))
        with self._turns(only, start, stop, lanes):
            self._wide(only, lanes, None, body)
        if whole < only.extent:
            with self.f.when(self.f.compare("eq", self.last, self.f.integer(units))):
                self._rest(only, lanes, whole, body)
        return units

    def _loops(self, counters: Sequence[Counter], body: Callable[[], None], along: Counter | None, lanes: int) -> None:
        if not counters:
            body()
            return
        counter, *others = counters
        if counter is not along:
            with self._turns(counter, 0, counter.extent, 1):
                self._loops(others, body, along, lanes)
            return
        assert not others
        whole = counter.extent - counter.extent % lanes
        if whole:
            with self._turns(counter, 0, whole, lanes):
                self._wide(counter, lanes, None, body)
        if whole < counter.extent:
            self._rest(counter, lanes, whole, body)

    def _wide(self, counter: Counter, lanes: int, mask: Value | None, body: Callable[[], None]) -> None:
        before = self.lanes, self.along, self.mask
        self.lanes, self.along, self.mask = lanes, counter if lanes > 1 else None, mask
        if mask is None:
            self.filled = lanes
        body()
        self.lanes, self.along, self.mask = before

    def _rest(self, counter: Counter, lanes: int, whole: int, body: Callable[[], None]) -> None:
        """The turns that do not fill a vector, under a mask."""
        with self._at(counter, self.f.integer(whole)):
            self.filled = counter.extent - whole
            self._wide(counter, lanes, self.f.first_lanes(self.filled, lanes), body)

    def _turns(self, counter: Counter, start: Any, stop: Any, step: int) -> Any:
        return _Turns(self, counter, start, stop, step)

    def _at(self, counter: Counter, value: Value) -> Any:
        return _Fixed(self, counter, value)

    # Reductions

    def _folded(self) -> None:
        """Fold over the inner counters, for as many outer places at once as there are lanes."""
        nest = self.shape
        assert nest is not None
        assert nest.fold is not None
        store = nest.stores[0]
        dtype = store.buffer.type.dtype
        kind = vector(element(dtype), self.lanes)
        start = self.e.constant(nest.fold.start(dtype), dtype)
        if any(c.extent == 0 for c in nest.inner):
            self._put(store, start)
            return
        start_all = self.f.splat(start.value, self.lanes)
        *others, last = nest.inner or [Counter(1)]
        few = _size(nest.inner) * max(1, _weight(nest)) <= UNROLLED
        chains = CHAINS if last.extent >= 2 * CHAINS and _is_light(nest) and not few else 1
        sums = [self.f.variable(start_all) for _ in range(chains)]

        def take(chain: Value) -> None:
            so_far = Number(self.f.load(chain, kind), dtype)
            value = self.e.cast(self.value(store.value), dtype)
            taken = nest.fold.step(self.e, so_far, value)  # type: ignore[union-attr]
            self.f.store(taken.value, chain)

        def along_last() -> None:
            whole = last.extent - last.extent % chains
            with self._turns(last, 0, whole, chains):
                here = self.counter[last]
                for k, chain in enumerate(sums):
                    if k:
                        self.counter[last] = self.f.add(here, self.f.integer(k))
                        self.memo[-1] = {}
                    take(chain)
                self.counter[last] = here
            for k in range(whole, last.extent):
                with self._at(last, self.f.integer(k)):
                    take(sums[k - whole])

        if few:
            for place in product(*(range(c.extent) for c in nest.inner)):
                with ExitStack() as turn:
                    for c, k in zip(nest.inner, place):
                        turn.enter_context(self._at(c, self.f.integer(k)))
                    take(sums[0])
        else:
            self._loops(others, along_last, None, 1)
        self._put(store, self._combined(nest, [Number(self.f.load(s, kind), dtype) for s in sums]))

    def _fold_along(self, along: Counter) -> None:
        """Fold vectors of values that lie side by side, and their lanes at the end."""
        nest = self.shape
        assert nest is not None
        assert nest.fold is not None
        store = nest.stores[0]
        dtype = store.buffer.type.dtype
        start = self.e.constant(nest.fold.start(dtype), dtype)
        if any(c.extent == 0 for c in nest.inner):
            self._put(store, start)
            return
        others = [c for c in nest.inner if c is not along]
        lanes = self._lanes_for(along.extent, _widest(nest))
        start_all = self.f.splat(start.value, lanes)
        chains = CHAINS if along.extent >= 2 * CHAINS * lanes and _is_light(nest) else 1
        sums = [self.f.variable(start_all) for _ in range(chains)]

        def take(chain: Value) -> None:
            so_far = Number(self.f.load(chain, start_all.type), dtype)
            value = self.e.cast(self.value(store.value), dtype)
            taken = nest.fold.step(self.e, so_far, value).value  # type: ignore[union-attr]
            if self.mask is not None:
                taken = self.f.select(self.mask, self.f.splat(taken, lanes) if lanes_of(taken.type) < lanes else taken,
                                      so_far.value)  # fmt: skip
            self.f.store(taken, chain)

        def side_by_side() -> None:
            whole = along.extent - along.extent % lanes
            stride_ = lanes * chains
            full = whole - whole % stride_
            if full:
                with self._turns(along, 0, full, stride_):
                    here = self.counter[along]
                    for k, chain in enumerate(sums):
                        if k:
                            self.counter[along] = self.f.add(here, self.f.integer(k * lanes))
                            self.memo[-1] = {}
                        self._wide(along, lanes, None, lambda chain=chain: take(chain))  # type: ignore[misc]
                    self.counter[along] = here
            for k, at in enumerate(range(full, whole, lanes)):
                with self._at(along, self.f.integer(at)):
                    self._wide(along, lanes, None, lambda k=k: take(sums[k]))  # type: ignore[misc]
            if whole < along.extent:
                self._rest(along, lanes, whole, lambda: take(sums[-1]))

        self._loops(others, side_by_side, None, 1)
        folded = self._combined(nest, [Number(self.f.load(s, start_all.type), dtype) for s in sums])
        while lanes > 1:
            lanes //= 2
            if lanes == 1:
                low, high = self.f.extract(folded.value, 0), self.f.extract(folded.value, 1)
            else:
                low = self.f.shuffle(folded.value, folded.value, range(lanes))
                high = self.f.shuffle(folded.value, folded.value, range(lanes, 2 * lanes))
            folded = nest.fold.step(self.e, Number(low, dtype), Number(high, dtype))
        self._put(store, folded)

    def _combined(self, nest: Nest, sums: list[Number]) -> Number:
        """Pairwise."""
        while len(sums) > 1:
            pairs = zip(sums[::2], sums[1::2])
            sums = [nest.fold.step(self.e, a, b) for a, b in pairs]  # type: ignore[union-attr]
        return sums[0]

    # Stores

    def _stores(self) -> None:
        nest = self.shape
        assert nest is not None
        values = [self.value(store.value) for store in nest.stores]  # all read before the first is written over
        if self.along is not None and self.mask is None and side_by_side(nest.stores, self.along):
            first = nest.stores[0]
            result = interleaved(self.f, [self._as_stored(s, v) for s, v in zip(nest.stores, values)])
            self.f.store(result, self._pointer(first.buffer.slot, first.at, memory(first.buffer.type.dtype)))
            return
        for store, value in zip(nest.stores, values):
            self._put(store, value)

    def _carried(self) -> None:
        """A walk along the inner counter, for as many places at once as there are lanes."""
        nest = self.shape
        assert nest is not None
        (along,), (store,) = nest.inner, nest.stores
        self.carried = Carried(self.e, nest, self.lanes)
        with self._turns(along, 0, along.extent, 1):
            self._put(store, self.carried.step(self.value))

    def _as_stored(self, store: Store, value: Number) -> Value:
        """A value as it lies in memory, in all lanes."""
        dtype = store.buffer.type.dtype
        result = self.e.cast(value, dtype).value
        if dtype.kind == "b":
            result = self.f.convert("zext", result, vector("i8", lanes_of(result.type)))
        return self.f.splat(result, self.lanes) if lanes_of(result.type) < self.lanes else result

    def _put(self, store: Store, value: Number) -> None:
        dtype = store.buffer.type.dtype
        if store.add:
            before = Load(store.buffer, store.at, frozenset([self.along] if self.along else []), dtype)
            value = self.e.add(self._loaded(before), self.e.cast(value, dtype))
        result = self._as_stored(store, value)
        step = None if self.along is None else stride(store.at, self.along)
        if self.along is None or self.lanes == 1:
            self.f.store(result, self._pointer(store.buffer.slot, store.at, memory(dtype)))
        elif step == 1:
            pointer = self._pointer(store.buffer.slot, store.at, memory(dtype))
            if self.mask is None:
                self.f.store(result, pointer)
            else:
                self.f.masked_store(result, pointer, self.mask)
        elif step in NEAR and not store.add:
            pointer = self._pointer(store.buffer.slot, store.at, memory(dtype))
            store_strided(self.f, result, pointer, self.filled, step)
        else:
            self.f.scatter(result, self._pointers(store.buffer.slot, store.at, memory(dtype)), self._all())

    def _all(self) -> Value:
        return self.mask or self.f.first_lanes(self.lanes, self.lanes)

    # Values

    def value(self, x: Any) -> Number:
        """An expression's value, computed in the outermost loop in which it can be."""
        depth = max((self.depth[c] for c in x.counters if c in self.depth), default=0)
        key = id(x)
        memo = self.memo[depth]
        if key not in memo:
            if depth == len(self.blocks) - 1:
                memo[key] = self._made(x), x
            else:
                with self.f.at(self.blocks[depth]):
                    memo[key] = self._made(x), x
        found: Number = memo[key][0]
        return found

    def _made(self, x: Any) -> Number:
        if isinstance(x, Literal):
            return self.e.constant(x.value, x.dtype)
        if isinstance(x, Load):
            return self._loaded(x)
        if isinstance(x, Position):
            return Number(self._index(affine(x.at), wide=self.along in x.counters), x.dtype)
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
        kind = memory(x.dtype)
        along = self.along if self.along in x.counters else None
        step = None if along is None else stride(x.at, along)
        if along is None:
            value = self.f.load(self._pointer(x.buffer.slot, x.at, kind), kind)
        elif step == 1:
            pointer = self._pointer(x.buffer.slot, x.at, kind)
            wanted = vector(kind, self.lanes)
            if self.mask is None:
                value = self.f.load(pointer, wanted)
            else:
                value = self.f.masked_load(pointer, wanted, self.mask)
        elif step is not None and step in NEAR:
            pointer = self._pointer(x.buffer.slot, x.at, kind)
            value = load_strided(self.f, pointer, vector(kind, self.lanes), self.filled, step)
        else:
            value = self.f.gather(self._pointers(x.buffer.slot, x.at, kind), vector(kind, self.lanes), self._all())
        if x.dtype.kind == "b":
            value = self.f.compare("ne", value, self.f.constant(0, value.type))
        return Number(value, x.dtype)

    # Addresses

    def _pointer(self, slot: int, at: Index, kind: str) -> Value:
        """The address of an element; the part that outer counters decide is computed out there."""
        pointer = self.base[slot]
        at = affine(at)
        by_depth: dict[int, list[Any]] = {}
        for atom, c in at.terms:
            depth = max((self.depth[k] for k in counters_of(Affine(((atom, 1),))) if k in self.depth), default=0)
            by_depth.setdefault(depth, []).append((atom, c))
        if at.constant:
            by_depth.setdefault(0, [])
        key: tuple[Any, ...] = (slot, kind)
        for depth in sorted(by_depth):
            constant = at.constant if depth == min(by_depth) else 0
            key = (*key, tuple(by_depth[depth]), constant)
            memo = self.memo[depth]
            if key not in memo:
                part = Affine(tuple(by_depth[depth]), constant)
                if depth == len(self.blocks) - 1:
                    memo[key] = self.f.offset(pointer, self._index(part), kind)
                else:
                    with self.f.at(self.blocks[depth]):
                        memo[key] = self.f.offset(pointer, self._index(part), kind)
            pointer = memo[key]
        return pointer

    def _pointers(self, slot: int, at: Index, kind: str) -> Value:
        index = self._index(affine(at), wide=True)
        return self.f.offsets(self.base[slot], index, kind)

    def _index(self, at: Affine, *, wide: bool = False) -> Value:
        """An index as i64; `wide`: one in each lane."""
        f = self.f
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
        if wide and lanes_of(total.type) < self.lanes:
            total = f.splat(total, self.lanes)
        return total

    def _sum(self, a: Value, b: Value) -> Value:
        lanes = max(lanes_of(a.type), lanes_of(b.type))
        a, b = (self.f.splat(v, lanes) if lanes_of(v.type) < lanes else v for v in (a, b))
        return self.f.binary("add nsw", a, b)

    def _atom(self, atom: Any, wide: bool) -> Value:
        f = self.f
        if isinstance(atom, Counter):
            value = self.counter[atom]
            if wide and atom is self.along:
                return f.add(f.splat(value, self.lanes), f.lanes(range(self.lanes), "i64"))
            return value
        if isinstance(atom, Division):
            inner = self._index(atom.index, wide=wide and self.along in set(counters_of(atom.index)))
            return f.binary("urem" if atom.remainder else "udiv", inner, f.constant(atom.by, inner.type))
        assert isinstance(atom, Read)
        value = self.e.cast(self.value(atom.value), np.dtype(np.int64)).value
        if not wide and lanes_of(value.type) > 1:
            raise AssertionError("a vector of indices where one was expected")
        negative = f.compare("slt", value, f.zero(value.type))
        return f.select(negative, f.add(value, f.constant(atom.length, value.type)), value)

    # What to vectorize

    def _lanes_for(self, extent: int, itemsize: int) -> int:
        """A vector's lanes; fewer (a power of two) where the loop is shorter than that."""
        most = self.machine.lanes(itemsize)
        lanes = 1
        while lanes < min(most, extent):
            lanes *= 2
        return lanes

    def _vector_counter(self, counters: list[Counter], nest: Nest) -> Counter | None:
        """The innermost loop, or in a fold the better one of the two innermost."""
        candidates = [c[-1] for c in (counters, nest.inner if nest.fold else []) if c]
        if not candidates:
            return None
        return max(candidates, key=lambda c: self._merit(c, nest, c in nest.inner))

    def _merit(self, c: Counter, nest: Nest, folded: bool) -> float:
        """Contiguous accesses count for, strided ones against, and so does a vector that stays half empty."""
        loads = [x for x in loads_of(nest.stores) if c in x.counters]
        contiguous = sum(stride(x.at, c) == 1 for x in loads)
        fill = min(1.0, c.extent / self.machine.lanes(_widest(nest)))
        return (contiguous - 2 * (len(loads) - contiguous)) * fill + fill - 0.5 * folded

    def _collapsed(self, counters: list[Counter]) -> list[Counter]:
        """Neighbouring loops as one where every access runs through both without a jump."""
        assert self.shape is not None
        counters = list(counters)
        k = len(counters) - 1
        while k > 0:
            outer, inner = counters[k - 1], counters[k]
            accesses = [x.at for x in loads_of(self.shape.stores)] + [s.at for s in self.shape.stores]
            if all(_continuous(at, outer, inner) for at in accesses):
                merged = Counter(outer.extent * inner.extent)
                done: dict[int, Any] = {}
                self.shape.stores = [_merged(s, outer, inner, merged, done) for s in self.shape.stores]
                self.roots = self.shape.stores
                counters[k - 1 : k + 1] = [merged]
            k -= 1
        self.shape.counters = counters
        return counters


class _Turns:
    """A loop over a counter: what depends on outer counters only stays in front of it."""

    def __init__(self, writer: _Writer, counter: Counter, start: Any, stop: Any, step: int) -> None:
        self.w, self.counter = writer, counter
        self.loop = writer.f.loop(start, stop, step)

    def __enter__(self) -> None:
        w = self.w
        self.before = w.f.block
        w.counter[self.counter] = self.loop.__enter__()
        w.depth[self.counter] = len(w.blocks)
        w.blocks.append(w.f.block)
        w.memo.append({})

    def __exit__(self, *error: Any) -> None:
        w = self.w
        w.blocks.pop()
        w.memo.pop()
        del w.depth[self.counter]
        self.loop.__exit__(*error)
        w.blocks = [w.f.block if block is self.before else block for block in w.blocks]


class _Fixed:
    """One turn of a counter."""

    def __init__(self, writer: _Writer, counter: Counter, value: Value) -> None:
        self.w, self.counter, self.value = writer, counter, value

    def __enter__(self) -> None:
        w = self.w
        w.counter[self.counter] = self.value
        w.depth[self.counter] = len(w.blocks)
        w.blocks.append(w.f.block)
        w.memo.append({})

    def __exit__(self, *error: Any) -> None:
        w = self.w
        w.blocks.pop()
        w.memo.pop()
        del w.depth[self.counter]


def _size(counters: Sequence[Counter]) -> int:
    return int(np.prod([c.extent for c in counters], dtype=np.int64))


def _widest(nest: Nest) -> int:
    """Bytes of the largest floating-point number that a nest computes with; of the result where there is none."""
    dtypes = [s.buffer.type.dtype for s in nest.stores] + [x.dtype for x in loads_of(nest.stores)]
    floats = [d.itemsize for d in dtypes if d.kind == "f"]
    return int(max(floats or [d.itemsize for d in dtypes]))


def _is_light(nest: Nest) -> bool:
    """Whether what is folded is computed in less time than the sum takes, so that several sums pay."""
    return _weight(nest) <= LIGHT


def _weight(nest: Nest) -> int:
    """The operations of a turn."""
    found: dict[int, None] = {}
    stack = [s.value for s in nest.stores]
    while stack:
        x = stack.pop()
        if isinstance(x, Apply) and id(x) not in found:
            found[id(x)] = None
            stack += x.inputs
    return len(found)


def _continuous(at: Index, outer: Counter, inner: Counter) -> bool:
    big, small = stride(at, outer), stride(at, inner)
    return big is not None and small is not None and big == small * inner.extent


def _merged(x: Any, outer: Counter, inner: Counter, merged: Counter, done: dict[int, Any]) -> Any:
    """An expression (or a store) on the one counter instead of the two."""
    if id(x) in done:
        return done[id(x)]
    if isinstance(x, (Load, Store)):
        step = stride(x.at, inner) or 0
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
