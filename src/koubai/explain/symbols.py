"""Symbols: a name for each node of a graph, unique in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from koubai.explain.names import variable_at
from koubai.graph import Node

__all__ = ["Symbols", "names_of"]


class Symbols:
    """A symbol for each node of a graph, found when the first one is asked for.

    Parameters
    ----------
    order : sequence of nodes
        Inputs before their users.
    """

    __slots__ = ("_found", "_order")

    def __init__(self, order: Sequence[Any]) -> None:
        self._order = order
        self._found: dict[Any, str] | None = None

    def __getitem__(self, node: Any) -> str:
        if self._found is None:
            self._found = symbols_of(self._order)
        return self._found[node]


def symbols_of(order: Sequence[Any]) -> dict[Any, str]:
    """A symbol for each node: its own name, the user's variable, or v1, v2, ... (c1, c2, ... for leaves).

    A name that several nodes have is followed by _2, _3, ... from its second node on.

    Parameters
    ----------
    order : sequence of nodes
        Inputs before their users.
    """
    named = names_of(order)
    taken = {name for name in named.values() if name}
    symbols: dict[Any, str] = {}
    used: dict[str, int] = {}
    unnamed = {"v": 0, "c": 0}
    for node in order:
        name = named.get(node) or (node.name and on_one_line(node.name))
        if name:
            used[name] = n = used.get(name, 0) + 1
            symbols[node] = name if n == 1 else _free(f"{name}_", n, taken)
        else:
            prefix = "v" if node.op is not None else "c"
            unnamed[prefix] += 1
            symbols[node] = _free(prefix, unnamed[prefix], taken)
    return symbols


def on_one_line(name: str) -> str:
    """A name without line breaks and other control characters, which would break tables apart."""
    return re.sub(r"[\x00-\x1f\x7f]+", " ", name)


def names_of(order: Sequence[Any]) -> dict[Any, str | None]:
    """The names that nodes were given: their own, or the user's variables."""
    found = {node: node.name or _variable(node) for node in _assigned(order)}
    return {node: name and on_one_line(name) for node, name in found.items()}


def _free(prefix: str, number: int, taken: set[str]) -> str:
    while f"{prefix}{number}" in taken:
        number += 1
    taken.add(f"{prefix}{number}")
    return f"{prefix}{number}"


def _assigned(order: Iterable[Any]) -> Iterable[Any]:
    """The nodes that hold what their line of the user's code assigned, not what led to it on the same line.

    One call in the user's code may make many nodes, all with the place of the call. Its result is the one
    that no other node of the same call uses.
    """
    order = list(order)
    inner = {
        x
        for node in order
        if node.code is not None and len(node.inputs)
        for x in node.inputs
        if isinstance(x, Node) and x.code is node.code and x.offset == node.offset
    }
    return [node for node in order if node not in inner]


def _variable(node: Any) -> str | None:
    return None if node.code is None else variable_at(node.code, node.offset)
