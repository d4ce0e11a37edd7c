"""Which values of a graph get memory of their own, and how they lie there.

A value gets a buffer when it must stand in memory (an output, an operand of a product or a callback, a
reduction's result) or when recomputing it would cost more than storing it (used twice, or by something
larger). Everything else is computed inside the loops of what uses it.

Arrays that come from outside or go there lie in C order. Others may lie as it suits the loops (see `layout`).
"""

from __future__ import annotations

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
from koubai.ops.lowering import Convolution, Draw, Guard, Product, Scalar, View
from koubai.ops.structure import bind

__all__ = ["Plan", "make_plan"]

DEEPEST = 48  # ops fused into one expression, so that neither Python's stack nor LLVM's time runs out


@dataclass(slots=True)
class Plan:
    """A graph, with a buffer for each value that has one.

    Attributes
    ----------
    steps : nodes to compute or to check, in order
    buffers : node -> Buffer; inputs, outputs and intermediate values
    constants : slot -> array
    inputs : list of Buffer
    copies : list of (node, Buffer)
        Outputs that something else computes: an input handed back, one value returned twice.
    outputs : list of Buffer
    """

    steps: list[Any] = field(default_factory=list)
    buffers: dict[Any, Buffer] = field(default_factory=dict)
    arrays: dict[int, tuple[Any, Buffer]] = field(default_factory=dict)
    constants: dict[int, Any] = field(default_factory=dict)
    inputs: list[Buffer] = field(default_factory=list)
    copies: list[tuple[Any, Buffer]] = field(default_factory=list)
    outputs: list[Buffer] = field(default_factory=list)
    temporaries: list[Buffer] = field(default_factory=list)
    count: int = 0

    def buffer(self, of: Type, name: str, order: Sequence[int] | None = None) -> Buffer:
        """A new buffer; `order` names the axes from the outermost in memory to the innermost."""
        made = Buffer(self.count, of, name, strides_in(of.shape, order or range(len(of.shape))))
        self.count += 1
        return made

    def constant(self, array: Any) -> Buffer:
        """The buffer of a copy of a constant array, the same for the same array."""
        if id(array) not in self.arrays:
            made = self.buffer(Type(array.shape, array.dtype), f"c{self.count}")
            self.constants[made.slot] = np.array(array)
            self.arrays[id(array)] = (array, made)  # held, so that its id stays its own
        return self.arrays[id(array)][1]


def make_plan(inputs: Sequence[Node], outputs: Sequence[Node], updates: Sequence[tuple[int, int]] = ()) -> Plan:
    """Decide for every node whether it has a buffer, and how that lies.

    For each pair (i, k) in `updates`, output i lies where input k lies.
    """
    plan = Plan()
    order = topological(outputs)
    for x in inputs:
        plan.buffers[x] = plan.buffer(x.type, x.name or f"x{plan.count}")
        plan.inputs.append(plan.buffers[x])
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
        elif node in kept:
            if not isinstance(node.type, tuple):
                plan.buffers[node] = plan.buffer(node.type, f"v{plan.count}", layouts[node])
                plan.temporaries.append(plan.buffers[node])
            plan.steps.append(node)
        elif isinstance(how, Guard) or (isinstance(how, View) and len(node.inputs) > 1):
            plan.steps.append(node)  # nothing to compute, but elements or indices to check
    _give_outputs(plan, outputs, dict(updates))
    return plan


def _give_outputs(plan: Plan, outputs: Sequence[Node], updates: dict[int, int]) -> None:
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
        if i in updates:
            target = plan.inputs[updates[i]]
            before, buffer = buffer, Buffer(target.slot, y.type, target.name, target.strides)
            for node, other in plan.buffers.items():  # reshapes that read it there
                if direct and other.slot == before.slot:
                    plan.buffers[node] = Buffer(target.slot, node.type, target.name, other.strides)
        if direct:
            plan.buffers[y] = buffer
        else:
            plan.copies.append((y, buffer))
        plan.outputs.append(buffer)


def _users(order: Sequence[Any]) -> dict[Any, list[Any]]:
    users: dict[Any, list[Any]] = {}
    for node in order:
        for x in node.inputs[1:] if isinstance(native(node), Draw) else node.inputs:
            if isinstance(x, Node):
                users.setdefault(x, []).append(node)
    return users


def _stored(order: Sequence[Any], outputs: set[Any], users: dict[Any, list[Any]]) -> set[Any]:
    kept = {base for node in order for base in _operands(node)}
    depth: dict[Any, int] = {}
    for node in order:
        how = native(node)
        below = max((depth.get(x, 0) for x in node.inputs if isinstance(x, Node)), default=0)
        depth[node] = below + 1
        if node.op is None:
            continue
        if (
            node in kept
            or node in outputs
            or not isinstance(how, (Scalar, View, Guard))
            or any(native(user) is None for user in users.get(node, ()))
            or (isinstance(how, View) and len(node.inputs) > 1 and len(set(users.get(node, ()))) > 1)
            or (isinstance(how, Scalar) and _worth_storing(node, users.get(node, ())))
            or depth[node] > DEEPEST
        ):
            kept.add(node)
            depth[node] = 0
    return kept


def _operands(node: Any) -> list[Any]:
    """The nodes that must stand in memory because this one reads them there."""
    if isinstance(native(node), Convolution):
        return [x for x in node.inputs if isinstance(x, Node)]
    if isinstance(native(node), Product):
        return [_moved_from(x) for x in node.inputs if isinstance(x, Node)]
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
    """The node's place, if it is its input's memory read in another shape."""
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


def _worth_storing(node: Any, users: Sequence[Any]) -> bool:
    size = prod(node.shape)
    return len(set(users)) > 1 or any(prod(user.shape) > size for user in users)
