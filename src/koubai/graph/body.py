"""A graph as a value: inputs, outputs, and what leads from the ones to the others.

An op whose params hold a body is a loop or a call that is not written out: one node, however often its body is
evaluated. `koubai.tensor` has such ops, and transforms them by transforming their bodies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from operator import attrgetter
from typing import Any

import numpy as np

from koubai.errors import VerifyError
from koubai.graph.apply import recording
from koubai.graph.node import Node, constant, next_number, placeholder, rebuilt
from koubai.graph.types import Type

__all__ = ["Body", "is_cut", "trace"]

_by_number = attrgetter("number")


class Body:
    """A graph that depends on nothing but its inputs and constants.

    Called, it applies its ops one after the other: on arrays it computes, on nodes it records.

    Parameters
    ----------
    inputs : nodes
        Placeholders, each once.
    outputs : nodes, or arrays where an output does not depend on the inputs

    Attributes
    ----------
    inputs, outputs : tuples of nodes
    types, results : lists of Type
        The types of inputs and outputs.

    Raises
    ------
    VerifyError
        If the outputs depend on a placeholder that is not among the inputs.

    Examples
    --------
    >>> from koubai.ops.elementwise import multiply
    >>> body, captured = trace(lambda x: [multiply(x, x)], [Type((), np.dtype(float))], Node)
    >>> body(np.float64(3.0)), captured
    ([np.float64(9.0)], [])
    """

    __slots__ = ("_constants", "_places", "_steps", "inputs", "outputs", "results", "types")

    def __init__(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        self.inputs: tuple[Any, ...] = tuple(inputs)
        self.outputs: tuple[Any, ...] = tuple(
            y if isinstance(y, Node) else constant(np.asarray(y)[()], self.kind) for y in outputs
        )
        self.types: list[Type] = [x.type for x in self.inputs]
        self.results: list[Type] = [y.type for y in self.outputs]
        self._plan()

    @property
    def kind(self) -> type[Node]:
        """The class of its nodes."""
        return self.inputs[0].result_class if self.inputs else Node

    def _plan(self) -> None:
        """Give every value a place: inputs, constants, then what each op computes, in order."""
        order = _between(self.inputs, self.outputs)
        nodes = [node for node in order if node.op is not None]
        leaves = [node for node in order if node.op is None]
        for leaf in leaves:
            if leaf.value is None:
                raise VerifyError(f"a body depends on {leaf.name or 'a placeholder'} ({leaf.type}), which is no input")
        numbers = [x for node in nodes for x in node.inputs if not isinstance(x, Node)]
        places = {x: i for i, x in enumerate((*self.inputs, *leaves))}
        number = count(len(places))
        first = len(places) + len(numbers)
        places.update((node, first + k) for k, node in enumerate(nodes))
        uses = [[places[x] if isinstance(x, Node) else next(number) for x in node.inputs] for node in nodes]
        self._constants = [*(leaf.value for leaf in leaves), *numbers]
        self._places = [places[y] for y in self.outputs]
        done: list[list[int]] = [[] for _ in nodes]
        for place, k in {place: k for k, used in enumerate(uses) for place in used}.items():
            if place >= first and place not in self._places:
                done[k].append(place)  # not used after step k
        self._steps = [(x.op, used, x.params, is_cut(x), gone) for x, used, gone in zip(nodes, uses, done)]

    def __call__(self, *xs: Any) -> list[Any]:
        """The outputs for other inputs: arrays, or nodes if there is a node among the inputs."""
        apply = _recorded if any(isinstance(x, Node) for x in xs) else _computed
        values = [*xs, *self._constants]
        for op, places, params, cut, done in self._steps:
            values.append(apply(op, [values[i] for i in places], params, cut))
            for i in done:
                values[i] = None
        return [values[i] for i in self._places]

    def of(self, types: Sequence[Type]) -> Body:
        """The same ops on inputs of other types.

        Raises
        ------
        ShapeError, DTypeError
            If an op refuses these types.
        """
        return self if list(types) == self.types else trace(self, types, self.kind)[0]

    def reached_from(self, chosen: Sequence[bool]) -> list[bool]:
        """Which outputs depend on the chosen inputs."""
        found = {x for x, on in zip(self.inputs, chosen) if on}
        for node in _between(self.inputs, self.outputs):
            if any(isinstance(x, Node) and x in found for x in node.inputs):
                found.add(node)
        return [y in found for y in self.outputs]

    def used(self) -> list[bool]:
        """Which inputs the outputs depend on."""
        met = set(self.outputs)
        for node in _between(self.inputs, self.outputs):
            met.update(x for x in node.inputs if isinstance(x, Node))
        return [x in met for x in self.inputs]

    @property
    def size(self) -> int:
        """The number of its ops."""
        return len(self._steps)

    def __repr__(self) -> str:
        return f"<body of {self.size} ops>"


def _computed(op: Any, given: list[Any], params: dict[str, Any], cut: bool) -> Any:
    try:
        value = op.forward(*given, **params)
    except (TypeError, ValueError, IndexError):
        return op(*given, **params)  # raises again, in words
    return np.complex128(value) if type(value) is complex else value


def _recorded(op: Any, given: list[Any], params: dict[str, Any], cut: bool) -> Any:
    if not cut:
        return op(*given, **params)
    token = recording.set(False)
    try:
        return op(*given, **params)
    finally:
        recording.reset(token)


def is_cut(node: Any) -> bool:
    """Whether the gradient ends at this node although its op has one (`kb.no_grad`)."""
    return (
        not node.requires_grad
        and node.op.vjp is not None
        and any(isinstance(x, Node) and x.requires_grad for x in node.inputs)
    )


def trace(f: Callable[..., Sequence[Any]], types: Sequence[Type], kind: type[Node]) -> tuple[Body, list[Any]]:
    """Run a function once on placeholders; the graph that it leaves is a body.

    Parameters
    ----------
    f : callable
        Takes one node a type, and returns a sequence of nodes and arrays.
    types : sequence of Type
    kind : class of the placeholders

    Returns
    -------
    body : Body
        What does not depend on the placeholders is not part of it: it was computed (or recorded) outside.
    captured : list of nodes
        What the body takes from outside. These are its first inputs, before those of `types`.
    """
    start = next_number()
    inputs = [placeholder(t, kind, requires_grad=t.differentiable) for t in types]
    token = recording.set(True)  # inside of kb.no_grad too: the body is one thing, and what is done with it another
    try:
        outputs = f(*inputs)
    finally:
        recording.reset(token)
    inside: dict[Any, Any] = {x: x for x in inputs}
    stands_for: dict[Any, Any] = {}

    def inner(x: Any) -> Any:
        if not isinstance(x, Node) or x in inside:
            return inside[x] if isinstance(x, Node) else x
        if x not in stands_for:
            stands_for[x] = placeholder(x.type, kind, requires_grad=x.requires_grad)
            stands_for[x].name = x.name
        return stands_for[x]

    for node in _between((), outputs, start):
        if node not in inside and any(isinstance(x, Node) and x in inside for x in node.inputs):
            inside[node] = rebuilt(node, tuple(map(inner, node.inputs)))
    results = [inner(y) for y in outputs]
    return Body((*stands_for.values(), *inputs), results), list(stands_for)


def _between(inputs: Sequence[Any], outputs: Sequence[Any], start: int = -1) -> list[Any]:
    """What the outputs depend on, not looking behind the inputs and what is older than `start`, in order."""
    ends = set(inputs)
    stack = [y for y in outputs if isinstance(y, Node) and y not in ends]
    reached = set(stack)
    while stack:
        node = stack.pop()
        if node.number < start:
            continue
        for x in node.inputs:
            if isinstance(x, Node) and x not in reached and x not in ends:
                reached.add(x)
                stack.append(x)
    return sorted(reached, key=_by_number)
