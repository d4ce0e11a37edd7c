"""The formulas of ops, filled in for the nodes of a record: with names, and with numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from koubai.errors import UsageError
from koubai.explain.formula import (
    Array,
    BigOperator,
    Derivative,
    ElementwiseProduct,
    Expr,
    Index,
    Number,
    OpFormula,
    Product,
    Relation,
    Sum,
    Symbol,
    Text,
    fold,
    formula_of,
    free_symbols,
)
from koubai.explain.formula.expression import walk
from koubai.explain.formula.plain import summarized
from koubai.explain.record import Record, RecordEdge, RecordNode
from koubai.ops.define import is_elementwise

__all__ = [
    "as_expr",
    "chain",
    "copies_along",
    "distinct",
    "element_steps",
    "formula_at",
    "holds",
    "indexed",
    "local_element",
    "message_element",
    "message_numbers",
    "message_symbols",
    "name_of",
    "partial",
    "showable",
    "sum_of",
    "value_steps",
]

LONGEST_PARAMETER = 40
Steps = tuple[Expr, ...]


def name_of(x: Any) -> Expr:
    """The symbol of a node; a constant as it is."""
    if isinstance(x, RecordNode):
        return Symbol.from_key(x.symbol)
    return as_expr(x) if showable(x) else Text(f"{np.asarray(x).dtype}[{', '.join(map(str, np.shape(x)))}]")


def partial(record: Record, node: RecordNode) -> Derivative:
    """The derivative of the output by a node."""
    return Derivative(Symbol.from_key(record.output.symbol), Symbol.from_key(node.symbol))


def indexed(name: Expr, index: tuple[int, ...]) -> Expr:
    """The name of an element of what has this name."""
    return Index(name, tuple(map(Number, index))) if index else name


def as_expr(value: Any) -> Expr:
    """A number or an array as a formula."""
    array = np.asarray(value)
    return Number(array[()]) if array.ndim == 0 else Array(array)


def showable(value: Any) -> bool:
    """Whether a value is small enough to be written into a formula."""
    return type(value) is not tuple and (np.ndim(value) == 0 or summarized(np.asarray(value))[1])


def formula_at(node: RecordNode) -> OpFormula:
    """The formulas of the op of a node; its static arguments are put in, where they are short."""
    assert node.operation is not None
    formula = formula_of(node.operation, len(node.inputs))
    params: dict[Any, Expr] = {}
    for key, value in node.params.items():
        if key == "pattern":  # of an indexing op, whose formula says x[index]
            key, text = "index", _index_text(value)
        else:
            text = str(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            params[Symbol.from_key(key)] = Number(value)
        elif 0 < len(text) <= LONGEST_PARAMETER:
            params[Symbol.from_key(key)] = Text(text)
    if not params:
        return formula
    derivatives = [d and Relation(d.left, "=", d.right.substitute(params)) for d in formula.derivatives]
    right = formula.right.substitute(params)
    return OpFormula(formula.result, right, formula.symbols, tuple(derivatives), formula.where)


def _index_text(pattern: Any) -> str:
    """An index as it is written in code; nothing where arrays stand in it."""
    parts = []
    for part in pattern:
        if isinstance(part, slice):
            ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
            parts.append(":".join(ends if part.step in (None, 1) else [*ends, str(part.step)]))
        elif part is None or part is Ellipsis or isinstance(part, int):
            parts.append("..." if part is Ellipsis else str(part))
        else:
            return ""
    return ", ".join(parts)


def value_steps(node: RecordNode) -> Steps:
    """What a node is equal to: its formula with the names of its inputs, then with their values."""
    formula = formula_at(node)
    names = {s: name_of(x) for s, x in zip(formula.symbols, node.inputs)}
    steps = [_marked(formula.right, node, formula).substitute(names)]
    if all(showable(_value(x)) for x in node.inputs):
        numbers = {s: as_expr(_value(x)) for s, x in zip(formula.symbols, node.inputs)}
        steps += _numbers(_marked(formula.right, node, formula), numbers)
    return distinct(steps)


def element_steps(node: RecordNode, index: tuple[int, ...]) -> Steps:
    """The same for one element of an elementwise op's result."""
    right = formula_at(node).right
    return distinct([right.substitute(_element_names(node, index)), right.substitute(_elements(node, index))])


def chain(record: Record, edge: RecordEdge) -> Expr:
    """The chain rule for one user: its gradient times the local derivative."""
    local = Derivative(Symbol.from_key(edge.target.symbol), Symbol.from_key(edge.source.symbol))
    return Product((partial(record, edge.target), local))


def message_symbols(record: Record, edge: RecordEdge) -> Expr:
    """What one user sends, with names."""
    target = edge.target
    formula = formula_at(target)
    names = {s: name_of(x) for s, x in zip(formula.symbols, target.inputs)}
    if type(target.value) is tuple:
        return _message(edge).substitute(names)
    upstream = partial(record, target)
    put: dict[Any, Expr] = {**names, formula.result: name_of(target), Symbol("g"): upstream, Symbol("G"): upstream}
    return _summed(_message(edge).substitute(put), copies_along(edge))


def message_numbers(edge: RecordEdge) -> Expr | None:
    """What one user sends, with numbers; None where they are too many, or the formula is not about numbers."""
    target = edge.target
    values = [edge.upstream, edge.message, target.value, *map(_value, target.inputs)]
    if not all(map(showable, values)):
        return None
    formula, upstream = formula_at(target), as_expr(edge.upstream)
    put: dict[Any, Expr] = {s: as_expr(_value(x)) for s, x in zip(formula.symbols, target.inputs)}
    put |= {formula.result: as_expr(target.value), Symbol("g"): upstream, Symbol("G"): upstream}
    found = _numbers(_message(edge), put)
    return _summed(found[0], copies_along(edge)) if found else None


def message_element(record: Record, edge: RecordEdge, index: tuple[int, ...]) -> tuple[Expr, Expr]:
    """What one user sends to one element, with names and with numbers; both of elementwise ops."""
    target, formula = edge.target, formula_at(edge.target)
    upstream, message = indexed(partial(record, target), index), formula.message(edge.position)
    if message is None:
        return Number(0), Number(0)
    names = {**_element_names(target, index), formula.result: indexed(name_of(target), index), Symbol("g"): upstream}
    numbers = {**_elements(target, index), formula.result: _at(target.value, index)}
    numbers[Symbol("g")] = _at(edge.upstream, index)
    return message.substitute(names), message.substitute(numbers)


def local_element(edge: RecordEdge, index: tuple[int, ...]) -> Steps:
    """The local derivative of one element of an elementwise op's result; nothing for other ops."""
    formula, target = formula_at(edge.target), edge.target
    derivative = formula.derivatives[edge.position]
    if derivative is None or target.operation is None or not is_elementwise(target.operation):
        return ()
    if not formula.is_local(edge.position):
        return ()
    names = {**_element_names(target, index), formula.result: indexed(name_of(target), index)}
    numbers = {**_elements(target, index), formula.result: _at(target.value, index)}
    return distinct([derivative.right.substitute(names), derivative.right.substitute(numbers)])


def holds(step: Expr, result: Any) -> bool:
    """Whether a step of numbers gives the result, as far as it can be evaluated: a number.

    It does not where an op's value is a convention: the formula a^(b - 1) b of a power has none at a = 0.
    """
    if type(result) is tuple or np.size(result) != 1:
        return True
    try:
        value = np.asarray(step.evaluate({}))
    except (UsageError, TypeError, ValueError, IndexError, ZeroDivisionError):
        return True
    if value.ndim or value.dtype.kind not in "fiub":
        return True
    result = float(np.asarray(result).ravel()[0])
    return bool(np.isclose(float(value), result, rtol=1e-3, atol=1e-5, equal_nan=True)) or not np.isfinite(result)


def sum_of(terms: Iterable[Expr]) -> Expr:
    """A sum; of one term the term."""
    found = tuple(terms)
    return found[0] if len(found) == 1 else Sum(found)


def distinct(steps: Sequence[Expr]) -> Steps:
    """The steps without those that say the same as the one before."""
    return tuple(step for step, before in zip(steps, (None, *steps)) if step != before)


def copies_along(edge: RecordEdge) -> list[int]:
    """The axes along which an elementwise op repeated its input."""
    op = edge.target.operation
    if op is None or not is_elementwise(op) or edge.source.shape == edge.target.shape:
        return []
    shape, to = edge.source.shape, edge.target.shape
    padded = (1,) * (len(to) - len(shape)) + tuple(shape)
    return [axis for axis, (n, m) in enumerate(zip(padded, to)) if n != m or axis < len(to) - len(shape)]


def _message(edge: RecordEdge) -> Expr:
    """What an input receives, in the symbols of the op's record; 0 where no gradient flows to it."""
    formula = formula_at(edge.target)
    message = formula.message(edge.position)
    return Number(0) if message is None else _marked(message, edge.target, formula)


def _numbers(formula: Expr, values: dict[Any, Expr]) -> list[Expr]:
    """The formula with values put in; nothing where it speaks of elements of arrays, of which numbers say nothing."""
    arrays = {symbol for symbol, value in values.items() if isinstance(value, Array)}
    for part in walk(formula):
        if isinstance(part, Index) and not arrays.isdisjoint(free_symbols(part.of)):
            return []
    return [formula.substitute(values)]


def _marked(formula: Expr, node: RecordNode, of: OpFormula) -> Expr:
    """An elementwise op's products of arrays told from products of matrices."""
    if node.operation is None or not is_elementwise(node.operation):
        return formula
    arrays = {s for s, x in zip(of.symbols, node.inputs) if np.ndim(_value(x))}
    if np.ndim(node.value):
        arrays |= {Symbol("g"), *free_symbols(of.result)}

    def combine(part: Expr, parts: list[Expr]) -> Expr:
        found = part.with_parts(parts) if parts else part
        if not isinstance(found, Product):
            return found
        of_arrays = [f for f in found.factors if not arrays.isdisjoint(free_symbols(f))]
        if len(of_arrays) < 2:
            return found
        product = of_arrays[0]
        for factor in of_arrays[1:]:
            product = ElementwiseProduct(product, factor)
        scalars = [f for f in found.factors if arrays.isdisjoint(free_symbols(f))]
        return Product((*scalars, product)) if scalars else product

    return fold(formula, combine)


def _summed(sent: Expr, axes: Sequence[int]) -> Expr:
    """A message summed over the axes along which its receiver was repeated."""
    over = tuple(Relation(Symbol("axis"), "=", Number(axis)) for axis in axes)
    return BigOperator("sum", over, sent) if axes else sent


def _value(x: Any) -> Any:
    return x.value if isinstance(x, RecordNode) else x


def _at(value: Any, index: tuple[int, ...]) -> Number:
    return Number(np.asarray(value)[index])


def _place(x: Any, index: tuple[int, ...]) -> tuple[int, ...]:
    """Where an input of an elementwise op is read for one element of its result."""
    shape = np.shape(_value(x))
    return tuple(i if n > 1 else 0 for i, n in zip(index[len(index) - len(shape) :], shape))


def _elements(node: RecordNode, index: tuple[int, ...]) -> dict[Any, Expr]:
    """The numbers that one element of an elementwise op's result is made of."""
    return {s: _at(_value(x), _place(x, index)) for s, x in zip(formula_at(node).symbols, node.inputs)}


def _element_names(node: RecordNode, index: tuple[int, ...]) -> dict[Any, Expr]:
    """Their names."""
    return {
        s: indexed(name_of(x), _place(x, index)) if isinstance(x, RecordNode) else _at(x, _place(x, index))
        for s, x in zip(formula_at(node).symbols, node.inputs)
    }
