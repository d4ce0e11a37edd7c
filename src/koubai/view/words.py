"""Formulas of nodes and edges, in symbols and with numbers."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree

import numpy as np

from koubai.explain.formula import (
    Array,
    Call,
    Derivative,
    Expr,
    Negative,
    Number,
    OpFormula,
    Power,
    Product,
    Relation,
    Sum,
    Symbol,
    formula_of,
    free_symbols,
    substitute,
    to_mathml,
    to_plain,
    walk,
)
from koubai.graph import Op
from koubai.view.scene import Edge, Node, Scene

__all__ = ["DIGITS", "edge_lines", "node_lines", "op_words", "symbol_of"]

DIGITS, FEW_DIGITS = 6, 4  # in a line, and in a matrix
MANY = 600  # nodes from which on formulas are text, which takes a tenth of the room, and edges have general ones only


def op_words(op: Op) -> dict[str, Any]:
    """The words of an op's record, and its formula in general."""
    words, known = op.words, formula_of(op)
    found = {"en": words.en, "ja": words.ja, "formula": _tree(Relation(known.result, "=", known.right))}
    derivatives = [_tree(relation) for relation in known.derivatives if relation is not None]
    return {**found, "derivatives": derivatives} if derivatives else found


def node_lines(node: Node, scene: Scene) -> dict[str, Any]:
    """What a node computes: in symbols, with numbers where all of them are single numbers, and as text to be read."""
    known = _formula(node.record.operation, len(node.inputs))
    names = {s: _name(x, scene) for s, x in zip(known.symbols, node.inputs)}
    left, right = symbol_of(node.symbol), substitute(known.right, names)
    formula = Relation(left, "=", right)
    said = to_plain(formula, DIGITS)
    lines: dict[str, Any] = {}
    numbers = _with_numbers(known.right, known, node, scene)
    if isinstance(node.value, np.ndarray) and (found := _with_arrays(known.right, known, node, scene, {})):
        lines |= {"numbers": _tree(found, FEW_DIGITS), "result": _tree(Array(node.value), FEW_DIGITS)}
    elif numbers is not None:
        lines["numbers"] = _shown(Relation(numbers, "=", Number(node.value)), scene)
        said += f" = {to_plain(numbers, DIGITS)}" if any(free_symbols(right)) else ""
        said += f" = {to_plain(Number(node.value), DIGITS)}"
    return {"formula": _shown(formula, scene), **lines, "said": _with_minus_signs(said)}


def edge_lines(edge: Edge, scene: Scene) -> dict[str, Any]:
    """The local derivative along an edge (or, where elements are mixed, the message), in symbols and with numbers."""
    target = scene.nodes[edge.target]
    known = _formula(target.record.operation, len(target.inputs))
    relation = known.derivatives[edge.position] if edge.position < len(known.derivatives) else None
    if relation is None or not isinstance(relation.left, Derivative) or len(scene.nodes) > MANY:
        return {}
    source, error = symbol_of(scene.nodes[edge.source].symbol), symbol_of(scene.nodes[scene.output].symbol)
    user = symbol_of(target.symbol)
    upstream = Derivative(error, user)
    names: dict[Any, Any] = {s: _name(x, scene) for s, x in zip(known.symbols, target.inputs)}
    names |= {known.result: user, Symbol("g"): upstream, Symbol("G"): upstream}
    is_local = relation.left.of == known.result
    left = Derivative(user if is_local else error, source)
    lines = {"formula": _shown(Relation(left, "=", substitute(relation.right, names)), scene)}
    numbers = _with_numbers(relation.right, known, target, scene)
    if numbers is not None and is_local and not isinstance(numbers, Number):
        lines["numbers"] = _shown(Relation(numbers, "=", Number(edge.record.local)), scene)
    elif not is_local and not isinstance(relation.right, Symbol):
        gradients = {Symbol("g"): edge.record.upstream, Symbol("G"): edge.record.upstream}
        found = _with_arrays(relation.right, known, target, scene, gradients)
        if found is not None and _is_small(edge.record.message):
            lines |= {"numbers": _tree(found, FEW_DIGITS), "result": _tree(Array(edge.record.message), FEW_DIGITS)}
    return lines


@lru_cache(maxsize=256)
def _formula(op: Op, count: int) -> OpFormula:
    return formula_of(op, count)


def symbol_of(name: str) -> Symbol:
    """A node's symbol with its index set lower: ``w_1`` for w1, ``net_h1`` for net_h1.

    Examples
    --------
    >>> symbol_of("w12"), symbol_of("hidden.weight")
    (Symbol(name='w', subscript='12'), Symbol(name='hidden.weight', subscript=''))
    """
    found = re.fullmatch(r"([^\W\d_]+)_?(\d+)|([^\W\d_]{1,8})_([^\W_]{1,8})", name)
    return Symbol(found[1] or found[3], found[2] or found[4]) if found else Symbol(name)


def _name(x: Any, scene: Scene) -> Expr:
    """How an input is written: its symbol, or a constant as the number that it is."""
    if isinstance(x, int):
        return symbol_of(scene.nodes[x].symbol)
    return Number(x[0]) if _is_number(x[0]) else Symbol(type(x[0]).__name__)


def _is_number(x: Any) -> bool:
    return isinstance(x, (bool, int, float, complex, np.generic)) and not isinstance(x, (np.str_, np.bytes_))


def _with_numbers(formula: Expr, known: OpFormula, node: Node, scene: Scene) -> Expr | None:
    """The formula with the inputs' values, and the node's own; None unless all of them are single numbers."""
    values = [scene.nodes[x].value if isinstance(x, int) else x[0] for x in node.inputs]
    if not (_is_number(node.value) and all(map(_is_number, values))):
        return None
    names: dict[Any, Any] = {s: Number(v) for s, v in zip(known.symbols, values)}
    return substitute(formula, {**names, known.result: Number(node.value)})


def _with_arrays(formula: Expr, known: OpFormula, node: Node, scene: Scene, others: dict[Any, Any]) -> Expr | None:
    """The formula with small matrices and vectors put in; None where they are large, or where it would mislead.

    Side by side, matrices are multiplied as matrices: what multiplies element by element is left in symbols.
    """
    values = [scene.nodes[x].value if isinstance(x, int) else x[0] for x in node.inputs]
    names: dict[Any, Any] = {**dict(zip(known.symbols, values)), known.result: node.value, **others}
    is_matrix = all(symbol.name[:1].isupper() for symbol in known.symbols)
    readable = (Symbol, Number, Sum, Negative, Call, *((Product, Power) if is_matrix else ()))
    used = [symbol for symbol in free_symbols(formula) if symbol in names]
    if not (used and all(isinstance(part, readable) for part in walk(formula))):
        return None
    if not all(_is_number(names[s]) or _is_small(names[s]) for s in (*used, known.result)):
        return None
    return substitute(formula, {s: Number(names[s]) if _is_number(names[s]) else Array(names[s]) for s in used})


def _is_small(x: Any) -> bool:
    """Whether an array can be written out."""
    return isinstance(x, np.ndarray) and x.ndim <= 2 and all(0 < n <= most for n, most in zip(x.shape[::-1], (4, 3)))


def _shown(formula: Expr, scene: Scene) -> Any:
    return _with_minus_signs(to_plain(formula, DIGITS)) if len(scene.nodes) > MANY else _tree(formula)


def _with_minus_signs(text: str) -> str:
    return re.sub(r"(?<!\w)-", "\u2212", text)


def _tree(formula: Expr, digits: int = DIGITS) -> Any:
    """MathML as [tag, attributes, children ...]: the page builds elements of it and never reads markup."""
    root = ElementTree.fromstring(to_mathml(formula, digits))
    trees: dict[Any, list[Any]] = {}
    for element in reversed(list(root.iter())):  # children before those that hold them
        tag = element.tag.rpartition("}")[2]
        trees[element] = [tag, dict(element.attrib), *([element.text] if element.text else [])]
        trees[element] += [trees[child] for child in element]
    return trees[root]
