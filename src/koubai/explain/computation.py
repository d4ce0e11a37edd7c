"""Any computation, explained op by op: forward its values, backward its gradients, with symbols and with numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from koubai.errors import UsageError
from koubai.explain.derivation import Line, Section
from koubai.explain.formula import (
    Array,
    BigOperator,
    Derivative,
    Expr,
    Index,
    Number,
    OpFormula,
    Product,
    Relation,
    Sum,
    Symbol,
    Text,
    formula_of,
)
from koubai.explain.formula.plain import summarized
from koubai.explain.phrases import Phrases
from koubai.explain.record import Record, RecordEdge, RecordNode
from koubai.explain.replay import Replay
from koubai.ops.define import is_elementwise

__all__ = [
    "backward_line",
    "computation_sections",
    "forward_line",
    "indexed",
    "local_element",
    "name_of",
    "partial",
    "starts_with_one",
]

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
        *_in_layers(forward, forward_lines, say, "forward"),
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


def forward_lines(node: RecordNode) -> Iterator[Line]:
    """How a node was computed; of a large array also one element."""
    yield forward_line(node)
    if not _showable(node.value) and node.operation is not None and is_elementwise(node.operation):
        yield _forward_element(node, (0,) * len(node.shape))


def forward_line(node: RecordNode) -> Line:
    """How a node was computed: its formula with the names of its inputs, with their values, and the result."""
    formula = _formula(node)
    names = _names(formula, node)
    steps = [formula.right.substitute(names)]
    if all(_showable(x) for x in map(_value, node.inputs)):
        steps.append(formula.right.substitute(_values(formula, node)))
    return Line(name_of(node), _distinct(steps), node.value)


def _forward_element(node: RecordNode, index: tuple[int, ...]) -> Line:
    formula = _formula(node)
    steps = [formula.right.substitute(_element_names(node, index)), formula.right.substitute(_elements(node, index))]
    return Line(indexed(name_of(node), index), _distinct(steps), np.asarray(node.value)[index])


def backward_lines(
    record: Record, node: RecordNode, replay: Replay, say: Phrases, most: int, told: set[str]
) -> Iterator[Line]:
    """The gradient of a node; of a large array also one element where each op on the way acts on elements."""
    yield backward_line(record, node, replay, say, most, told)
    edges = node.messages
    if edges and not _showable(node.grad) and all(_keeps_places(edge) for edge in edges):
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
    steps = [_sum(_chain(record, edge) for edge in edges), _sum(_message(record, edge) for edge in edges)]
    if all(_all_showable(edge) for edge in edges):
        steps.append(_sum(_message_numbers(edge) for edge in edges))
        if len(edges) > 1:
            steps.append(_sum(_as_expr(edge.message) for edge in edges))
    return Line(symbol, _distinct(steps), node.grad, agreement, _note(node, say, told if told is not None else set()))


def _backward_element(record: Record, node: RecordNode, replay: Replay) -> Line:
    """One element of a gradient, with the numbers put in: the largest."""
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(np.abs(node.grad))), node.shape))
    names, numbers = [], []
    for edge in node.messages:
        target = edge.target
        upstream = indexed(partial(record, target), index)
        names.append(_put(edge, _element_names(target, index), indexed(name_of(target), index), upstream))
        numbers.append(_put(edge, _elements(target, index), _at(target.value, index), _at(edge.upstream, index)))
    steps = _distinct([_sum(names), _sum(numbers)])
    symbol = indexed(partial(record, node), index)
    return Line(symbol, steps, np.asarray(node.grad)[index], replay.agreement(node, [index]))


def local_element(edge: RecordEdge, index: tuple[int, ...]) -> tuple[Expr, ...]:
    """The local derivative of one element by the element of an elementwise op's input that it is made of; nothing for
    other ops."""
    formula, target = _formula(edge.target), edge.target
    derivative = formula.derivatives[edge.position]
    if derivative is None or target.operation is None or not is_elementwise(target.operation):
        return ()
    if not formula.is_local(edge.position):
        return ()
    names = {**_element_names(target, index), formula.result: indexed(name_of(target), index)}
    values = {**_elements(target, index), formula.result: _at(target.value, index)}
    return _distinct([derivative.right.substitute(names), derivative.right.substitute(values)])


def name_of(x: Any) -> Expr:
    """The symbol of a node; a constant as it is."""
    if isinstance(x, RecordNode):
        return Symbol.from_key(x.symbol)
    return _as_expr(x) if _showable(x) else Text(_shape_text(x))


def partial(record: Record, node: RecordNode) -> Derivative:
    """The derivative of the output by a node."""
    return Derivative(Symbol.from_key(record.output.symbol), Symbol.from_key(node.symbol))


def starts_with_one(output: RecordNode) -> bool:
    """Whether the backward pass starts with dy/dy = 1 of a single number y."""
    return np.size(output.grad) == 1 and bool(output.grad == 1)


def _formula(node: RecordNode) -> OpFormula:
    assert node.operation is not None
    return formula_of(node.operation, len(node.inputs))


def _names(formula: OpFormula, node: RecordNode) -> dict[Any, Expr]:
    return {s: name_of(x) for s, x in zip(formula.symbols, node.inputs)}


def _values(formula: OpFormula, node: RecordNode) -> dict[Any, Expr]:
    return {s: _as_expr(_value(x)) for s, x in zip(formula.symbols, node.inputs)}


def _value(x: Any) -> Any:
    return x.value if isinstance(x, RecordNode) else x


def _as_expr(value: Any) -> Expr:
    array = np.asarray(value)
    return Number(array[()]) if array.ndim == 0 else Array(array)


def _showable(value: Any) -> bool:
    """Whether a value is small enough to be written into a formula."""
    return type(value) is not tuple and (np.ndim(value) == 0 or summarized(np.asarray(value))[1])


def _all_showable(edge: RecordEdge) -> bool:
    values = [edge.upstream, edge.message, edge.target.value, *map(_value, edge.target.inputs)]
    return all(map(_showable, values))


def _shape_text(x: Any) -> str:
    return f"{np.asarray(x).dtype}[{', '.join(map(str, np.shape(x)))}]"


def _chain(record: Record, edge: RecordEdge) -> Expr:
    """The chain rule for one user: its gradient times the local derivative."""
    local = Derivative(Symbol.from_key(edge.target.symbol), Symbol.from_key(edge.source.symbol))
    return Product((partial(record, edge.target), local))


def _message(record: Record, edge: RecordEdge) -> Expr:
    """What one user sends, with names."""
    names = _names(_formula(edge.target), edge.target)
    return _summed(_put(edge, names, name_of(edge.target), partial(record, edge.target)), _copies(edge))


def _message_numbers(edge: RecordEdge) -> Expr:
    """What one user sends, with numbers."""
    formula = _formula(edge.target)
    sent = _put(edge, _values(formula, edge.target), _as_expr(edge.target.value), _as_expr(edge.upstream))
    return _summed(sent, _copies(edge))


def _put(edge: RecordEdge, inputs: dict[Any, Expr], y: Expr, upstream: Expr) -> Expr:
    formula = _formula(edge.target)
    message = formula.message(edge.position)
    if message is None or type(edge.target.value) is tuple:
        return Text("0")
    return message.substitute({**inputs, formula.result: y, Symbol("g"): upstream, Symbol("G"): upstream})


def _sum(terms: Iterable[Expr]) -> Expr:
    found = tuple(terms)
    return found[0] if len(found) == 1 else Sum(found)


def _distinct(steps: Sequence[Expr]) -> tuple[Expr, ...]:
    """The steps without those that say the same as the one before."""
    return tuple(step for step, before in zip(steps, (None, *steps)) if step != before)


def _note(node: RecordNode, say: Phrases, told: set[str]) -> str:
    """Why: the sentence of each op that sends something, said once; and what was repeated."""
    sentences = []
    for edge in node.messages:
        op = edge.target.operation
        assert op is not None
        if op.name not in told:
            told.add(op.name)
            sentences.append(op.words.ja if say.lang == "ja" else op.words.en)
            sentences += [say("where", formula=relation) for relation in _formula(edge.target).where]
    for edge in node.messages:
        if copies := _copies(edge):
            axes = (", " if say.lang == "en" else "と").join(say("axis", axis=axis) for axis in copies)
            sentences.append(say("summed", symbol=node.symbol, axes=axes))
            break
    return (" " if say.lang == "en" else "").join(sentences)


def _summed(sent: Expr, axes: Sequence[int]) -> Expr:
    """A message summed over the axes along which its receiver was repeated."""
    over = tuple(Relation(Symbol("axis"), "=", Number(axis)) for axis in axes)
    return BigOperator("sum", over, sent) if axes else sent


def _copies(edge: RecordEdge) -> list[int]:
    """The axes along which an elementwise op repeated its input."""
    op = edge.target.operation
    if op is None or not is_elementwise(op) or edge.source.shape == edge.target.shape:
        return []
    shape, to = edge.source.shape, edge.target.shape
    padded = (1,) * (len(to) - len(shape)) + tuple(shape)
    return [axis for axis, (n, m) in enumerate(zip(padded, to)) if n != m or axis < len(to) - len(shape)]


def _keeps_places(edge: RecordEdge) -> bool:
    op = edge.target.operation
    return op is not None and is_elementwise(op) and edge.source.shape == edge.target.shape


def indexed(name: Expr, index: tuple[int, ...]) -> Expr:
    """The name of an element of what has this name."""
    return Index(name, tuple(map(Number, index))) if index else name


def _at(value: Any, index: tuple[int, ...]) -> Number:
    return Number(np.asarray(value)[index])


def _place(x: Any, index: tuple[int, ...]) -> tuple[int, ...]:
    """Where an input of an elementwise op is read for one element of its result."""
    shape = np.shape(_value(x))
    return tuple(i if n > 1 else 0 for i, n in zip(index[len(index) - len(shape) :], shape))


def _elements(node: RecordNode, index: tuple[int, ...]) -> dict[Any, Expr]:
    """The numbers that one element of an elementwise op's result is made of."""
    return {s: _at(_value(x), _place(x, index)) for s, x in zip(_formula(node).symbols, node.inputs)}


def _element_names(node: RecordNode, index: tuple[int, ...]) -> dict[Any, Expr]:
    """Their names."""
    return {
        s: indexed(name_of(x), _place(x, index)) if isinstance(x, RecordNode) else _at(x, _place(x, index))
        for s, x in zip(_formula(node).symbols, node.inputs)
    }
