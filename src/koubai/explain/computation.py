"""Any computation, explained op by op: forward its values, backward its gradients, with symbols and with numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from koubai.errors import UsageError
from koubai.explain.derivation import Line, Section
from koubai.explain.filled import (
    as_expr,
    chain,
    copies_along,
    distinct,
    element_steps,
    formula_at,
    holds,
    indexed,
    message_element,
    message_numbers,
    message_symbols,
    name_of,
    partial,
    showable,
    sum_of,
    value_steps,
)
from koubai.explain.phrases import Phrases
from koubai.explain.record import Record, RecordEdge, RecordNode
from koubai.explain.replay import Replay
from koubai.ops.define import is_elementwise

__all__ = ["backward_line", "computation_sections", "forward_line", "starts_with_one"]

MOST_NODES = 300
MOST_SHOWN = 12
COMPARED = 600  # elements in all that are compared with numerical differentiation


def computation_sections(record: Record, replay: Replay, say: Phrases) -> list[Section]:
    """Two parts, forward and backward; where layers were called, a section for each of them in both.

    Raises
    ------
    UsageError
        If there are more than 300 nodes.
    """
    if len(record) > MOST_NODES:
        raise UsageError(
            f"explain: the computation has {len(record)} nodes, more than the {MOST_NODES} that can be read; ask for "
            f"one gradient (wrt= and index=), explain a smaller part, or look at kb.record(output)"
        )
    forward = [node for node in record.nodes if node.op is not None]
    backward = [node for node in reversed(record.nodes) if node.grad is not None]
    most = max(1, min(MOST_SHOWN, COMPARED // max(1, len(backward))))
    told: set[str] = set()
    return [
        *_in_layers(forward, lambda node: forward_lines(node, say), say, "forward"),
        *_in_layers(backward, lambda node: backward_lines(record, node, replay, say, most, told), say, "backward"),
    ]


def _in_layers(
    nodes: Sequence[RecordNode], lines: Callable[[RecordNode], Iterator[Line]], say: Phrases, part: str
) -> list[Section]:
    """The lines of the nodes, a section for each run of nodes of the same call of a layer."""
    found: list[Section] = []
    in_layers = any(_innermost(node) is not None for node in nodes)
    for call, group in groupby(nodes, key=_innermost):
        if call is not None:
            title = say(f"{part} layer", path=call.path or say("the model"), kind=call.kind)
        else:
            title = say(f"{part} rest" if in_layers else part)
        content = tuple(line for node in group for line in lines(node))
        found.append(Section(title, content, "" if found else say(f"{part} text")))
    return found


def _innermost(node: RecordNode) -> Any:
    """The call that a node belongs to; a parameter belongs to the call of its first user."""
    if node.op is None and node.messages:
        return node.messages[-1].target.call
    return node.call


def forward_lines(node: RecordNode, say: Phrases) -> Iterator[Line]:
    """How a node was computed; of a large array also one element."""
    yield forward_line(node, say)
    if not showable(node.value) and node.operation is not None and is_elementwise(node.operation):
        index = (0,) * len(node.shape)
        if 0 not in node.shape:
            yield Line(indexed(name_of(node), index), element_steps(node, index), np.asarray(node.value)[index])


def forward_line(node: RecordNode, say: Phrases) -> Line:
    """How a node was computed: its formula with the names of its inputs, with their values, and the result."""
    return _checked(Line(name_of(node), value_steps(node), node.value), say)


def _checked(line: Line, say: Phrases) -> Line:
    """Without numbers that do not give the result, where the op follows a convention and not its formula."""
    if not line.steps or holds(line.steps[-1], line.result):
        return line
    note = f"{line.note} {say('exception')}".strip()
    return Line(line.symbol, line.steps[:-1], line.result, line.agreement, note)


def backward_lines(
    record: Record, node: RecordNode, replay: Replay, say: Phrases, most: int, told: set[str]
) -> Iterator[Line]:
    """The gradient of a node; of a large array also one element where each op on the way acts on elements."""
    yield backward_line(record, node, replay, say, most, told)
    edges = node.messages
    if edges and all(map(_keeps_places, edges)) and np.size(node.grad) and not showable(node.grad):
        line = _backward_element(record, node, replay)
        if len(line.steps) > 1:
            yield line


def backward_line(
    record: Record, node: RecordNode, replay: Replay, say: Phrases, most: int = MOST_SHOWN, told: set[str] | None = None
) -> Line:
    """The gradient of a node: the sum, over its users, of their gradients times the local derivatives.

    Parameters
    ----------
    most : int
        How many elements to compare with numerical differentiation.
    told : set of str, optional
        Ops whose sentence was said before; those said here are added.
    """
    symbol = partial(record, node)
    agreement = replay.agreement(node, most=most)
    edges = node.messages
    if not edges:
        note = say("start", output=node.symbol) if starts_with_one(node) else say("given")
        return Line(symbol, (), node.grad, agreement, note)
    steps = [sum_of(chain(record, edge) for edge in edges), sum_of(message_symbols(record, edge) for edge in edges)]
    numbers = [message_numbers(edge) for edge in edges]
    exact = [n is not None and holds(n, edge.message) for n, edge in zip(numbers, edges)]
    note = _note(node, say, told if told is not None else set())
    if all(exact):
        steps.append(sum_of(n for n in numbers if n is not None))
    elif all(n is not None for n in numbers):
        note = f"{note} {say('exception')}".strip()
    if len(edges) > 1 and all(showable(edge.message) for edge in edges):
        steps.append(sum_of(as_expr(edge.message) for edge in edges))
    return Line(symbol, distinct(steps), node.grad, agreement, note)


def _backward_element(record: Record, node: RecordNode, replay: Replay) -> Line:
    """One element of a gradient, with the numbers put in: the largest."""
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(np.abs(node.grad))), node.shape))
    found = [message_element(record, edge, index) for edge in node.messages]
    steps = distinct([sum_of(names for names, _ in found), sum_of(numbers for _, numbers in found)])
    symbol = indexed(partial(record, node), index)
    return Line(symbol, steps, np.asarray(node.grad)[index], replay.agreement(node, [index]))


def starts_with_one(output: RecordNode) -> bool:
    """Whether the backward pass starts with dy/dy = 1 of a single number y."""
    return np.size(output.grad) == 1 and bool(output.grad == 1)


def _note(node: RecordNode, say: Phrases, told: set[str]) -> str:
    """Why: the sentence of each op that sends something, said once; and what was repeated."""
    sentences = []
    for edge in node.messages:
        op = edge.target.operation
        assert op is not None
        if op.name not in told:
            told.add(op.name)
            sentences.append(op.words.ja if say.lang == "ja" else op.words.en)
            sentences += [say("where", formula=relation) for relation in formula_at(edge.target).where]
    for edge in node.messages:
        if copies := copies_along(edge):
            axes = (", " if say.lang == "en" else "と").join(say("axis", axis=axis) for axis in copies)
            sentences.append(say("summed", symbol=node.symbol, axes=axes))
            break
    return (" " if say.lang == "en" else "").join(sentences)


def _keeps_places(edge: RecordEdge) -> bool:
    op = edge.target.operation
    return op is not None and is_elementwise(op) and edge.source.shape == edge.target.shape
