"""From the plan to nests of loops: what is computed together, and over which counters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from koubai.compile.boxes import axes_of, box, by_stride
from koubai.compile.checks import conditions
from koubai.compile.convolve import Operand, convolution_nests
from koubai.compile.expressions import Conflict, Reading, Scope, broadcast, cast, type_of_input
from koubai.compile.forms import native
from koubai.compile.index import Counter, Index, affine
from koubai.compile.nest import (
    Buffer,
    Call,
    Check,
    Literal,
    Load,
    Loop,
    Nest,
    Product,
    Store,
    fixed_stride,
    place,
    regular,
    used,
)
from koubai.compile.ordered import draw_nests, running_nest
from koubai.compile.plan import Plan
from koubai.graph import Node, Type
from koubai.ops import lowering

__all__ = ["build"]

ATTEMPTS = 6  # earlier nests that a new one tries to join


def build(plan: Plan) -> list[Any]:
    """The nests (and products, checks and calls) of a program, in order."""
    return _Builder(plan).run()


@dataclass(slots=True, eq=False)
class _Group:
    """A nest that others may join: those over the same box, each element depending on its own place only."""

    nest: Nest
    shape: tuple[int, ...]
    order: tuple[int, ...]
    scope: Scope
    index: tuple[Index, ...]


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
                self._check(node, how)
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
        name = node.op.name
        if isinstance(node.op.lower, lowering.Part):
            name = f"{name} {node.params['index']} of {node.inputs[0].op.name}"
        self._add(Call(self.plan.ask(node), name, reads, writes), *writes)

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

    def _check(self, node: Any, how: Any) -> None:
        for counters, fits in conditions(self.plan, node, how):
            self.checked[node] = len(self.nests)
            self._add(Check(self.plan.ask(node), counters, fits))

    # Elementwise

    def _map(self, node: Any) -> None:
        out = self.plan.buffers[node]
        order = axes_of(out)
        after = self._ready(node)
        candidates = self.groups.setdefault((out.type.shape, order), [])
        for position, group in list(reversed(candidates))[:ATTEMPTS]:
            if position < after:
                break
            if self._joined(group, node, out):
                self.made[out.slot] = position
                return
        counters, index = box(out.type.shape, order)
        scope = Scope(self.plan)
        group = _Group(Nest(counters, [], []), out.type.shape, order, scope, index)
        self._joined(group, node, out)
        candidates.append((len(self.nests), group))
        self._add(group.nest, out)

    def _joined(self, group: _Group, node: Any, out: Buffer) -> bool:
        try:
            value = group.scope.value(node, group.index, stored=False)
        except Conflict:
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
        order = axes_of(buffer)
        for position, group in self.groups.get((buffer.type.shape, order), ()):
            if isinstance(node, Node) and node in group.scope.members:  # stored twice where it is computed
                value = cast(group.scope.known[node, group.index], buffer.type.dtype)
                group.nest.stores.append(Store(buffer, place(buffer, group.index), value))
                self.made[buffer.slot] = position
                group.nest.title.append(f"{buffer.name} = {self.plan.buffers[node].name}")
                return
        counters, index = box(buffer.type.shape, order)
        value = cast(Scope(self.plan).value(node, index), buffer.type.dtype)
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
        value = Scope(self.plan).value(x, index)
        store = Store(out, place(out, target), value)
        order = by_stride([full[i] for i in kept], value, store.at)
        inner = by_stride([full[i] for i in axis], value, 0)
        self._add(Nest(order, [store], [self._title(node)], how, inner), out)

    # Scattering

    def _place(self, node: Any, how: lowering.Place) -> None:
        out = self.plan.buffers[node]
        if not how.covers:
            counters, index = box(out.type.shape, axes_of(out))
            below = Scope(self.plan).value(node.inputs[0], index) if how.onto else Literal(0, out.type.dtype)
            self._add(Nest(counters, [Store(out, place(out, index), below)], [self._title(node)]), out)
        types = [type_of_input(x) for x in node.inputs]
        together: dict[tuple[int, ...], tuple[Nest, Scope, Any]] = {}
        for i in range(len(types)) if not how.indexed and not how.onto else [int(how.onto)]:
            shape = types[i].shape
            if shape not in together:
                counters, index = box(shape)
                together[shape] = Nest(counters, [], [], ordered=how.indexed), Scope(self.plan), index
                self._add(together[shape][0], out)
            nest, scope, index = together[shape]
            target = how.target(Reading(scope, node), i, index, types, **node.params)
            value = cast(scope.value(node.inputs[i], index), out.type.dtype)
            adds = (how.indexed and not how.onto) or how.meeting > 0
            nest.stores.append(Store(out, place(out, target), value, add=adds))
            nest.title.append(f"{self._title(node)}: input {i}")

        for nest, _, index in together.values():
            if not nest.ordered:
                nest.counters = by_stride(nest.counters, nest.stores[0].value, nest.stores[0].at)
            meeting = {c for at in index[len(index) - 2 * how.meeting :] for c in used(at)} if how.meeting else set()
            nest.unit = not meeting.isdisjoint(nest.counters[:1])

    # Running results and random numbers

    def _running(self, node: Any, how: lowering.Running) -> None:
        out, axis = self.plan.buffers[node], node.params["axis"]
        shape = out.type.shape
        made = [Counter(n) if n != 1 or i == axis else None for i, n in enumerate(shape)]
        index = tuple(0 if c is None else affine(c) for c in made)
        scope = Scope(self.plan)
        values = [scope.value(x, broadcast(index, shape, type_of_input(x).shape)) for x in node.inputs]
        others = [c for i, c in enumerate(made) if c is not None and i != axis]
        nest = running_nest(how, out, others, made[axis], index, values)
        nest.counters = by_stride(others, nest.stores[0].value, nest.stores[0].at)
        nest.title.append(self._title(node))
        self._add(nest, out)

    def _draw(self, node: Any, how: lowering.Draw) -> None:
        out = self.plan.buffers[node]
        for nest in draw_nests(how, out, Scope(self.plan).value(node.inputs[1], ()), node.params):
            nest.title.append(self._title(node))
            self._add(nest, out)

    # Products

    def _product(self, node: Any) -> None:
        out = self.plan.buffers[node]
        a, b = node.inputs
        *stack, n, m = out.type.shape
        k = type_of_input(a).shape[-1]
        scope = Scope(self.plan)
        outer, outside = box(tuple(stack))
        i, p, j = Counter(n), Counter(k), Counter(m)
        left = self._operand(scope, a, (*outside, affine(i), affine(p)), (*stack, n, k), out)
        right = self._operand(scope, b, (*outside, affine(p), affine(j)), (*stack, k, m), out)
        store = Store(out, place(out, (*outside, affine(i), affine(j))), None)
        strides = _strides(left, i, p), _strides(right, p, j), _strides(store, i, j)
        self._add(Product(outer, left, right, store, (n, k, m), (i, p, j), strides, [self._title(node)]), out)

    def _operand(self, scope: Scope, x: Any, index: Any, shape: tuple[int, ...], out: Buffer) -> Load:
        """Where a product reads an operand; copied first if its dtype is another or it does not lie in strides."""
        read = scope.value(x, broadcast(index, shape, type_of_input(x).shape))
        if isinstance(read, Load) and read.dtype == out.type.dtype and regular(read.at):
            return read
        of = type_of_input(x)
        copy = self.plan.buffer(Type(of.shape, out.type.dtype), f"v{self.plan.count}")
        self.plan.temporaries.append(copy)
        counters, at = box(of.shape)
        value = cast(Scope(self.plan).value(x, at), out.type.dtype)
        self._add(Nest(counters, [Store(copy, place(copy, at), value)], [f"{copy.name} = cast"]), copy)
        return scope.load(copy, broadcast(index, shape, of.shape))

    # Convolutions

    def _convolution(self, node: Any, how: lowering.Convolution) -> None:
        out = self.plan.buffers[node]

        def operand(x: Any) -> Operand:
            element = lambda index: cast(Scope(self.plan).value(x, tuple(index)), out.type.dtype)
            return Operand(type_of_input(x).shape, element)

        for nest in convolution_nests(self.plan, how, out, list(map(operand, node.inputs)), self._title(node)):
            self._add(nest, out)


def _strides(x: Load | Store, row: Counter, column: Counter) -> tuple[int, int]:
    return fixed_stride(x.at, row), fixed_stride(x.at, column)
