"""Orders in which a graph is read. Loops, never recursion: a chain of a million nodes is a graph too.

A node is numbered when it is made, after everything that it was made from. So sorting what the outputs
depend on by number gives an order in which inputs come before their users, and backwards one in which
users come first. The numbers of a chain are sorted already, which Timsort notices: linear time.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from koubai.graph.node import Node

__all__ = ["topological", "users_first"]

_by_number = attrgetter("number")


def users_first(outputs: Iterable[Any], *, gradients_only: bool = False) -> list[Any]:
    """Every node that the outputs depend on, each one after all of its users.

    Parameters
    ----------
    outputs : iterable of nodes
    gradients_only : bool
        Follow only the nodes that require a gradient.
    """
    stack = [node for node in outputs if node.requires_grad or not gradients_only]
    reached = set(stack)
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Node) and x not in reached and (x.requires_grad or not gradients_only):
                reached.add(x)
                stack.append(x)
    return sorted(reached, key=_by_number, reverse=True)


def topological(outputs: Iterable[Any]) -> list[Any]:
    """Every node that the outputs depend on, each one after all of its inputs."""
    order = users_first(outputs)
    order.reverse()
    return order
