"""The paths through which one number reaches the output, and what each contributes to its gradient.

By the chain rule the gradient of a number is the sum, over all paths from it to the output, of the products of the
local derivatives along the path. Bauer (1974), "Computational graphs and rounding error", reads gradients off
a graph in this way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Any

import numpy as np

from koubai.diff import forward_mode
from koubai.errors import IndexingError, UsageError
from koubai.explain.local import jacobian_of
from koubai.explain.record import Record, RecordEdge, RecordNode
from koubai.graph import Node, constant, value_of
from koubai.ops.define import is_elementwise

__all__ = ["Path", "Paths", "Stop", "paths_from"]

MOST_LINKS = 1_000_000

Place = tuple[int, int]  # a node's index in the record, and an element's in the flattened value
Link = tuple[Place, float, RecordEdge]  # where it leads, the derivative there, and on which edge


@dataclass(frozen=True, slots=True)
class Stop:
    """One number on a path.

    Attributes
    ----------
    node : RecordNode
    index : tuple of int
        Which element of it.
    local : float
        The derivative of this number by the one before it on the path; 1 at the start.
    edge : RecordEdge or None
        The edge on which the path came here; None at the start.
    """

    node: RecordNode
    index: tuple[int, ...]
    local: float
    edge: RecordEdge | None

    @property
    def value(self) -> float:
        """The number."""
        return float(np.asarray(self.node.value)[self.index])


@dataclass(frozen=True, slots=True)
class Path:
    """A way from a number to the output.

    Attributes
    ----------
    stops : tuple of Stop
        From the number to the output.
    contribution : float
        The product of the local derivatives, and of the output's own gradient.
    """

    stops: tuple[Stop, ...]
    contribution: float


@dataclass(frozen=True, slots=True)
class Paths:
    """How one number reaches the output.

    Attributes
    ----------
    node : RecordNode
    index : tuple of int
        Which element of the node.
    gradient : float
        The sum of the contributions of all paths.
    count : int
        How many paths there are along which no derivative is zero.
    largest : tuple of Path
        Those with the largest contributions, the largest first.
    """

    node: RecordNode
    index: tuple[int, ...]
    gradient: float
    count: int
    largest: tuple[Path, ...]


def paths_from(record: Record, node: RecordNode, index: Any = (), most: int = 10) -> Paths:
    """The paths from one element of a node to the output.

    Parameters
    ----------
    record : Record
        Of real numbers.
    node : RecordNode
    index : int or tuple of int
    most : int
        How many paths to return; all are counted.

    Raises
    ------
    IndexingError
        If the node has no such element.
    UsageError
        If nothing that the node leads to reaches the output, or if the number reaches it through more than a million
        links.

    Examples
    --------
    >>> import koubai as kb
    >>> x = kb.tensor(2.0, requires_grad=True, name="x")
    >>> y = x * x * 3.0
    >>> found = paths_from(kb.record(y), kb.record(y)["x"])
    >>> found.count, [path.contribution for path in found.largest]
    (2, [6.0, 6.0])
    """
    if node.grad is None:
        raise UsageError(
            f"explain: no path leads from {node.symbol} to {record.output.symbol} along which a gradient flows; choose "
            f"a tensor that requires a gradient and that the output depends on"
        )
    start = node.index, _flat(node, index)
    links = _links(record, start)
    weights = np.asarray(record.output.grad, float).ravel()
    best: dict[Place, float] = {}
    number: dict[Place, int] = {}
    for place in sorted(links, reverse=True):
        ends = place[0] == record.output.index
        best[place] = abs(weights[place[1]]) if ends else 0.0
        number[place] = int(ends)
        for after, local, _ in links[place]:
            best[place] = max(best[place], abs(local) * best[after])
            number[place] += number[after]
    largest = []
    for product, way in _by_size(links, best, start, record.output.index):
        stops = [Stop(node, _index(node, start[1]), 1.0, None)]
        for (n, e), local, edge in way:
            stops.append(Stop(record.nodes[n], _index(record.nodes[n], e), local, edge))
        last = start if not way else way[-1][0]
        largest.append(Path(tuple(stops), product * float(weights[last[1]])))
        if len(largest) == most:
            break
    gradient = float(np.asarray(node.grad).ravel()[start[1]])
    return Paths(node, _index(node, start[1]), gradient, number[start], tuple(largest))


def _flat(node: RecordNode, index: Any) -> int:
    index = tuple(index) if isinstance(index, (tuple, list)) else (index,)
    try:
        return int(np.ravel_multi_index([i + n if i < 0 else i for i, n in zip(index, node.shape, strict=True)],
                                        node.shape)) if index else 0  # fmt: skip
    except (ValueError, TypeError):
        raise IndexingError(
            f"explain: {node.symbol} has the shape {node.shape}, so there is no element {index}; give one integer "
            f"an axis"
        ) from None


def _index(node: RecordNode, flat: int) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(flat, node.shape))


def _links(record: Record, start: Place) -> dict[Place, list[Link]]:
    """Every number that the first one changes, with the numbers that it changes directly and how fast."""
    users: dict[int, list[RecordEdge]] = {}
    for edge in record.edges:
        users.setdefault(edge.source.index, []).append(edge)
    waiting: dict[int, set[int]] = {start[0]: {start[1]}}
    links: dict[Place, list[Link]] = {}
    total = 0
    for n in range(start[0], len(record.nodes)):
        for e in sorted(waiting.pop(n, ())):
            found = links[n, e] = []
            for edge in users.get(n, ()):
                for f, local in _column(edge, e):
                    found.append(((edge.target.index, f), local, edge))
                    waiting.setdefault(edge.target.index, set()).add(f)
            total += len(found)
            if total > MOST_LINKS:
                raise UsageError(
                    f"explain: {record.nodes[start[0]].symbol} reaches the output through more than {MOST_LINKS:,} "
                    f"links between numbers; take fewer examples or a smaller layer"
                )
    return links


def _column(edge: RecordEdge, e: int) -> Iterator[tuple[int, float]]:
    """The elements of the target that change with element `e` of the source, and how fast."""
    node, position = edge.target._made, edge.position
    if type(node.value) is tuple or type(edge.source.value) is tuple:
        raise UsageError(f"explain: {edge.target.op} has several outputs, through which paths are not followed; "
                         f"write the loop in Python, or explain the whole computation without wrt=")
    if is_elementwise(node.op):  # type: ignore[arg-type]
        places = np.broadcast_to(np.arange(edge.source.value.size).reshape(edge.source.shape), edge.target.shape)
        chosen = np.flatnonzero(places == e) if edge.source.shape != edge.target.shape else np.array([e])
        factors = np.asarray(edge.local).ravel()[chosen]
    else:
        column = _pushed(node, position, e)
        chosen = np.flatnonzero(column)
        factors = column.ravel()[chosen]
    return ((int(f), float(local)) for f, local in zip(chosen, factors) if local)


def _pushed(node: Node, position: int, e: int) -> Any:
    """The change of a node when element `e` of one of its inputs changes by one."""
    op: Any = node.op
    inputs = [value_of(x) for x in node.inputs]
    unit = np.zeros(inputs[position].size, inputs[position].dtype)
    unit[e] = 1
    unit = unit.reshape(inputs[position].shape)
    if op.jvp is None and not op.linear:
        return jacobian_of(node, position).reshape(-1, unit.size)[:, e]
    x = constant(inputs[position], requires_grad=True)
    twin = constant(node.value, requires_grad=True)
    twin.op, twin.params = op, node.params
    twin.inputs = tuple(x if i == position else v for i, v in enumerate(inputs))
    change = forward_mode([twin], [x], [unit[()]], record=False)[0]
    return np.zeros(node.shape) if change is None else np.asarray(change)


def _by_size(
    links: dict[Place, list[Link]], best: dict[Place, float], start: Place, end: int
) -> Iterator[tuple[float, tuple[Link, ...]]]:
    """All paths, the one with the largest product first.

    Best-first search: a path that is not at its end yet is worth the product so far times the largest product that is
    still to come, so that none that comes later is larger.
    """
    order = count()
    heap: list[Any] = [(-best[start], next(order), 1.0, start, ())]
    while heap:
        _, _, product, place, way = heappop(heap)
        if place[0] == end:
            yield product, way
            continue
        for link in links[place]:
            after, local, _ = link
            worth = abs(product * local) * best[after]
            if worth:
                heappush(heap, (-worth, next(order), product * local, after, (*way, link)))
