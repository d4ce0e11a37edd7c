"""A graph to a smaller graph with the same outputs: shared subexpressions, identities, dead code.

Ops that have no loops of their own are replaced by the ops that express them.

Dead code needs no pass: a graph holds only what its outputs depend on. Constants need none either: an op on
values computes when it is recorded. No rule here changes a result's bits, so x + 0 (which turns -0.0 into
0.0) and x * 0 (which hides a NaN) stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from koubai.graph import Body, Node, topological
from koubai.graph.node import constant, rebuilt
from koubai.ops import elementwise as e
from koubai.ops import shape as s
from koubai.ops.index import scatter
from koubai.ops.lowering import Barrier, Expand, Loop, form_of
from koubai.ops.structure import barrier, bind, discrete_output, output

__all__ = ["simplify"]

MOST_PIECES = 32


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
        made = isinstance(shorter, Node) and shorter.op is not None
        return seen.setdefault(_key(shorter, shorter.inputs), shorter) if made else shorter
    how = form_of(node)
    if isinstance(how, Expand) and (isinstance(node.type, tuple) or node.dtype.kind != "c"):
        return _expanded(node, how, inputs, seen)
    key = node if isinstance(how, Barrier) else _key(node, inputs)
    if key not in seen:
        same = all(a is b for a, b in zip(inputs, node.inputs))
        seen[key] = node if same else rebuilt(node, inputs)
        if isinstance(how, Loop):
            seen[key] = _with_shorter_body(node, how, inputs)
    return seen[key]


def _with_shorter_body(node: Node, how: Loop, inputs: tuple[Any, ...]) -> Any:
    body = how.body(*inputs, **node.params)
    arrays = (x if isinstance(x, Node) else np.asarray(x, t.dtype) for x, t in zip(inputs, body.types))
    return rebuilt(node, tuple(arrays), {**node.params, "body": Body(body.inputs, simplify(body.outputs, {}))})


def _expanded(node: Node, how: Expand, inputs: tuple[Any, ...], seen: dict[Any, Any]) -> Any:
    """The other ops that express this one, simplified."""
    newest = constant(None).number
    y = how.by(*inputs, **node.params)
    stack = [x for x in (y if isinstance(y, (tuple, list)) else [y]) if isinstance(x, Node) and x.number > newest]
    made = set(stack)
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Node) and x.number > newest and x not in made:
                made.add(x)
                stack.append(x)
    new: dict[Node, Any] = {}
    for part in sorted(made, key=lambda x: x.number):
        new[part] = _simplified(part, new, seen)
    return tuple(new.get(x, x) for x in y) if isinstance(y, (tuple, list)) else new.get(y, y)


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


def _joined(node: Node, inputs: Sequence[Any]) -> Any:
    """The sum of arrays that are each 0 outside of a slice, where the slices fill an axis: one after the other."""
    parts: dict[int, Any] = {}
    axes, stack = set(), list(inputs)
    while stack:
        x = stack.pop()
        if not isinstance(x, Node) or x.type != node.type:
            return None
        if x.op is e.add:
            stack += x.inputs
            continue
        found = _slice_of(x)
        if found is None or found[1] in parts or not isinstance(x.inputs[0], Node):
            return None
        axes.add(found[0])
        parts[found[1]] = x.inputs[0]
    pieces = [parts[start] for start in sorted(parts)]
    if len(axes) != 1 or len(pieces) > MOST_PIECES:
        return None
    (axis,) = axes
    ends = list(accumulate((x.shape[axis] for x in pieces), initial=0))
    if ends != [*sorted(parts), node.shape[axis]]:
        return None
    zero = np.zeros((), node.dtype)[()]
    return s.concatenate(*(e.add(x, zero) for x in pieces), axis=axis)  # -0.0 + 0.0 is 0.0


def _slice_of(x: Node) -> tuple[int, int] | None:
    """The axis along which an array is 0 but for a slice, and where that begins."""
    if x.op is not scatter or len(x.inputs) > 1 or not all(isinstance(p, slice) for p in x.params["pattern"]):
        return None
    cut = [(axis, p.indices(n)) for axis, (p, n) in enumerate(zip(x.params["pattern"], x.shape))]
    cut = [(axis, at) for axis, at in cut if at != (0, x.shape[axis], 1)]
    return (cut[0][0], cut[0][1][0]) if len(cut) == 1 and cut[0][1][2] == 1 else None


def _chosen(node: Node, inputs: Sequence[Any]) -> Any:
    """One output of an op that others have replaced, or of a loop that hands rows through."""
    (x,), index = inputs, node.params["index"]
    if isinstance(x, tuple):
        return x[index]
    if not isinstance(form_of(x), Loop):
        return None
    body, first = x.params["body"], x.params["fixed"] + x.params["carries"]
    if index < x.params["carries"]:
        return None
    rows = (array for row, array in zip(body.inputs[first:], x.inputs[first:]) if row is body.outputs[index])
    return _same_type(node, next(rows, None))


_RULES: dict[Any, Callable[[Node, Sequence[Any]], Any]] = {
    bind: _first,
    e.absolute: _of_negative,
    barrier: lambda node, inputs: None if isinstance(inputs[0], Node) else inputs[0],
    output: _chosen,
    discrete_output: _chosen,
    e.add: _joined,
    e.positive: _first,
    e.multiply: _times_one,
    e.divide: _over_one,
    e.negative: _undone(lambda node, x: x.inputs[0]),
    s.astype: _first,
    s.broadcast_to: _first,
    s.reshape: _reshape,
    s.transpose: _transpose,
}
