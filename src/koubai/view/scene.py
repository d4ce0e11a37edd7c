"""What there is to draw: a record's nodes, the arrays given to them, edges and layers, still without a place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from koubai.errors import UsageError

__all__ = ["Edge", "Group", "Node", "Scene", "scene"]

LARGEST = 5000


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the record, or (`kind` "data") a plain array that an op was given.

    Attributes
    ----------
    inputs : what the op was given, in order: the index of a node, or a plain number or text in a tuple of one
    record : the node of the record, None for data
    """

    index: int
    kind: str  # "op", "leaf", "data"
    symbol: str
    value: Any
    group: int | None
    inputs: tuple[Any, ...]
    record: Any

    @property
    def op(self) -> str | None:
        return None if self.record is None else self.record.op

    @property
    def grad(self) -> Any:
        return None if self.record is None else self.record.grad


@dataclass(frozen=True, slots=True)
class Edge:
    """Input number `position` of `target`; `record` is the edge of the record, None where no gradient flows."""

    source: int
    target: int
    position: int
    record: Any


@dataclass(frozen=True, slots=True)
class Group:
    """A layer: the call of a module."""

    path: str
    kind: str
    parent: int | None


@dataclass(frozen=True, slots=True)
class Scene:
    nodes: list[Node]
    edges: list[Edge]
    groups: list[Group]
    output: int
    sent: list[int]  # the edges along which messages were sent, in that order


def scene(record: Any, what: str = "view") -> Scene:
    """Read a record.

    Raises
    ------
    UsageError
        If the graph is too large to draw.
    """
    if len(record.nodes) > LARGEST:
        raise UsageError(
            f"{what}: the graph has {len(record.nodes)} nodes, and a drawing shows at most {LARGEST}; draw a part of "
            f"it: the output of one layer, fewer steps of an unrolled loop, or the same computation on arrays instead "
            f"of on single numbers"
        )
    groups, number = _groups(record)
    owner = _owners(record)
    nodes: list[Node] = []
    at: dict[int, int] = {}  # a record's index -> ours; arrays are put in front of their first user
    arrays: dict[int, int] = {}
    for found in record.nodes:
        inputs: list[Any] = []
        for x in found.inputs:
            if _is_node(x, record):
                inputs.append(at[x.index])
            elif _is_array(x):
                if id(x) not in arrays:
                    arrays[id(x)] = len(nodes)
                    nodes.append(Node(len(nodes), "data", f"array{len(arrays)}", x, None, (), None))
                inputs.append(arrays[id(x)])
            else:
                inputs.append((x,))
        call = found.call or owner.get(found.index)
        group = None if call is None else number[call.index]
        at[found.index] = len(nodes)
        kind = "leaf" if found.op is None else "op"
        nodes.append(Node(len(nodes), kind, found.symbol, found.value, group, tuple(inputs), found))
    edges, sent = _edges(nodes, at, record.edges)
    nodes, groups = _without_small_groups(nodes, groups)
    return Scene(nodes, edges, groups, at[record.output.index], sent)


def _is_node(x: Any, record: Any) -> bool:
    return isinstance(x, type(record.output))


def _is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.size > 1 and x.dtype.kind in "biufc"


def _owners(record: Any) -> dict[int, Any]:
    """For each parameter the call of its layer that used it first."""
    found: dict[int, Any] = {}
    for user in record.nodes:
        for x in user.inputs:
            if _is_node(x, record) and x.op is None and x.layer and x.index not in found:
                call = user.call
                while call is not None and call.path != x.layer:
                    call = call.parent
                found[x.index] = call
    return found


def _edges(nodes: list[Node], at: dict[int, int], recorded: Iterable[Any]) -> tuple[list[Edge], list[int]]:
    flows = {(at[e.source.index], at[e.target.index], e.position): e for e in recorded}
    edges: list[Edge] = []
    place: dict[tuple[int, int, int], int] = {}
    for node in nodes:
        for position, x in enumerate(node.inputs):
            if isinstance(x, int):
                key = (x, node.index, position)
                place[key] = len(edges)
                edges.append(Edge(*key, flows.get(key)))
    return edges, [place[key] for key in flows]


def _groups(record: Any) -> tuple[list[Group], dict[int, int | None]]:
    """The calls below the model itself, which would only be a frame around everything."""
    groups: list[Group] = []
    number: dict[int, int | None] = {}
    for call in record.calls:
        around = None if call.parent is None else number[call.parent.index]
        if call.path == "":
            number[call.index] = around
        else:
            number[call.index] = len(groups)
            groups.append(Group(call.path, call.kind, around))
    return groups, number


def _without_small_groups(nodes: list[Node], groups: list[Group]) -> tuple[list[Node], list[Group]]:
    """A frame around a single node, or around a single other frame, says nothing."""
    count = [0] * len(groups)
    for node in nodes:
        if node.group is not None:
            count[node.group] += 1
    for g in range(len(groups) - 1, -1, -1):
        parent = groups[g].parent
        if parent is not None:
            count[parent] += min(count[g], 2)
    number: dict[int, int | None] = {}
    kept: list[Group] = []
    for g, group in enumerate(groups):
        around = None if group.parent is None else number[group.parent]
        if count[g] < 2:
            number[g] = around
        else:
            number[g] = len(kept)
            kept.append(Group(group.path, group.kind, around))
    moved = [replace(node, group=None if node.group is None else number[node.group]) for node in nodes]
    return moved, kept
