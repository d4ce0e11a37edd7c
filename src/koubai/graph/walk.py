"""Orders in which a graph is read. Loops, never recursion: a chain of a million nodes is a graph too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from koubai.graph.node import Node

__all__ = ["topological", "users_first"]


def users_first(outputs: Iterable[Any], *, gradients_only: bool = False) -> list[Any]:
    """Every node that the outputs depend on, each one after all of its users (Kahn's algorithm).

    Parameters
    ----------
    outputs : iterable of nodes
    gradients_only : bool
        Follow only the nodes that require a gradient.

    Returns
    -------
    list of Node
        Time and memory are linear in the number of edges.
    """
    waiting: dict[Node, int] = {}
    stack: list[Node] = []
    for node in outputs:
        if node not in waiting and (node.requires_grad or not gradients_only):
            waiting[node] = 0
            stack.append(node)
    roots = stack[:]
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Node) and (x.requires_grad or not gradients_only):
                if x in waiting:
                    waiting[x] += 1
                else:
                    waiting[x] = 1
                    stack.append(x)
    order = []
    ready = [node for node in reversed(roots) if waiting[node] == 0]
    while ready:
        node = ready.pop()
        order.append(node)
        for x in node.inputs:
            if x in waiting if isinstance(x, Node) else False:
                waiting[x] -= 1
                if waiting[x] == 0:
                    ready.append(x)
    return order


def topological(outputs: Iterable[Any]) -> list[Any]:
    """Every node that the outputs depend on, each one after all of its inputs."""
    order = users_first(outputs)
    order.reverse()
    return order
