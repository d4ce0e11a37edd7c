"""Reverse mode: backpropagation.

A node's gradient is the sum of what its users send back; a user sends its own gradient through the
rule of its op. Users come before the nodes that they use, so that each node is complete when its turn
comes (Linnainmaa 1970; Baydin et al. 2018, section 3.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from koubai.errors import GradientShapeError, ShapeError, UsageError
from koubai.graph import Node, joint_vjp, users_first, value_of
from koubai.ops.elementwise import real
from koubai.ops.shape import astype, broadcast_to, summed_to
from koubai.ops.structure import output

__all__ = ["Message", "active", "conform", "gradients", "messages", "reverse_mode"]


def gradients(outputs: Sequence[Node], cotangents: Sequence[Any]) -> dict[Node, Any]:
    """Gradients of every leaf that requires one, as plain arrays; nothing is recorded.

    What `reverse_mode` does with values and all leaves, written out for them: `backward` spends its time in
    this loop, and asking at each step what to look at would cost as much as the step.

    Parameters
    ----------
    outputs : nodes
    cotangents : arrays of the outputs' shapes, the gradient that each output receives
    """
    found: dict[Node, Any] = {}
    ours: set[Node] = set()  # whose sum was allocated here, so that more may be added to it in place
    for node, g in zip(outputs, cotangents):
        found[node] = found[node] + g if node in found else g
    leaves = {}
    for node in users_first(outputs, gradients_only=True):
        g = found.pop(node, None)
        op = node.op
        if op is None:
            leaves[node] = np.zeros_like(node.value) if g is None else g
            continue
        if g is None:
            continue
        inputs = node.inputs
        values = [x.value if isinstance(x, Node) else x for x in inputs]
        y, rules, params = node.value, op.vjp, node.params
        if type(g) is list:
            if type(rules) is joint_vjp:
                wanted = [isinstance(x, Node) and x.requires_grad for x in inputs]
                rules = rules.messages(wanted, g, y, values, params)
            else:
                g = _filled(g, node)
        for i, x in enumerate(inputs):
            if not (isinstance(x, Node) and x.requires_grad):
                continue
            rule = rules[i]
            if rule is None:
                continue
            if x.number > node.number:
                raise stale(node, x)
            message = rule(g, y, *values, **params)
            if op is output:
                _add_to_slot(found, x, params["index"], message)
                continue
            value = values[i]
            kind = type(message)
            if kind is not type(value) or (
                kind is not np.float64 and (message.shape != value.shape or message.dtype is not value.dtype)
            ):
                message = received(message, value, node, i)
            before = found.get(x)
            if before is None:
                found[x] = message
            elif x in ours:
                before += message
            else:
                found[x] = total = before + message
                if type(total) is np.ndarray:
                    ours.add(x)
    return leaves


def reverse_mode(
    outputs: Sequence[Node], cotangents: Sequence[Any], wrt: Sequence[Node], *, record: bool
) -> list[Any]:
    """Gradients of `outputs` with respect to the nodes `wrt`; None where an output does not depend on one.

    Parameters
    ----------
    record : bool
        With True the rules see nodes, and their results are nodes of the same graph, which can be
        differentiated again. With False they see values.
    """
    found: dict[Node, Any] = {}
    for _ in messages(outputs, cotangents, wrt, found, record=record):
        pass
    return [found.get(node) for node in wrt]


class Message(NamedTuple):
    """What a node sends to one of its inputs in the backward pass.

    Attributes
    ----------
    user, position : node and int
        The sender, and which of its inputs receives the message.
    upstream : array
        The gradient of the sender. A tuple where it has several outputs.
    sent : array
        The message: in the shape and dtype of the input, or of the one output that it belongs to.
    """

    user: Node
    position: int
    upstream: Any
    sent: Any


def messages(
    outputs: Sequence[Node], cotangents: Sequence[Any], wrt: Sequence[Node], found: dict[Node, Any], *, record: bool
) -> Iterator[Message]:
    """The backward pass, message by message; when it is over `found` holds the gradients of the nodes `wrt`.

    Parameters
    ----------
    found : dict
        Empty. It holds the gradients of the nodes whose turn is still to come: the sum of the messages so far.
    record : bool
        As in `reverse_mode`.
    """
    order = active(outputs, wrt)
    inside = set(order)
    targets = set(wrt)
    look: Callable[[Any], Any] = (lambda x: x) if record else value_of
    for node, g in zip(outputs, cotangents):
        if node in inside:
            _add(found, node, g)
    for node in order:
        if node in targets:
            continue
        g = found.pop(node, None)
        if g is None:
            continue
        inputs = [look(x) for x in node.inputs]
        op: Any = node.op
        y, rules, params = look(node), op.vjp, node.params
        if type(g) is list:
            if type(rules) is joint_vjp:
                wanted = [isinstance(x, Node) and x in inside for x in node.inputs]
                rules = rules.messages(wanted, g, y, inputs, params)
            else:
                g = _filled(g, node)
        for i, x in enumerate(node.inputs):
            if not isinstance(x, Node) or x not in inside:
                continue
            rule = rules[i]
            if x.number > node.number:
                raise stale(node, x)
            if rule is not None:
                message = rule(g, y, *inputs, **params)
                if op is output:
                    _add_to_slot(found, x, params["index"], message)
                else:
                    message = received(message, inputs[i], node, i)
                    _add(found, x, message)
                yield Message(node, i, g, message)


def received(message: Any, x: Any, node: Node, i: int) -> Any:
    """What input i of the node receives from its rule, or an error that names the rule."""
    try:
        return conform(message, x)
    except ShapeError:
        raise GradientShapeError(
            f"{node.op and node.op.name}: the rule for the gradient of input {i} returned the shape "
            f"{np.shape(value_of(message))}, expected the shape {x.shape} of that input"
        ) from None


def stale(node: Node, x: Node) -> UsageError:
    """What to raise where an input took new values after the node was computed from its old ones."""
    return UsageError(
        f"the gradient of {node.op and node.op.name} ({node.where()}) needs the old value of {x.name or 'a tensor'}, "
        f"which was assigned a new one since; differentiate first and update afterwards, or compute the output anew"
    )


def active(outputs: Iterable[Node], wrt: Iterable[Node]) -> list[Node]:
    """The nodes between `wrt` and `outputs`, users first: those through which a gradient passes."""
    order = users_first(outputs, gradients_only=True)
    inside = set(wrt)
    for node in reversed(order):
        if node not in inside and any(isinstance(x, Node) and x in inside for x in node.inputs):
            inside.add(node)
    return [node for node in order if node in inside]


def conform(g: Any, x: Any) -> Any:
    """What a rule returned, in the shape and dtype of the input that receives it.

    Sums over the axes along which the input was broadcast, takes the real part for a real input, casts.
    """
    if not isinstance(g, (Node, np.ndarray, np.generic)):
        g = np.asarray(g)[()]
    shape = x.shape
    if g.shape != shape:
        g = summed_to(g, shape) if _was_broadcast(shape, g.shape) else broadcast_to(g, shape=shape)
    dtype = x.dtype
    if g.dtype != dtype:
        if g.dtype.kind == "c" and dtype.kind != "c":
            g = real(g)
        if g.dtype != dtype:
            g = astype(g, dtype=dtype)
    return g


def _was_broadcast(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether an array of `shape` may have been broadcast to the shape `to`; never to a smaller one."""
    return len(shape) <= len(to) and all(n in (1, m) for n, m in zip(reversed(shape), reversed(to)))


def _add(found: dict[Node, Any], node: Node, g: Any) -> None:
    if node in found:
        found[node] = found[node] + g
    else:
        found[node] = g


def _add_to_slot(found: dict[Node, Any], node: Node, index: int, g: Any) -> None:
    slots = found.setdefault(node, [None] * len(node.type))
    slots[index] = g if slots[index] is None else slots[index] + g


def _filled(slots: list[Any], node: Node) -> tuple[Any, ...]:
    return tuple(np.zeros(t.shape, t.dtype)[()] if g is None else g for g, t in zip(slots, node.type))
