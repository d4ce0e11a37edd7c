"""A graph as readable text: one node a line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from koubai.graph.body import Body
from koubai.graph.node import Node
from koubai.graph.walk import topological

__all__ = ["to_text"]

LONGEST = 30  # ops of a loop's body that are shown


def to_text(outputs: Any) -> str:
    """The graph that `outputs` (a node or several) depend on, inputs first, one node a line.

    Each line holds the node's name, the op with its inputs, the type, and the line of the user's code. The body of a
    loop follows it, indented, if it is short.

    Examples
    --------
    >>> import koubai as kb
    >>> x = kb.tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> for line in to_text(x * 3.0).splitlines():
    ...     print(line.split("  #")[0])
    x  = leaf                     float64[2]
    %1 = multiply(x, 3.0)         float64[2]
    """
    lines: list[str] = []
    waiting = [_told([outputs] if isinstance(outputs, Node) else list(outputs), "")]
    while waiting:
        part = next(waiting[-1], None)
        if part is None:
            waiting.pop()
        elif isinstance(part, str):
            lines.append(part)
        else:
            waiting.append(part)
    return "\n".join(lines)


def _told(outputs: Sequence[Node], indent: str, inputs: Sequence[Node] = ()) -> Iterator[Any]:
    """The lines of a graph, and in between what tells the bodies of its loops, where they are short."""
    given = set(inputs)
    order = [*inputs, *(node for node in topological(outputs) if node not in given)]
    names = _names(order)
    width = max((len(names[node]) for node in order), default=0)
    for node in order:
        yield indent + _line(node, names, width)
        for value in node.params.values() if node.op is not None else ():
            if isinstance(value, Body) and value.size <= LONGEST:
                yield _told(value.outputs, indent + "    ", value.inputs)
    if indent:
        yield f"{indent}returns {', '.join(names[y] for y in outputs)}"


def _names(order: Iterable[Node]) -> dict[Node, str]:
    taken: set[str] = set()
    names = {}
    for i, node in enumerate(order):
        name = node.name if node.name and node.name not in taken else f"%{i}"
        taken.add(name)
        names[node] = name
    return names


def _line(node: Node, names: dict[Node, str], width: int) -> str:
    if node.op is None:
        call = "leaf" if node.value is not None else "input"
    else:
        arguments = [names[x] if isinstance(x, Node) else _constant(x) for x in node.inputs]
        arguments += [f"{key}={value}" for key, value in node.params.items()]
        call = f"{node.op.name}({', '.join(arguments)})"
    of = node.type
    shown = f"({', '.join(map(str, of))})" if isinstance(of, tuple) else str(of)
    place = node.where()
    source = f"  # {os.path.basename(place)}" if place else ""
    return f"{names[node]:<{width}} = {call:<24} {shown}{source}"


def _constant(x: Any) -> str:
    if isinstance(x, np.ndarray) and x.size > 4:
        return f"<{x.dtype}[{', '.join(map(str, x.shape))}]>"
    return str(x.tolist() if isinstance(x, (np.ndarray, np.generic)) else x)
