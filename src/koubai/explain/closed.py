"""Gradients of small computations as one formula each, in nothing but the inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.explain.computation import starts_with_one
from koubai.explain.derivation import Line
from koubai.explain.filled import holds, name_of, partial
from koubai.explain.formula import (
    Expr,
    Negative,
    Number,
    Power,
    Relation,
    Sum,
    Symbol,
    Text,
    Tuple,
    fold,
    formula_of,
    times,
)
from koubai.explain.formula.expression import walk
from koubai.explain.record import Record, RecordNode
from koubai.explain.replay import Replay
from koubai.ops.define import is_elementwise

__all__ = ["closed_forms"]

MOST_NODES = 40
MOST_PARTS = 60  # of one formula: what is longer cannot be read


def closed_forms(record: Record, replay: Replay) -> tuple[Line, ...]:
    """The output and its gradients by the leaves, written in the leaves.

    Nothing where that would be too long to read, an op mixes elements, or the backward pass starts with a gradient that
    was given.
    """
    if len(record) > MOST_NODES or record.output.operation is None or not starts_with_one(record.output):
        return ()
    values: dict[RecordNode, Expr] = {}
    for node in record.nodes:
        value = _value(node, values)
        if value is None:
            return ()
        values[node] = value
    gradients: dict[RecordNode, Expr] = {record.output: Number(1)}
    lines = [Line(name_of(record.output), (tidied(values[record.output]),), record.output.value)]
    for node in reversed(record.nodes):
        if node.messages:
            terms = [_message(edge, values, gradients[edge.target]) for edge in node.messages]
            if any(term is None for term in terms):
                return ()
            gradients[node] = _sum([term for term in terms if term is not None])
            if len(walk(gradients[node])) > MOST_PARTS:
                return ()
        if node.op is None and node.messages:
            found = replay.agreement(node)
            lines.append(Line(partial(record, node), (tidied(gradients[node]),), node.grad, found))
    given = {Symbol.from_key(node.symbol): node.value for node in record.nodes if node.op is None}
    scalars = {symbol.key: value for symbol, value in given.items() if np.ndim(value) == 0}
    if not all(holds(line.steps[0].substitute(scalars), line.result) for line in lines):
        return ()  # a convention where a formula has no value, which a formula of the inputs cannot say
    return (lines[0], *reversed(lines[1:]))


def _value(node: RecordNode, values: dict[RecordNode, Expr]) -> Expr | None:
    op = node.operation
    if op is None:
        return name_of(node)
    if not is_elementwise(op) and op.name != "bind":
        return None
    formula = formula_of(op, len(node.inputs))
    put = _inputs(formula, node, values)
    found = formula.right.substitute(put)
    return None if _is_prose(formula.right) or len(walk(found)) > MOST_PARTS else found


def _inputs(formula: Any, node: RecordNode, values: dict[RecordNode, Expr]) -> dict[Any, Expr]:
    return {s: values[x] if isinstance(x, RecordNode) else name_of(x) for s, x in zip(formula.symbols, node.inputs)}


def _message(edge: Any, values: dict[RecordNode, Expr], upstream: Expr) -> Expr | None:
    formula = formula_of(edge.target.operation, len(edge.target.inputs))
    derivative: Relation | None = formula.derivatives[edge.position]
    if derivative is None or _is_prose(derivative.right):
        return None
    put = {**_inputs(formula, edge.target, values), formula.result: values[edge.target]}
    if formula.is_local(edge.position):
        return times(upstream, derivative.right.substitute(put))
    return derivative.right.substitute({**put, Symbol("g"): upstream})


def _sum(terms: list[Expr]) -> Expr:
    """A sum without terms that are 0, and without sums inside."""
    flat = [part for term in terms for part in (term.terms if isinstance(term, Sum) else (term,)) if part != Number(0)]
    return Number(0) if not flat else flat[0] if len(flat) == 1 else Sum(tuple(flat))


def tidied(formula: Expr) -> Expr:
    """The formula with exponents such as 2 - 1 worked out, and without exponents 1."""

    def combine(node: Expr, parts: list[Expr]) -> Expr:
        found = node.with_parts(parts) if parts else node
        if not isinstance(found, Power):
            return found
        exponent = found.exponent
        if isinstance(exponent, Sum) and all(isinstance(_bare(term), Number) for term in exponent.terms):
            exponent = Number(exponent.evaluate({}))
        return found.base if exponent == Number(1) else Power(found.base, exponent)

    return fold(formula, combine)


def _bare(term: Expr) -> Expr:
    return term.of if isinstance(term, Negative) else term


def _is_prose(formula: Expr) -> bool:
    return any(isinstance(part, (Text, Tuple)) for part in walk(formula))
