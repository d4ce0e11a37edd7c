"""A nest of loops as an LLVM function on vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from koubai.compile.index import Counter
from koubai.compile.llvm import Machine, Module, Value, lanes_of
from koubai.compile.native.elements import Elements
from koubai.compile.native.folds import fold_across, fold_along
from koubai.compile.native.loops import Loops
from koubai.compile.native.prepare import collapse, lanes_for, size, vector_counter, widest
from koubai.compile.native.runs import Carried
from koubai.compile.native.transposed import turned, write_turned
from koubai.compile.nest import Check, Nest, Store, buffers_read

__all__ = ["ALONE", "Written", "write_check", "write_nest"]

ALONE = "nounwind noinline"  # inlining would only make one function of many, which LLVM compiles more slowly
WORTH_SHARING = 4.0  # microseconds; two threads meet in some 0.2
UNIT = 1 << 13  # elements that a thread takes at once from a nest with one loop


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
    x = _opened(module, name, nest.stores, [("i64", "first"), ("i64", "last")], "void")
    writer = _Writer(machine, nest, x)
    units = writer.write() if size(nest.counters) else 0
    x.f.ret()
    return Written(name, list(x.base), 0, units, writer.cost())


def write_check(module: Module, machine: Machine, check: Check, name: str) -> Written:
    """``i1 name(ptr ...)``: whether the check holds."""
    x = _opened(module, name, [check.fits], [], "i1")
    slots, f, loops = list(x.base), x.f, x.loops
    if not size(check.counters):
        f.ret(Value("true", "i1"))
        return Written(name, slots, 0, 0)
    wrong = f.variable(Value("false", "i1"))
    inner = check.counters[-1] if check.counters else None
    lanes = lanes_for(machine, inner.extent, 4) if inner else 1

    def body() -> None:
        bad = f.opposite(x.value(check.fits).value)
        if loops.mask is not None:
            bad = f.binary("and", bad, loops.mask)
        if lanes_of(bad.type) > 1:
            bad = f.intrinsic("vector.reduce.or", bad, result="i1")
        f.store(f.binary("or", f.load(wrong, "i1"), bad), wrong)

    loops.over(check.counters, body, inner, lanes)
    f.ret(f.opposite(f.load(wrong, "i1")))
    return Written(name, slots, 0, 1)


def _opened(module: Module, name: str, roots: Sequence[Any], others: list[tuple[str, str]], result: str) -> Elements:
    """A new function of the buffers that expressions (or stores) touch, and of other arguments."""
    buffers = [*buffers_read(roots), *(s.buffer for s in roots if isinstance(s, Store))]
    slots = list(dict.fromkeys(b.slot for b in buffers))
    arguments = [*(("ptr noalias", f"b{slot}") for slot in slots), *others]
    f = module.function(name, arguments, result=result, attributes=ALONE, linkage="internal")
    return Elements(Loops(f), dict(zip(slots, f.arguments)))


class _Writer:
    """The loops of a nest, their outermost one dealt out in units."""

    def __init__(self, machine: Machine, nest: Nest, x: Elements) -> None:
        self.machine, self.nest, self.x = machine, nest, x
        self.f, self.loops = x.f, x.loops

    def cost(self) -> float:
        """Microseconds: a vector of a value or two takes about a nanosecond."""
        nest = self.nest
        return size(nest.counters) * size(nest.inner) * len(nest.stores) * widest(nest) / 64 * 1e-3

    def write(self) -> int:
        """The function's body; returns how many units there are."""
        nest, x = self.nest, self.x
        if not (nest.fold or nest.carried):
            collapse(nest)
        if (axes := turned(nest)) is not None and not nest.unit:
            source, target = (x.base[y.buffer.slot] for y in (nest.stores[0].value, nest.stores[0]))
            return write_turned(self.f, source, target, nest, axes, self.machine.lanes(widest(nest)))
        along = vector_counter(nest, self.machine)
        lanes = lanes_for(self.machine, along.extent, widest(nest)) if along else 1
        if along in nest.inner:
            return self._outer(lambda: fold_along(x, nest, along, lanes))
        body = fold_across if nest.fold else _carry if nest.carried else Elements.store
        return self._outer(lambda: body(x, nest), along, lanes)

    def _outer(self, body: Callable[[], None], along: Counter | None = None, lanes: int = 1) -> int:
        """All the counters, the outermost split into units; returns how many there are."""
        nest, loops = self.nest, self.loops
        first, last = self.f.arguments[-2:]
        if not nest.counters or nest.ordered or nest.unit:
            loops.over(nest.counters, body, along, lanes)
            return 1
        outer, *others = nest.counters
        if outer is not along:
            with loops.turns(outer, first, last):
                loops.over(others, body, along, lanes)
            return outer.extent
        if outer.extent <= UNIT:
            loops.over([outer], body, along, lanes)
            return 1
        return self._in_pieces(outer, lanes, body)

    def _in_pieces(self, only: Counter, lanes: int, body: Callable[[], None]) -> int:
        """A long loop that is the only one: many turns are a unit."""
        f, loops = self.f, self.loops
        first, last = f.arguments[-2:]
        units = -(-only.extent // UNIT)
        whole = only.extent - only.extent % lanes
        start = f.mul(first, f.integer(UNIT))
        stop = f.intrinsic("smin", f.mul(last, f.integer(UNIT)), f.integer(whole))
        with loops.turns(only, start, stop, lanes), loops.wide(only, lanes):
            body()
        if whole < only.extent:
            with f.when(f.compare("eq", last, f.integer(units))), loops.rest(only, lanes, whole):
                body()
        return units


def _carry(x: Elements, nest: Nest) -> None:
    """A walk along the inner counter, for as many places at once as there are lanes."""
    (along,), (store,) = nest.inner, nest.stores
    x.carried = Carried(x.e, nest, x.loops.lanes)
    with x.loops.turns(along, 0, along.extent):
        x.put(store, x.carried.step(x.value))
