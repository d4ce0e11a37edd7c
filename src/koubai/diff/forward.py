"""Forward mode: changes pushed from inputs to outputs, in the order of the computation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from koubai.diff.reverse import active
from koubai.errors import UnsupportedError
from koubai.graph import Node, joint_jvp, value_of
from koubai.ops.elementwise import real
from koubai.ops.shape import astype, broadcast_to

__all__ = ["forward_mode"]


def forward_mode(
    outputs: Sequence[Node], wrt: Sequence[Node], tangents: Sequence[Any], *, record: bool
) -> list[Any]:
    """The change of each output when the nodes `wrt` change by `tangents`; None where it does not depend.

    Parameters
    ----------
    record : bool
        As in `reverse_mode`.
    """
    look: Callable[[Any], Any] = (lambda x: x) if record else value_of
    found: dict[Node, Any] = dict(zip(wrt, tangents))
    for node in reversed(active(outputs, wrt)):
        if node in found:
            continue
        inputs = [look(x) for x in node.inputs]
        ts = [found.get(x) if isinstance(x, Node) else None for x in node.inputs]
        total = _pushed(node, ts, look(node), inputs)
        if total is not None:
            found[node] = total if type(total) is tuple else _as_result(total, node)
    return [found.get(node) for node in outputs]


def _pushed(node: Node, ts: Sequence[Any], y: Any, inputs: list[Any]) -> Any:
    """The change of a node when its inputs change by `ts`; None where they do not, or where none comes through."""
    jvp: Any = node.op and node.op.jvp
    if type(jvp) is joint_jvp:
        return jvp.rule(ts, y, *inputs, **node.params)
    total = None
    for i, t in enumerate(ts):
        part = None if t is None else _push(node, i, t, y, inputs)
        if part is not None:
            total = part if total is None else _sum(total, part)
    return total


def _push(node: Node, i: int, t: Any, y: Any, inputs: list[Any]) -> Any:
    op: Any = node.op
    if op.linear:
        return op(*inputs[:i], t, *inputs[i + 1 :], **node.params)
    if op.jvp is None:
        raise UnsupportedError(
            f"{op.name}: forward mode is not defined here, only reverse mode; use kb.grad or kb.vjp (in a kb.Function "
            f"that also runs on tensors, differentiable_backward = True brings it)"
        )
    rule = op.jvp[i]
    return None if rule is None else rule(t, y, *inputs, **node.params)


def _sum(a: Any, b: Any) -> Any:
    return tuple(x + z for x, z in zip(a, b)) if type(a) is tuple else a + b


def _as_result(t: Any, node: Node) -> Any:
    """A change in the shape and dtype of the node that changes."""
    if t.shape != node.shape:
        t = broadcast_to(t, shape=node.shape)
    if t.dtype != node.dtype:
        t = astype(real(t) if t.dtype.kind == "c" != node.dtype.kind else t, dtype=node.dtype)
    return t
