"""Which values of a graph get memory of their own, and how they lie there.

A value gets a buffer when it must stand in memory (an output, an operand of a product or a callback, a
reduction's result) or when recomputing it would cost more than storing it (used twice, or by something
larger). Everything else is computed inside the loops of what uses it.

Arrays that come from outside or go there lie in C order. Others may lie as it suits the loops (see `layout`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from koubai.compile.forms import native
from koubai.compile.layout import SHORT, examples_last, keeps_examples, layouts_of
from koubai.compile.nest import Buffer, c_strides, strides_in
from koubai.graph import Node, Type, topological
from koubai.ops import shape as s
from koubai.ops.lowering import Barrier, Convolution, Count, Draw, Guard, Loop, Part, Product, Scalar, View
from koubai.ops.structure import bind

__all__ = ["Plan", "Setting", "Table", "make_plan"]

DEEPEST = 48  # ops fused into one expression, so that neither Python's stack nor LLVM's time runs out


@dataclass(slots=True)
class Table:
    """What a graph shares with the bodies of its loops.

    Attributes
    ----------
    count : int
        Of slots.
    arrays, constants : by id and by slot
        The constant arrays.
    asked : list of (node, buffers)
        What may run in NumPy, and where it finds its inputs.
    loops : int
    """

    count: int = 0
    arrays: dict[int, tuple[Any, Buffer]] = field(default_factory=dict)
    constants: dict[int, Any] = field(default_factory=dict)
    asked: list[tuple[Any, dict[Any, Buffer]]] = field(default_factory=list)
    loops: int = 0


@dataclass(slots=True)
class Setting:
    """Where a loop's body finds what comes from outside: its inputs, and the places of its outputs by number."""

    table: Table
    inputs: list[Buffer]
    places: dict[int, Buffer]


@dataclass(slots=True)
class Plan:
    """A graph, with a buffer for each value that has one.

    Attributes
    ----------
    steps : nodes to compute or to check, in order
    buffers : node -> Buffer; inputs, outputs and intermediate values
    parts : (node with several outputs, index) -> node that selects that one
    inputs : list of Buffer
    copies : list of (node, Buffer)
        Outputs that something else computes: an input handed back, one value returned twice.
    outputs : list of Buffer
    """

    table: Table = field(default_factory=Table)
    steps: list[Any] = field(default_factory=list)
    buffers: dict[Any, Buffer] = field(default_factory=dict)
    parts: dict[tuple[Any, int], Any] = field(default_factory=dict)
    inputs: list[Buffer] = field(default_factory=list)
    copies: list[tuple[Any, Buffer]] = field(default_factory=list)
    outputs: list[Buffer] = field(default_factory=list)
    temporaries: list[Buffer] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.table.count

    @property
    def constants(self) -> dict[int, Any]:
        return self.table.constants

    def buffer(self, of: Type, name: str, order: Sequence[int] | None = None) -> Buffer:
        """A new buffer; `order` names the axes from the outermost in memory to the innermost."""
        made = Buffer(self.count, of, name, strides_in(of.shape, order or range(len(of.shape))))
        self.table.count += 1
        return made

    def constant(self, array: Any) -> Buffer:
        """The buffer of a copy of a constant array, the same for the same array."""
        table = self.table
        if id(array) not in table.arrays:
            made = self.buffer(Type(array.shape, array.dtype), f"c{self.count}")
            table.constants[made.slot] = np.array(array)
            table.arrays[id(array)] = (array, made)  # held, so that its id stays its own
        return table.arrays[id(array)][1]

    def counter(self) -> str:
        """A name for what numbers the steps of a loop."""
        self.table.loops += 1
        return "t" if self.table.loops == 1 else f"t{self.table.loops}"

    def ask(self, node: Any) -> int:
        """The number of a step for NumPy."""
        self.table.asked.append((node, self.buffers))
        return len(self.table.asked) - 1


def make_plan(
    inputs: Sequence[Node],
    outputs: Sequence[Node],
    updates: Sequence[tuple[int, int]] = (),
    setting: Setting | None = None,
) -> Plan:
    """Decide for every node whether it has a buffer, and how that lies.

    For each pair (i, k) in `updates`, output i lies where input k lies.
    """
    plan = Plan() if setting is None else Plan(setting.table)
    order = topological(outputs)
    for k, x in enumerate(inputs):
        buffer = plan.buffer(x.type, x.name or f"x{plan.count}") if setting is None else setting.inputs[k]
        plan.buffers[x] = buffer
        plan.inputs.append(buffer)
    given, wanted = set(inputs), set(outputs)
    users = _users(order)
    kept = _stored(order, wanted, users)
    # A product is written where it is wanted at once; rows that fill half a vector cost less than a copy.
    given |= {y for y in wanted if isinstance(native(y), Product) or (y.ndim and y.shape[-1] >= SHORT // 2)}
    layouts = layouts_of(order, kept, given, users)
    for node in order:
        if node in plan.buffers:
            continue
        how = native(node)
        if node.op is None:
            plan.buffers[node] = plan.constant(np.asarray(node.value))
        elif (alias := _alias(node, plan)) is not None:
            plan.buffers[node] = alias
            if isinstance(how, Barrier):
                plan.steps.append(node)
        elif node in kept:
            if not isinstance(node.type, tuple):
                plan.buffers[node] = plan.buffer(node.type, f"v{plan.count}", layouts[node])
                plan.temporaries.append(plan.buffers[node])
            if isinstance(how, Part):
                plan.parts.setdefault((node.inputs[0], node.params["index"]), node)
            plan.steps.append(node)
        elif isinstance(how, Guard) or (isinstance(how, View) and len(node.inputs) > 1):
            plan.steps.append(node)  # nothing to compute, but elements or indices to check
    places = {} if setting is None else dict(setting.places)
    for i, k in updates:
        old = plan.inputs[k]
        places[i] = Buffer(old.slot, old.type, old.name, old.strides)
    _give_outputs(plan, outputs, places)
    return plan


def _give_outputs(plan: Plan, outputs: Sequence[Node], places: dict[int, Buffer]) -> None:
    """Every output a buffer of its own in C order: that of its node, or a copy."""
    own = set(plan.temporaries)
    for i, y in enumerate(outputs):
        buffer = plan.buffers[y]
        direct = buffer in own and buffer.strides == c_strides(y.shape)
        if direct:
            own.remove(buffer)
            plan.temporaries.remove(buffer)
        else:
            buffer = plan.buffer(y.type, f"y{plan.count}")
        if i in places:
            before, buffer = buffer, places[i]
            for node, other in plan.buffers.items():  # reshapes that read it there
                if direct and other.slot == before.slot:
                    plan.buffers[node] = Buffer(buffer.slot, node.type, buffer.name, other.strides)
        if direct:
            plan.buffers[y] = buffer
        else:
            plan.copies.append((y, buffer))
        plan.outputs.append(buffer)


def _users(order: Sequence[Any]) -> dict[Any, list[Any]]:
    users: dict[Any, list[Any]] = {}
    for node in order:
        how = native(node)
        read = slice(1) if isinstance(how, Barrier) else slice(int(isinstance(how, (Count, Draw))), None)
        for x in node.inputs[read]:
            if isinstance(x, Node):
                users.setdefault(x, []).append(node)
    return users


def _stored(order: Sequence[Any], outputs: set[Any], users: dict[Any, list[Any]]) -> set[Any]:
    kept = {base for node in order for base in _operands(node)}
    readers = _readers(order, users)
    depth: dict[Any, int] = {}
    for node in order:
        how = native(node)
        below = max((depth.get(x, 0) for x in node.inputs if isinstance(x, Node)), default=0)
        depth[node] = below + 1
        if node.op is None or isinstance(how, Barrier):
            continue
        if (
            node in kept
            or node in outputs
            or not isinstance(how, (Count, Scalar, View, Guard))
            or any(native(user) is None for user in users.get(node, ()))
            or (isinstance(how, View) and len(node.inputs) > 1 and len(set(users.get(node, ()))) > 1)
            or (isinstance(how, Scalar) and _worth_storing(node, *readers[node]))
            or depth[node] > DEEPEST
        ):
            kept.add(node)
            depth[node] = 0
    return kept


def _readers(order: Sequence[Any], users: dict[Any, list[Any]]) -> dict[Any, tuple[int, int]]:
    """For each node how many compute with it, also by way of views, and the largest of their sizes."""
    found: dict[Any, tuple[set[Any], int]] = {}
    for node in reversed(order):
        readers: set[Any] = set()
        largest = 0
        for user in users.get(node, ()):
            through = isinstance(native(user), View)
            if len(readers) < 2:
                readers |= found[user][0] if through else {user}
            size = sys.maxsize if isinstance(user.type, tuple) else prod(user.shape)
            largest = max(largest, size, found[user][1] if through else 0)
        found[node] = readers, largest
    return {node: (len(readers), largest) for node, (readers, largest) in found.items()}


def _operands(node: Any) -> list[Any]:
    """The nodes that must stand in memory because this one reads them there."""
    how = native(node)
    if isinstance(how, Convolution):
        return [x for x in node.inputs if isinstance(x, Node)]
    if isinstance(how, Product):
        return [_moved_from(x) for x in node.inputs if isinstance(x, Node)]
    if isinstance(how, Barrier):
        return [node.inputs[0]]
    if isinstance(how, Loop):
        fixed, carries = node.params["fixed"], node.params["carries"]
        return [x for x in (*node.inputs[:fixed], *node.inputs[fixed + carries :]) if isinstance(x, Node)]
    if node.op is s.reshape and isinstance(node.inputs[0], Node) and not _only_ones_differ(node):
        return [node.inputs[0]]
    return []


def _moved_from(x: Any) -> Any:
    """What a product reads: under transpositions of the last two axes the array below, whose strides it takes."""
    while x.op in (bind, s.transpose) and isinstance(x.inputs[0], Node):
        if x.op is s.transpose and x.params["axes"][:-2] != tuple(range(x.ndim - 2)):
            break
        x = x.inputs[0]
    return x


def _only_ones_differ(node: Any) -> bool:
    return [n for n in node.shape if n != 1] == [n for n in node.inputs[0].shape if n != 1]


def _alias(node: Any, plan: Plan) -> Buffer | None:
    """The node's place, if it is its input's memory read in another shape, or at another time."""
    if isinstance(native(node), Barrier):
        there = plan.buffers[node.inputs[0]]
        return Buffer(there.slot, node.type, there.name, there.strides)
    if node.op is not s.reshape or not isinstance(node.inputs[0], Node):
        return None
    source = plan.buffers.get(node.inputs[0])
    if source is None:
        return None
    for order in (range, examples_last):
        laid = source.strides == strides_in(source.type.shape, order(len(source.type.shape)))
        if laid and (order is range or keeps_examples(node)):
            return Buffer(source.slot, node.type, source.name, strides_in(node.shape, order(node.ndim)))
    return None


def _worth_storing(node: Any, readers: int, largest: int) -> bool:
    """Whether a value would be computed more often than there are elements."""
    return readers > 1 or largest > prod(node.shape)
