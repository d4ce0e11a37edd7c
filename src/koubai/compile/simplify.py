"""A graph to a smaller graph with the same outputs: shared subexpressions, identities, dead code.

Ops that have no loops of their own are replaced by the ops that express them.

Dead code needs no pass: a graph holds only what its outputs depend on. Constants need none either: an op on
values computes when it is recorded. No rule here changes a result's bits, so x + 0 (which turns -0.0 into
0.0) and x * 0 (which hides a NaN) stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from koubai.graph import Node, topological
from koubai.graph.node import constant, rebuilt
from koubai.ops import elementwise as e
from koubai.ops import shape as s
from koubai.ops.lowering import Expand, form_of
from koubai.ops.structure import bind

__all__ = ["simplify"]


def simplify(outputs: Sequence[Node], known: Mapping[Node, Node]) -> list[Any]:
    """The outputs, computed by fewer nodes.

    Parameters
    ----------
    outputs : nodes
    known : for nodes that are given what stands for them: themselves, or other leaves of the same type
    """
    new: dict[Node, Any] = dict(known)
    seen: dict[Any, Any] = {}
    for node in topological(outputs):
        if node not in new:
            new[node] = _simplified(node, new, seen)
    return [new[y] for y in outputs]


def _simplified(node: Node, new: dict[Node, Any], seen: dict[Any, Any]) -> Any:
    if node.op is None:
        return node
    inputs = tuple(new.get(x, x) if isinstance(x, Node) else x for x in node.inputs)
    shorter = _shorter(node, inputs)
    if shorter is not None:
        return shorter if shorter.op is None else seen.setdefault(_key(shorter, shorter.inputs), shorter)
    how = form_of(node)
    if isinstance(how, Expand) and node.dtype.kind != "c":
        return _expanded(node, how, inputs, seen)
    key = _key(node, inputs)
    if key not in seen:
        same = all(a is b for a, b in zip(inputs, node.inputs))
        seen[key] = node if same else rebuilt(node, inputs)
    return seen[key]


def _expanded(node: Node, how: Expand, inputs: tuple[Any, ...], seen: dict[Any, Any]) -> Any:
    """The other ops that express this one, simplified."""
    newest = constant(None).number
    y = how.by(*inputs, **node.params)
    made, stack = {y}, [y]
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Node) and x.number > newest and x not in made:
                made.add(x)
                stack.append(x)
    new: dict[Node, Any] = {}
    for part in sorted(made, key=lambda x: x.number):
        new[part] = _simplified(part, new, seen)
    return new[y]


def _key(node: Node, inputs: Sequence[Any]) -> Any:
    """Equal for nodes that compute the same: constants compare by type and bits, arrays by identity."""
    parts = tuple(_part(x) for x in inputs)
    try:
        key = (node.op, parts, _hashable(sorted(node.params.items())))
        hash(key)
    except TypeError:
        return node  # params that cannot be compared: the node equals only itself
    return key


def _hashable(x: Any) -> Any:
    if isinstance(x, (tuple, list)):
        return tuple(map(_hashable, x))
    return (slice, x.start, x.stop, x.step) if isinstance(x, slice) else x  # Python 3.11 cannot hash slices


def _part(x: Any) -> Any:
    if isinstance(x, (Node, np.ndarray)):
        return id(x)
    return type(x), np.asarray(x).tobytes()


def _shorter(node: Node, inputs: Sequence[Any]) -> Any:
    """What the node can be replaced by, or None."""
    rule = _RULES.get(node.op)
    return None if rule is None else rule(node, inputs)


def _same_type(node: Node, x: Any) -> Any:
    return x if isinstance(x, Node) and x.type == node.type else None


def _first(node: Node, inputs: Sequence[Any]) -> Any:
    return _same_type(node, inputs[0])


def _times_one(node: Node, inputs: Sequence[Any]) -> Any:
    for one, other in (inputs, reversed(inputs)):
        if not isinstance(one, Node) and np.ndim(one) == 0 and one == 1:
            return _same_type(node, other)
    return None


def _over_one(node: Node, inputs: Sequence[Any]) -> Any:
    x, z = inputs
    return _same_type(node, x) if not isinstance(z, Node) and np.ndim(z) == 0 and z == 1 else None


def _undone(combine: Callable[[Any, Any], Any]) -> Callable[[Node, Sequence[Any]], Any]:
    """Two of the same op in a row become one, or none."""

    def rule(node: Node, inputs: Sequence[Any]) -> Any:
        (x,) = inputs
        if not isinstance(x, Node):
            return None
        if x.op is node.op and isinstance(x.inputs[0], Node):
            return combine(node, x)
        return None

    return rule


def _of_negative(node: Node, inputs: Sequence[Any]) -> Any:
    """|-x| is |x|."""
    (x,) = inputs
    if isinstance(x, Node) and x.op is e.negative and node.dtype.kind == "f":
        return rebuilt(node, x.inputs)
    return None


def _reshape(node: Node, inputs: Sequence[Any]) -> Any:
    (x,) = inputs
    while isinstance(x, Node) and x.op is s.reshape and isinstance(x.inputs[0], Node):
        x = x.inputs[0]
    if x is inputs[0] or not isinstance(x, Node):
        return _first(node, inputs)
    return x if x.type == node.type else rebuilt(node, (x,))


def _transpose(node: Node, inputs: Sequence[Any]) -> Any:
    (x,) = inputs
    if node.params["axes"] == tuple(range(node.ndim)):
        return _first(node, inputs)
    if isinstance(x, Node) and x.op is s.transpose and isinstance(x.inputs[0], Node):
        axes = tuple(x.params["axes"][i] for i in node.params["axes"])
        if axes == tuple(range(node.ndim)):
            return x.inputs[0]
        return rebuilt(node, x.inputs, {"axes": axes})
    return None


_RULES: dict[Any, Callable[[Node, Sequence[Any]], Any]] = {
    bind: _first,
    e.absolute: _of_negative,
    e.positive: _first,
    e.multiply: _times_one,
    e.divide: _over_one,
    e.negative: _undone(lambda node, x: x.inputs[0]),
    s.astype: _first,
    s.broadcast_to: _first,
    s.reshape: _reshape,
    s.transpose: _transpose,
}
