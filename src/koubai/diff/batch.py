"""Batching: a graph for one example, applied to a stack of examples at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from koubai.graph import Node, is_cut, topological, value_of
from koubai.ops.shape import stack, stacked, stop_gradient
from koubai.ops.structure import outputs_of

__all__ = ["batched"]


def batched(
    outputs: Sequence[Any], wrt: Sequence[Node], stacks: Sequence[Any], size: int, *, record: bool
) -> list[Any]:
    """Each output for a stack of `size` inputs: the stack's axis is axis 0, of inputs and of results.

    Parameters
    ----------
    outputs : nodes, or arrays that do not depend on the inputs
    wrt : the nodes that stand for one example's inputs
    stacks : for each of them the stack of examples
    record : bool
        As in `reverse_mode`, for the nodes that do not depend on the inputs.
    """
    look: Callable[[Any], Any] = (lambda x: x) if record else value_of
    found: dict[Node, Any] = dict(zip(wrt, stacks))
    for node in topological([y for y in outputs if isinstance(y, Node)]):
        if node in found or not any(isinstance(x, Node) and x in found for x in node.inputs):
            continue
        on = tuple(isinstance(x, Node) and x in found for x in node.inputs)
        inputs = [found[x] if b else look(x) for x, b in zip(node.inputs, on)]
        result = _apply(node, size, on, inputs)
        if is_cut(node):
            result = tuple(map(stop_gradient, result)) if type(result) is tuple else stop_gradient(result)
        found[node] = result
    return [found[y] if isinstance(y, Node) and y in found else stacked(look(y), False, size) for y in outputs]


def _apply(node: Node, size: int, on: Sequence[bool], inputs: list[Any]) -> Any:
    op: Any = node.op
    if op.batch is not None:
        return op.batch(op, size, on, *inputs, **node.params)
    rows = [op(*(x[i] if b else x for x, b in zip(inputs, on)), **node.params) for i in range(size)]
    if isinstance(node.type, tuple):
        return tuple(stack(column) for column in zip(*map(outputs_of, rows)))
    return stack(rows)
