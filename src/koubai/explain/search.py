"""The search for the first value that is not finite, in a graph whose nodes have values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from koubai.explain.spot import Names, Spot, is_finite, operands_at, spot_of
from koubai.graph import Body, Node, constant, topological, value_of
from koubai.graph.node import rebuilt
from koubai.ops.define import is_elementwise
from koubai.tensor.control.common import axis_dropped, parts, types_of

__all__ = ["first_not_finite"]


def first_not_finite(
    output: Any, sent: Iterable[Any], leaves: Sequence[Any], found: Mapping[Any, Any], names: Names
) -> Spot | None:
    """The first value that is not finite on the way to the output; if there is none, on the way back.

    Parameters
    ----------
    output : node
    sent : messages of the backward pass, in their order
        Not asked for where the output itself is not finite.
    leaves : nodes
    found : dict
        The gradients of the leaves, once the messages are over.
    """
    if not is_finite(output.value):
        return _forward(output, names)
    reached: dict[Any, int] = {}
    for message in sent:
        spot = _in_message(message, reached, names)
        if spot is not None:
            return spot
        x = message.user.inputs[message.position]
        reached[x] = reached.get(x, 0) + 1
    for leaf in leaves:
        g = value_of(found.get(leaf))
        if g is not None and not is_finite(g):
            return _sum(leaf, g, names)
    return None


# Forward


def _forward(output: Any, names: Names) -> Spot:
    """What spoilt the output."""
    node = _origin(output)
    return _described(node, names) if node.op is not None else _leaf(node, names)


def _origin(output: Any) -> Any:
    """Of what spoilt the output the node that came first."""
    spoilt, stack = {output}, [output]
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Node) and x not in spoilt and not is_finite(x.value):
                spoilt.add(x)
                stack.append(x)
    order = sorted(spoilt, key=lambda node: node.number)
    origins = [node for node in order if not any(isinstance(x, Node) and x in spoilt for x in node.inputs)]
    found = next((node for node in origins if not _is_meant(node)), None)
    if found is not None:
        return found
    # All infinities were put there on purpose (a mask): what made NaN of them.
    born = (n for n in order if _has_nan(n.value) and not any(_has_nan(value_of(x)) for x in n.inputs))
    return next(born, origins[0])


def _is_meant(node: Any) -> bool:
    """Whether an infinity was written by the user: a constant of the code, such as that of a mask."""
    if _has_nan(node.value):
        return False
    if node.op is None:
        return node.name is None and not node.requires_grad
    return any(not isinstance(x, Node) and not is_finite(x) for x in node.inputs)


def _has_nan(value: Any) -> bool:
    if type(value) is tuple:
        return any(map(_has_nan, value))
    return np.asarray(value).dtype.kind in "fc" and bool(np.isnan(value).any())


def _described(node: Any, names: Names) -> Spot:
    """What an op made of finite inputs."""
    value = node.value
    if node.op.name in ("output", "discrete_output"):  # one of several results
        node = node.inputs[0]
    inner = _in_body(node, names)
    if inner is not None:
        return inner
    if type(value) is tuple:
        value = next(v for v in value if not is_finite(v))
    of_nans = any(not is_finite(value_of(x)) for x in node.inputs)
    spot = spot_of("forward", node, value, names, nan=of_nans and _has_nan(value), target=names[node])
    return replace(spot, operands=operands_at(node, spot.index, names), example=names.example(node, spot.index))


def _leaf(node: Any, names: Names) -> Spot:
    path = getattr(node, "path", "")
    spot = spot_of("leaf", node, node.value, names, target=names[node])
    return replace(spot, layer=path.rpartition(".")[0] or None)


# Loops and other ops with a body of their own


def _in_body(node: Any, names: Names) -> Spot | None:
    """The spot inside of the body of an op that has one."""
    if not isinstance(node.params.get("body"), Body):
        return None
    for k, outputs in _evaluated(node):
        spoilt = next((y for y in outputs if not is_finite(y.value)), None)
        if spoilt is not None:
            inner = _forward(spoilt, Names(topological(outputs)))
            return replace(inner, iteration=k if inner.iteration is None else inner.iteration)
    return None


def _evaluated(node: Any) -> Iterator[tuple[int | None, list[Any]]]:
    """The outputs of the body, as nodes with values, for each step of a loop."""
    values, body = [value_of(x) for x in node.inputs], node.params["body"]
    if "carries" not in node.params:
        yield None, _with_values(body.of(types_of(values)), values)
        return
    kept, carry, rows = parts(values, node.params["fixed"], node.params["carries"])
    body = body.of([*types_of([*kept, *carry]), *axis_dropped(types_of(rows))])
    steps = range(node.params["length"])
    for k in reversed(steps) if node.params["reverse"] else steps:
        outputs = _with_values(body, [*kept, *carry, *(x[k] for x in rows)])
        yield k, outputs
        carry = [y.value for y in outputs[: len(carry)]]


def _with_values(body: Body, values: Sequence[Any]) -> list[Any]:
    made: dict[Any, Any] = {}
    for x, value in zip(body.inputs, values):
        made[x] = constant(np.asarray(value)[()], x.result_class)
        made[x].name = x.name
    for node in topological(body.outputs):
        if node not in made:
            made[node] = node if node.op is None else _applied(node, made)
    return [made[y] for y in body.outputs]


def _applied(node: Any, made: Mapping[Any, Any]) -> Any:
    twin = rebuilt(node, tuple(made.get(x, x) if isinstance(x, Node) else x for x in node.inputs))
    twin.value = node.op.forward(*map(value_of, twin.inputs), **node.params)
    return twin


# Backward


def _in_message(message: Any, reached: Mapping[Any, int], names: Names) -> Spot | None:
    user, position = message.user, message.position
    upstream = value_of(message.upstream) if not isinstance(message.upstream, (tuple, list)) else message.upstream
    if not _all_finite(upstream):
        return _sum(user, next(g for g in _parts(upstream) if g is not None and not is_finite(g)), names)
    sent = value_of(message.sent)
    if is_finite(sent):
        return None
    spoilt = next((n for n in (*user.inputs, user) if isinstance(n, Node) and not is_finite(n.value)), None)
    if spoilt is not None and not _is_meant(_origin(spoilt)):
        return _forward(spoilt, names)
    x = user.inputs[position]
    spot = spot_of("backward", user, sent, names, target=names[x])
    at = _full_index(user, position, upstream, spot.index)
    received = None if at is None else np.asarray(upstream)[at]
    same = np.shape(value_of(x)) == np.shape(user.value)
    operands = operands_at(user, spot.index if at is None and same else at, names)
    return replace(spot, operands=operands, upstream=received, example=names.example(x, spot.index))


def _full_index(user: Any, position: int, upstream: Any, index: tuple[int, ...]) -> tuple[int, ...] | None:
    """Of an elementwise op: the element of the result from which the message at `index` came."""
    if not is_elementwise(user.op):
        return None
    values = [value_of(x) for x in user.inputs]
    raw = np.asarray(value_of(user.op.vjp[position](upstream, user.value, *values, **user.params)))
    whole = np.broadcast_to(raw, user.value.shape)
    received = np.shape(values[position])
    spread = (slice(None),) * (len(user.value.shape) - len(received))
    here = (*spread, *(i if n > 1 else slice(None) for i, n in zip(index, received)))
    chosen = np.zeros(whole.shape, bool)
    chosen[here] = True
    bad = np.argwhere(chosen & ~np.isfinite(whole))
    return tuple(int(i) for i in (bad if len(bad) else np.argwhere(chosen))[0])


def _sum(node: Any, g: Any, names: Names) -> Spot:
    """Finite messages whose sum is not finite."""
    return replace(spot_of("sum", node, g, names, target=names[node]), op=None)


def _parts(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (tuple, list)) else (value,)


def _all_finite(value: Any) -> bool:
    return all(part is None or is_finite(value_of(part)) for part in _parts(value))
