"""The formulas of an op, from its record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from koubai.errors import UsageError
from koubai.explain.formula.expression import (
    BigOperator,
    Call,
    Derivative,
    Expr,
    Index,
    Number,
    Product,
    Relation,
    Symbol,
    Text,
    fold,
    free_symbols,
    substitute,
    times,
    walk,
)
from koubai.explain.formula.language import parse_list
from koubai.explain.formula.precedence import GREEK
from koubai.graph import Op, Words

__all__ = ["OpFormula", "formula_of"]

ERROR = Symbol("E")
KNOWN = frozenset({"e", "pi", "i", "inf", "nan"})
REST = "..."  # at the end of a symbol's name: it stands for all the inputs that are left


@dataclass(frozen=True, slots=True)
class OpFormula:
    """What an op computes and how its gradients flow, as formulas.

    Attributes
    ----------
    result : Expr
        The name of the result, y or Y; a `Tuple` of names for several.
    right : Expr
        What it is: a `Text` where the record's words are no formula.
    symbols : tuple of Symbol
        One an input.
    derivatives : tuple of Relation or None
        One an input: local, ``dy/dx = ...``, or the message itself, ``dE/dx = ...``; None where no gradient flows.
    where : tuple of Relation
        Definitions of what else stands in them.
    """

    result: Expr
    right: Expr
    symbols: tuple[Symbol, ...]
    derivatives: tuple[Relation | None, ...]
    where: tuple[Relation, ...] = ()

    def is_local(self, position: int) -> bool:
        """Whether the words give the local derivative by an input, not a rule for the message."""
        derivative = self.derivatives[position]
        return derivative is not None and isinstance(derivative.left, Derivative) and derivative.left.of != ERROR

    def message(self, position: int) -> Expr | None:
        """The gradient that an input receives, with g (or G) for the upstream one; None where no gradient flows.

        Examples
        --------
        >>> from koubai.ops.elementwise import divide
        >>> print(formula_of(divide).message(1))
        -g y/b
        """
        derivative = self.derivatives[position]
        if derivative is None:
            return None
        return times(Symbol("g"), derivative.right) if self.is_local(position) else derivative.right


def formula_of(op: Op, count: int | None = None) -> OpFormula:
    """The formulas of an op. Never raises: words that are no formulas are shown as they are.

    Parameters
    ----------
    op : Op
    count : int, optional
        How many inputs there are, for an op that takes any number. Default: as its first sample has, or two.

    Examples
    --------
    >>> from koubai.ops.elementwise import tanh
    >>> f = formula_of(tanh)
    >>> print(f.result, "=", f.right)
    y = tanh(x)
    >>> print(f.derivatives[0])
    ∂y/∂x = 1 - y^2
    """
    return _formula(op.words, _arity(op) if count is None else count)


@lru_cache(maxsize=1024)
def _formula(words: Words, count: int | None) -> OpFormula:
    formula, derivative = _parsed(words.formula), _parsed(words.derivative)
    if not formula or not isinstance(formula[0], Relation) or formula[0].sign != "=":
        name, equals, rest = words.formula.partition("=")
        named = _parsed(name) if equals else ()
        is_name = len(named) == 1 and isinstance(named[0], Symbol)
        formula = (
            Relation(named[0] if is_name else Symbol("y"), "=", Text((rest if is_name else words.formula).strip())),
        )
    first = formula[0]
    assert isinstance(first, Relation)
    symbols = _symbols(words.symbols, first, count)
    found: list[Relation | None] = [_derivative_by(x, derivative, k) for k, x in enumerate(symbols)]
    if not any(found) and derivative != (Number(0),):
        shown = Text(words.derivative.strip())
        found = [Relation(Derivative(ERROR, x), "=", shown) for x in symbols]
    where = [r for r in (*formula[1:], *derivative) if isinstance(r, Relation) and not isinstance(r.left, Derivative)]
    right = _spelled(first.right, symbols)
    return OpFormula(first.left, right, symbols, tuple(found), tuple(where))


def _parsed(text: str) -> tuple[Expr, ...]:
    """The formulas of a text; none if it is no formula."""
    try:
        found = parse_list(" ".join(text.split()))
    except UsageError:
        return ()
    return () if any(_is_prose(node) for formula in found for node in walk(formula)) else found


def _is_prose(node: Expr) -> bool:
    """Whether a product is words side by side: "the larger one" reads as one, but nobody means it."""
    if not isinstance(node, Product):
        return False
    words = [
        isinstance(f, Symbol) and f.name.isalpha() and len(f.name) > 1 and f.name not in GREEK for f in node.factors
    ]
    return any(a and b for a, b in pairwise(words))


def _symbols(names: tuple[str, ...], formula: Relation, count: int | None) -> tuple[Symbol, ...]:
    """The names of the inputs: those of the record, otherwise the first ones that stand in the formula."""
    if count is None:
        count = len(names) or len(_named(formula)) or 1
    if names and names[-1].endswith(REST):
        fixed, rest = names[:-1], names[-1].removesuffix(REST)
        return tuple(map(Symbol.from_key, (*fixed, *(f"{rest}_{i + 1}" for i in range(count - len(fixed))))))
    chosen = list(map(Symbol.from_key, names)) or _named(formula)
    others = (Symbol.from_key(name) for name in ("x", "a", "b", "c", *(f"x_{i + 1}" for i in range(count))))
    for other in others:
        if len(chosen) >= count:
            break
        if other not in chosen:
            chosen.append(other)
    return tuple(chosen[:count])


def _named(formula: Relation) -> list[Symbol]:
    """The symbols on the right side that are neither indices nor constants."""
    others = set(free_symbols(formula.left))
    others.update(*(node.bound for node in walk(formula.right) if isinstance(node, BigOperator)))
    return [s for s in free_symbols(formula.right) if s not in others and s.key not in KNOWN and s.name != "..."]


def _arity(op: Op) -> int | None:
    """How many inputs a record speaks of; None if it does not say."""
    names = op.words.symbols
    if names and not names[-1].endswith(REST):
        return len(names)
    if isinstance(op.vjp, tuple) and not names:
        return len(op.vjp)
    try:
        samples = op.samples()
        return len(samples[0].args) if samples else None
    except Exception:  # a user's function: without it the words alone decide
        return None


def _derivative_by(x: Symbol, relations: Sequence[Expr], position: int) -> Relation | None:
    """The relation that says the derivative by an input: by x, by x[i], or by x_k for one of many."""
    for relation in relations:
        if not isinstance(relation, Relation) or not isinstance(relation.left, Derivative):
            continue
        by = relation.left.by
        target = by.of if isinstance(by, Index) else by
        if target == x:
            return relation
        if isinstance(target, Symbol) and (target.name, target.subscript) == (x.name, "k"):
            of_k = (s for s in free_symbols(relation) if s.subscript == "k")
            mapping: dict[Symbol, Expr] = {s: Symbol(s.name, x.subscript) for s in of_k}
            if x.subscript.isdigit():
                mapping[Symbol("k")] = Number(int(x.subscript))
            left = substitute(relation.left, {s: new for s, new in mapping.items() if isinstance(new, Symbol)})
            return Relation(left, "=", substitute(relation.right, mapping))
    return None


def _spelled(formula: Expr, symbols: Sequence[Symbol]) -> Expr:
    """Arguments such as ``x_1, x_2, ...`` with every input named."""

    def combine(node: Expr, parts: list[Expr]) -> Expr:
        if isinstance(node, Call) and Symbol("...") in parts:
            at = parts.index(Symbol("..."))
            stem = parts[at - 1].name if at and isinstance(parts[at - 1], Symbol) else ""  # type: ignore[attr-defined]
            listed = [p for p in parts[:at] if not (isinstance(p, Symbol) and p.name == stem and p.subscript)]
            return Call(node.name, (*listed, *(s for s in symbols if s.name == stem and s.subscript), *parts[at + 1 :]))
        return node.with_parts(parts) if parts else node

    return fold(formula, combine)
