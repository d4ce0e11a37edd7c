"""What a program computes, in which order, and which values get memory of their own.

A value gets a buffer when it must stand in memory (an output, an operand of a product or a callback, a
reduction's result) or when recomputing it would cost more than storing it (used twice, or by something
larger). Everything else is computed inside the loops of what uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from koubai.graph import Node, Type, topological
from koubai.ops.lowering import Fold, Place, Scalar, View

__all__ = ["Buffer", "Plan", "make_plan"]

DEEPEST = 48  # ops fused into one expression, so that neither Python's stack nor LLVM's time runs out


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """A place in memory: number `slot` in the table of pointers that a program is called with."""

    slot: int
    type: Type
    name: str


@dataclass(slots=True)
class Plan:
    """A graph, with a buffer for each value that has one.

    Attributes
    ----------
    steps : nodes to compute, in order
    buffers : node -> Buffer; constants, inputs, outputs and intermediate values
    constants : slot -> array
    inputs, outputs : slots
    """

    steps: list[Any] = field(default_factory=list)
    buffers: dict[Any, Buffer] = field(default_factory=dict)
    arrays: dict[int, tuple[Any, Buffer]] = field(default_factory=dict)
    constants: dict[int, Any] = field(default_factory=dict)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    count: int = 0

    def buffer(self, of: Type, name: str) -> Buffer:
        made = Buffer(self.count, of, name)
        self.count += 1
        return made

    def constant(self, array: Any) -> Buffer:
        """The buffer of a copy of a constant array, the same for the same array."""
        if id(array) not in self.arrays:
            made = self.buffer(Type(array.shape, array.dtype), f"c{self.count}")
            self.constants[made.slot] = np.array(array)
            self.arrays[id(array)] = (array, made)  # held, so that its id stays its own
        return self.arrays[id(array)][1]

    @property
    def temporaries(self) -> list[Buffer]:
        taken = {*self.inputs, *self.outputs, *self.constants}
        return [b for b in self.buffers.values() if b.slot not in taken]


def native(node: Any) -> Any:
    """How the node is lowered, or None if it runs through a callback."""
    if node.op is None or isinstance(node.type, tuple):
        return None
    types = [node.type, *(x.type for x in node.inputs if isinstance(x, Node))]
    arrays = [x.dtype for x in node.inputs if isinstance(x, (np.ndarray, np.generic))]
    if any(isinstance(t, tuple) or t.dtype.kind == "c" for t in types) or any(d.kind == "c" for d in arrays):
        return None
    if any(isinstance(x, complex) for x in node.inputs):
        return None
    return node.op.lower


def make_plan(inputs: Sequence[Node], outputs: Sequence[Node]) -> Plan:
    """Decide for every node whether it has a buffer."""
    plan = Plan()
    order = topological(outputs)
    for x in inputs:
        plan.buffers[x] = plan.buffer(x.type, x.name or f"x{plan.count}")
        plan.inputs.append(plan.buffers[x].slot)
    kept = _stored(order, set(outputs))
    for node in order:
        if node in plan.buffers:
            continue
        if node.op is None:
            plan.buffers[node] = plan.constant(np.asarray(node.value))
        elif node in kept:
            if not isinstance(node.type, tuple):
                plan.buffers[node] = plan.buffer(node.type, f"v{plan.count}")
            plan.steps.append(node)
    for y in outputs:
        plan.outputs.append(plan.buffers[y].slot)
    return plan


def _stored(order: Sequence[Any], outputs: set[Any]) -> set[Any]:
    users: dict[Any, list[Any]] = {}
    for node in order:
        for x in node.inputs:
            if isinstance(x, Node):
                users.setdefault(x, []).append(node)
    kept = set()
    depth: dict[Any, int] = {}
    for node in order:
        how = native(node)
        below = max((depth.get(x, 0) for x in node.inputs if isinstance(x, Node)), default=0)
        depth[node] = below + 1
        if (
            node in outputs
            or not isinstance(how, (Scalar, View))
            or any(not isinstance(native(user), (Scalar, View, Fold, Place)) for user in users.get(node, ()))
            or (isinstance(how, Scalar) and _worth_storing(node, users.get(node, ())))
            or depth[node] > DEEPEST
        ):
            kept.add(node)
            depth[node] = 0
    return kept


def _worth_storing(node: Any, users: Sequence[Any]) -> bool:
    size = prod(node.shape)
    return len(set(users)) > 1 or any(prod(user.shape) > size for user in users)
