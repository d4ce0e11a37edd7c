"""From the plan to nests of loops: what is computed together, and over which counters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from koubai.compile import index as arithmetic
from koubai.compile.convolve import Operand, convolution_nests
from koubai.compile.forms import SUPPORTED, native
from koubai.compile.index import Counter, Index, Read, affine
from koubai.compile.nest import (
    Apply,
    Buffer,
    Call,
    Check,
    Literal,
    Load,
    Loop,
    Nest,
    Product,
    Store,
    c_strides,
    loads_of,
    place,
    stride,
    used,
)
from koubai.compile.ordered import draw_nests, running_nest
from koubai.compile.plan import Plan
from koubai.graph import Node, Type, type_of
from koubai.ops import lowering

__all__ = ["build", "copy_nest"]

ATTEMPTS = 6  # earlier nests that a new one tries to join


def build(plan: Plan) -> list[Any]:
    """The nests (and products, checks and calls) of a program, in order."""
    return _Builder(plan).run()


class _Conflict(Exception):
    """A nest would read, at another place, what it computes itself."""


@dataclass(slots=True, eq=False)
class _Group:
    """A nest that others may join: those over the same box, each element depending on its own place only."""

    nest: Nest
    shape: tuple[int, ...]
    order: tuple[int, ...]
    scope: _Scope
    index: tuple[Index, ...]


@dataclass(slots=True, eq=False)
class _Scope:
    """Expressions of one nest, each built once."""

    plan: Plan
    known: dict[Any, Any] = field(default_factory=dict)
    members: dict[Any, tuple[Index, ...]] = field(default_factory=dict)
    written: set[int] = field(default_factory=set)

    def value(self, x: Any, index: Sequence[Index], *, stored: bool = True) -> Any:
        """The element of x at an index: loaded where x has a buffer, otherwise computed here."""
        if not isinstance(x, Node):
            return self._literal(x, index)
        while x.op is not None and isinstance(x.op.lower, lowering.Barrier) and native(x):
            x = x.inputs[0]
        key = (x, tuple(index))
        if key in self.known:
            return self.known[key]
        if stored and x in self.members:
            raise _Conflict
        buffer = self.plan.buffers.get(x) if stored else None
        if x.op is None and uniform(x.value):
            made: Any = Literal(x.value.flat[0], x.dtype)
        elif buffer is not None and (x.op is None or buffer.slot not in self.written):
            made = self._load(buffer, index)
        else:  # also what is this nest's own memory, read in another shape: the element is not there yet
            made = self._computed(x, index)
        self.known[key] = made
        return made

    def _load(self, buffer: Buffer, index: Sequence[Index]) -> Load:
        at = place(buffer, index)
        return Load(buffer, at, used(at), buffer.type.dtype)

    def _literal(self, x: Any, index: Sequence[Index]) -> Any:
        if uniform(x):
            return Literal(x.flat[0], x.dtype)
        if isinstance(x, np.ndarray) and x.ndim:
            return self._load(self.plan.constant(x), index)
        return Literal(x, type_of(x).dtype)

    def _computed(self, x: Any, index: Sequence[Index]) -> Any:
        how = native(x)
        if isinstance(how, lowering.Guard):
            return self.value(x.inputs[0], index)
        if isinstance(how, lowering.View):
            source = how.source(_Reading(self, x), index, *map(type_of_input, x.inputs), **x.params)
            return self.value(x.inputs[0], tuple(source))
        dtype = computing_dtype(x, how)
        inputs = [self.value(z, broadcast(index, x.shape, type_of_input(z).shape)) for z in x.inputs]
        casts = tuple(None if i in how.as_is else dtype for i in range(len(inputs)))
        body = how.body
        if x.params and x.op.name != "astype":
            body = _with_params(body, x.params)
        counters = frozenset().union(*(v.counters for v in inputs))
        return Apply(body, tuple(inputs), casts, x.dtype, x.op.name, counters)


def _with_params(body: Any, params: dict[str, Any]) -> Any:
    return lambda e, *values: body(e, *values, **params)


class _Reading:
    """Index arithmetic, and `read`: what a record's `source` or `target` is handed."""

    plus = staticmethod(arithmetic.plus)
    times = staticmethod(arithmetic.times)
    quotient = staticmethod(arithmetic.quotient)
    rest = staticmethod(arithmetic.rest)

    def __init__(self, scope: _Scope, node: Any) -> None:
        self.scope, self.node = scope, node

    def read(self, k: int, index: Sequence[Index], length: int) -> Index:
        source = self.node.inputs[k]
        at = broadcast(index, tuple(index), type_of_input(source).shape)
        return affine(Read(self.scope.value(source, at), length))


class _Builder:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.nests: list[Any] = []
        self.made: dict[Any, int] = {}  # slot -> number of the nest that computes it
        self.checked: dict[Any, int] = {}  # node -> number of the last nest that checks it
        self.groups: dict[Any, list[tuple[int, _Group]]] = {}

    def run(self) -> list[Any]:
        for node in self.plan.steps:
            how = native(node)
            if how is None:
                self._call(node)
                continue
            if isinstance(how, lowering.Loop):
                self._loop(node)
                continue
            if isinstance(how, lowering.Barrier):
                # Joined to nests before it, what comes after would need its memory from then on.
                self.checked[node] = len(self.nests)
                continue
            if isinstance(how, lowering.Guard) or (
                len(node.inputs) > 1 and isinstance(how, (lowering.View, lowering.Place))
            ):
                self._checks(node, how)
            if node not in self.plan.buffers:
                continue
            if isinstance(how, lowering.Fold):
                self._fold(node, how)
            elif isinstance(how, lowering.Place):
                self._place(node, how)
            elif isinstance(how, lowering.Product):
                self._product(node)
            elif isinstance(how, lowering.Running):
                self._running(node, how)
            elif isinstance(how, lowering.Draw):
                self._draw(node, how)
            elif isinstance(how, lowering.Convolution):
                self._convolution(node, how)
            elif isinstance(how, lowering.Part):
                self._part(node)
            else:
                self._map(node)
        for node, buffer in self.plan.copies:
            self._copy(node, buffer)
        return self.nests

    def _add(self, nest: Any, *writes: Buffer) -> None:
        for buffer in writes:
            self.made[buffer.slot] = len(self.nests)
        self.nests.append(nest)

    def _title(self, node: Any) -> str:
        return f"{self.plan.buffers[node].name} = {node.op.name}  {node.type}"

    def _call(self, node: Any) -> None:
        reads = [self.plan.buffers[x] for x in node.inputs if isinstance(x, Node) and x in self.plan.buffers]
        writes = [self.plan.buffers[node]] if node in self.plan.buffers else []
        self._add(Call(self.plan.ask(node), node.op.name, reads, writes), *writes)

    # Loops

    def _loop(self, node: Any) -> None:
        """The carries are set to what they start with; then the loop, whose nests are not yet there."""
        plan, params = self.plan, node.params
        fixed, carries = params["fixed"], params["carries"]
        outputs: dict[int, Buffer] = {}
        for i, of in enumerate(node.type):
            if (node, i) in plan.parts:
                outputs[i] = plan.buffers[plan.parts[node, i]]
            elif i < carries:
                outputs[i] = plan.buffer(of, f"v{plan.count}")
                plan.temporaries.append(outputs[i])
        kept = [outputs.pop(i) for i in range(carries)]
        for x, buffer in zip(node.inputs[fixed:], kept):
            self._copy(x, buffer)
        given, arrays = (
            [plan.buffers[x] if isinstance(x, Node) else plan.constant(x) for x in xs]
            for xs in (node.inputs[:fixed], node.inputs[fixed + carries :])
        )
        names = ", ".join(b.name for b in (*kept, *outputs.values()))
        title = [f"{names} = {node.op.name}"]
        steps = params["length"], params["reverse"]
        loop = Loop(params["body"], *steps, given, kept, arrays, outputs, title, plan.counter())
        self._add(loop, *loop.writes)

    def _part(self, node: Any) -> None:
        first = self.plan.parts[node.inputs[0], node.params["index"]]
        if first is not node:
            self._copy(first, self.plan.buffers[node])

    # Elementwise

    def _map(self, node: Any) -> None:
        out = self.plan.buffers[node]
        order = _order(out)
        after = self._ready(node)
        candidates = self.groups.setdefault((out.type.shape, order), [])
        for position, group in list(reversed(candidates))[:ATTEMPTS]:
            if position < after:
                break
            if self._joined(group, node, out):
                self.made[out.slot] = position
                return
        counters, index = _counters(out.type.shape, order)
        scope = _Scope(self.plan)
        group = _Group(Nest(counters, [], []), out.type.shape, order, scope, index)
        self._joined(group, node, out)
        candidates.append((len(self.nests), group))
        self._add(group.nest, out)

    def _joined(self, group: _Group, node: Any, out: Buffer) -> bool:
        try:
            value = group.scope.value(node, group.index, stored=False)
        except _Conflict:
            return False
        group.scope.members[node] = group.index
        group.scope.written.add(out.slot)
        group.scope.known[node, group.index] = value
        group.nest.stores.append(Store(out, place(out, group.index), value))
        group.nest.title.append(self._title(node))
        return True

    def _ready(self, node: Any) -> int:
        """The number of the last nest that a node needs, through everything fused into it."""
        last = self.checked.get(node, -1)
        stack = [x for x in node.inputs if isinstance(x, Node)]
        seen = set(stack)
        while stack:
            x = stack.pop()
            last = max(last, self.checked.get(x, -1))
            if x in self.plan.buffers:
                last = max(last, self.made.get(self.plan.buffers[x].slot, -1))
                continue
            for z in x.inputs:
                if isinstance(z, Node) and z not in seen:
                    seen.add(z)
                    stack.append(z)
        return last

    def _copy(self, node: Any, buffer: Buffer) -> None:
        order = _order(buffer)
        for position, group in self.groups.get((buffer.type.shape, order), ()):
            if isinstance(node, Node) and node in group.scope.members:  # stored twice where it is computed
                value = _cast(group.scope.known[node, group.index], buffer.type.dtype)
                group.nest.stores.append(Store(buffer, place(buffer, group.index), value))
                self.made[buffer.slot] = position
                group.nest.title.append(f"{buffer.name} = {self.plan.buffers[node].name}")
                return
        counters, index = _counters(buffer.type.shape, order)
        value = _cast(_Scope(self.plan).value(node, index), buffer.type.dtype)
        self._add(Nest(counters, [Store(buffer, place(buffer, index), value)], [f"{buffer.name} = copy"]), buffer)

    # Reductions

    def _fold(self, node: Any, how: lowering.Fold) -> None:
        out, (x,) = self.plan.buffers[node], node.inputs
        axis, shape = node.params["axis"], type_of_input(x).shape
        full = [Counter(n) if n != 1 else None for n in shape]
        index = tuple(0 if c is None else affine(c) for c in full)
        kept = [i for i in range(len(shape)) if i not in axis]
        restored = len(out.type.shape) == len(shape)
        target = tuple(0 if i in axis else index[i] for i in range(len(shape)) if restored or i in kept)
        value = _Scope(self.plan).value(x, index)
        store = Store(out, place(out, target), value)
        order = _by_stride([full[i] for i in kept], value, store.at)
        inner = _by_stride([full[i] for i in axis], value, 0)
        self._add(Nest(order, [store], [self._title(node)], how, inner), out)

    # Scattering

    def _place(self, node: Any, how: lowering.Place) -> None:
        out = self.plan.buffers[node]
        if not how.covers:
            counters, index = _counters(out.type.shape, _order(out))
            below = _Scope(self.plan).value(node.inputs[0], index) if how.onto else Literal(0, out.type.dtype)
            self._add(Nest(counters, [Store(out, place(out, index), below)], [self._title(node)]), out)
        types = [type_of_input(x) for x in node.inputs]
        together: dict[tuple[int, ...], tuple[Nest, _Scope, Any]] = {}
        for i in range(len(types)) if not how.indexed and not how.onto else [int(how.onto)]:
            shape = types[i].shape
            if shape not in together:
                counters, index = _counters(shape, tuple(range(len(shape))))
                together[shape] = Nest(counters, [], [], ordered=how.indexed), _Scope(self.plan), index
                self._add(together[shape][0], out)
            nest, scope, index = together[shape]
            target = how.target(_Reading(scope, node), i, index, types, **node.params)
            value = _cast(scope.value(node.inputs[i], index), out.type.dtype)
            adds = (how.indexed and not how.onto) or how.meeting > 0
            nest.stores.append(Store(out, place(out, target), value, add=adds))
            nest.title.append(f"{self._title(node)}: input {i}")

        for nest, _, index in together.values():
            if not nest.ordered:
                nest.counters = _by_stride(nest.counters, nest.stores[0].value, nest.stores[0].at)
            meeting = {c for at in index[len(index) - 2 * how.meeting :] for c in used(at)} if how.meeting else set()
            nest.unit = not meeting.isdisjoint(nest.counters[:1])

    # Running results and random numbers

    def _running(self, node: Any, how: lowering.Running) -> None:
        out, axis = self.plan.buffers[node], node.params["axis"]
        shape = out.type.shape
        made = [Counter(n) if n != 1 or i == axis else None for i, n in enumerate(shape)]
        index = tuple(0 if c is None else affine(c) for c in made)
        scope = _Scope(self.plan)
        values = [scope.value(x, broadcast(index, shape, type_of_input(x).shape)) for x in node.inputs]
        others = [c for i, c in enumerate(made) if c is not None and i != axis]
        nest = running_nest(how, out, others, made[axis], index, values)
        nest.counters = _by_stride(others, nest.stores[0].value, nest.stores[0].at)
        nest.title.append(self._title(node))
        self._add(nest, out)

    def _draw(self, node: Any, how: lowering.Draw) -> None:
        out = self.plan.buffers[node]
        for nest in draw_nests(how, out, _Scope(self.plan).value(node.inputs[1], ()), node.params):
            nest.title.append(self._title(node))
            self._add(nest, out)

    # Products

    def _product(self, node: Any) -> None:
        out = self.plan.buffers[node]
        a, b = node.inputs
        *stack, n, m = out.type.shape
        k = type_of_input(a).shape[-1]
        scope = _Scope(self.plan)
        outer, outside = _counters(tuple(stack), tuple(range(len(stack))))
        i, p, j = Counter(n), Counter(k), Counter(m)
        left = self._operand(scope, a, (*outside, affine(i), affine(p)), (*stack, n, k), out)
        right = self._operand(scope, b, (*outside, affine(p), affine(j)), (*stack, k, m), out)
        store = Store(out, place(out, (*outside, affine(i), affine(j))), None)
        strides = _steps(left, i, p), _steps(right, p, j), _steps(store, i, j)
        self._add(Product(outer, left, right, store, (n, k, m), (i, p, j), strides, [self._title(node)]), out)

    def _operand(self, scope: _Scope, x: Any, index: Any, shape: tuple[int, ...], out: Buffer) -> Load:
        """Where a product reads an operand; cast into memory of its own first if its dtype is another."""
        read = scope.value(x, broadcast(index, shape, type_of_input(x).shape))
        if isinstance(read, Load) and read.dtype == out.type.dtype:
            return read
        of = type_of_input(x)
        cast = self.plan.buffer(Type(of.shape, out.type.dtype), f"v{self.plan.count}")
        self.plan.temporaries.append(cast)
        counters, at = _counters(of.shape, tuple(range(of.ndim)))
        value = _cast(_Scope(self.plan).value(x, at), out.type.dtype)
        self._add(Nest(counters, [Store(cast, place(cast, at), value)], [f"{cast.name} = cast"]), cast)
        return scope._load(cast, broadcast(index, shape, of.shape))

    # Convolutions

    def _convolution(self, node: Any, how: lowering.Convolution) -> None:
        out = self.plan.buffers[node]

        def operand(x: Any) -> Operand:
            element = lambda index: _cast(_Scope(self.plan).value(x, tuple(index)), out.type.dtype)
            return Operand(type_of_input(x).shape, element)

        for nest in convolution_nests(self.plan, how, out, list(map(operand, node.inputs)), self._title(node)):
            self._add(nest, out)

    # Checks

    def _checks(self, node: Any, how: Any) -> None:
        """Before anything is read by them, indices must lie in their arrays; before use, values in their range."""
        scope = _Scope(self.plan)
        if isinstance(how, lowering.Guard):
            (x,) = node.inputs
            counters, index = _counters(type_of_input(x).shape, tuple(range(node.ndim)))
            value = scope.value(x, index)
            body = _with_params(how.fits, node.params)
            fits = Apply(body, (value,), (None,), np.dtype(np.bool_), "fits", value.counters)
            self._check(node, counters, fits)
            return
        if isinstance(how, lowering.View):
            counters, index = _counters(node.shape, tuple(range(node.ndim)))
            found = how.source(_Reading(scope, node), index, *map(type_of_input, node.inputs), **node.params)
        elif how.indexed:
            types, i = [type_of_input(x) for x in node.inputs], int(how.onto)
            counters, index = _counters(types[i].shape, tuple(range(types[i].ndim)))
            found = how.target(_Reading(scope, node), i, index, types, **node.params)
        else:
            return
        for at in found:
            for atom, _ in affine(at).terms:
                if isinstance(atom, Read):
                    body = _with_params(_inside, {"length": atom.length})
                    fits = Apply(body, (atom.value,), (None,), np.dtype(np.bool_), "inside", atom.value.counters)
                    self._check(node, [c for c in counters if c in atom.value.counters], fits)

    def _check(self, node: Any, counters: list[Counter], fits: Any) -> None:
        self.checked[node] = len(self.nests)
        self._add(Check(self.plan.ask(node), counters, fits))


def _steps(x: Load | Store, row: Counter, column: Counter) -> tuple[int, int]:
    return stride(x.at, row) or 0, stride(x.at, column) or 0


def _inside(e: Any, v: Any, *, length: int) -> Any:
    return e.both(e.ge(v, e.number(-length, v)), e.lt(v, e.number(length, v)))


def uniform(x: Any) -> bool:
    """Whether an array repeats one number, as what was broadcast from it does."""
    return isinstance(x, np.ndarray) and x.size > 0 and not any(x.strides) and x.dtype in SUPPORTED


def copy_nest(source: Buffer, target: Buffer) -> Nest:
    """The target becomes what the source is; both have the same shape and dtype."""
    counters, index = _counters(target.type.shape, _order(target))
    at = place(source, index)
    load = Load(source, at, used(at), source.type.dtype)
    return Nest(counters, [Store(target, place(target, index), load)], [f"{target.name} = {source.name}"])


def _cast(value: Any, dtype: Any) -> Any:
    if value.dtype == dtype:
        return value
    return Apply(lambda e, x: x, (value,), (dtype,), dtype, "cast", value.counters)


def _order(buffer: Buffer) -> tuple[int, ...]:
    """The axes from the outermost in memory to the innermost."""
    shape = buffer.type.shape
    if buffer.strides == c_strides(shape):
        return tuple(range(len(shape)))
    return tuple(sorted(range(len(shape)), key=lambda i: -buffer.strides[i]))


def _counters(shape: tuple[int, ...], order: Sequence[int]) -> tuple[list[Counter], tuple[Index, ...]]:
    made = {axis: Counter(shape[axis]) for axis in order if shape[axis] != 1}
    index = tuple(affine(made[i]) if i in made else 0 for i in range(len(shape)))
    return [made[axis] for axis in order if axis in made], index


def _by_stride(counters: Sequence[Counter | None], value: Any, at: Index) -> list[Counter]:
    """Counters with those innermost along which most is contiguous."""
    loads = loads_of([value])

    def near(c: Counter) -> tuple[int, int]:
        steps = [stride(load.at, c) for load in loads] + [stride(at, c)]
        return sum(s == 1 for s in steps), -sum(abs(s) if s is not None else 1 << 20 for s in steps)

    return sorted((c for c in counters if c is not None), key=near)


def type_of_input(x: Any) -> Type:
    of: Type = x.type if isinstance(x, Node) else type_of(x)
    return of


def computing_dtype(node: Any, how: lowering.Scalar) -> np.dtype[Any]:
    """The dtype in which NumPy computes: the result's, or for a comparison its inputs' common one."""
    if node.dtype.kind != "b":
        return node.dtype  # type: ignore[no-any-return]
    types = [type_of_input(x) for x in node.inputs]
    strong = [t.dtype for i, t in enumerate(types) if i not in how.as_is and not t.weak]
    weak = [x for x, t in zip(node.inputs, types) if not isinstance(x, Node) and t.weak]
    return np.result_type(*strong, *weak) if strong or weak else node.dtype


def broadcast(index: Sequence[Any], shape: Sequence[Any], to: Sequence[int]) -> tuple[Any, ...]:
    """The index in an array of shape `to` that was broadcast to `shape`."""
    tail = tuple(index)[len(index) - len(to) :]
    return tuple(0 if n == 1 else i for i, n in zip(tail, to))
