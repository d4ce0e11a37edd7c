"""An evaluator of the formulas of op records as mathematics: sums over indices, products of matrices, definitions.

Slow and simple: an element at a time, with nothing taken from the ops that the formulas speak of.
"""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np

from koubai.explain.formula import (
    Abs,
    BigOperator,
    Call,
    Cases,
    Derivative,
    ElementwiseProduct,
    Index,
    Logic,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Relation,
    Sum,
    Symbol,
    walk,
)

CONSTANTS = {"pi": np.pi, "e": np.e, "i": 1j, "inf": np.inf, "bool": "bool", "full": "full", "backward": "backward",
             "forward": "forward", "left": "left"}  # fmt: skip
SIGNS = {"==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
         ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}  # fmt: skip
REDUCE = {"sum": sum, "prod": prod, "max": max, "min": min, "any": any, "all": all}


class Identity:
    """A multiple of the identity matrix, whose size its surroundings say."""

    def __init__(self, scale=1.0):
        self.scale = scale

    def like(self, x):
        return self.scale * np.eye(x.shape[0])


def adjugate(a):
    n = len(a)
    minor = lambda i, j: np.linalg.det(np.delete(np.delete(a, i, 0), j, 1))
    return np.array([[(-1) ** (i + j) * minor(j, i) for j in range(n)] for i in range(n)])


FUNCTIONS = {
    "ln": np.log, "sqrt": np.sqrt, "sign": np.sign, "Re": np.real, "conj": np.conj, "det": np.linalg.det,
    "tr": np.trace, "diag": np.diag, "tril": np.tril, "triu": np.triu, "adj": adjugate, "size": np.prod, "length": len,
    "trunc": np.trunc, "pinv": np.linalg.pinv, "cholesky": np.linalg.cholesky,
}  # fmt: skip


class Oracle:
    """Values by name; `sizes` of the indices that no array tells."""

    def __init__(self, values, where=(), sizes=None):
        self.values, self.sizes, self.claims = {**CONSTANTS, **values}, sizes or {}, []
        self.indexed, self.defined = {}, {}
        for relation in where:
            left = relation.left
            if isinstance(left, Symbol) and left.key not in values:
                self.defined[left.key] = relation.right
            elif isinstance(left, Call) and left.name not in FUNCTIONS:
                self.defined[left.name] = relation
            elif isinstance(left, Index):
                self.indexed[left.of.key] = relation
            else:
                self.claims.append(relation)

    def value(self, node, bound=None):
        """The value of a formula, with values for bound indices."""
        bound = bound or {}
        of = lambda part: self.value(part, bound)
        match node:
            case Number(value):
                return value
            case Symbol():
                return self.named(node.key, bound)
            case Sum(terms):
                return self.total([of(t) for t in terms])
            case Negative(part):
                return self.times([-1, of(part)])
            case Product(factors):
                return self.times([of(f) for f in factors])
            case ElementwiseProduct(left, right):
                a, b = of(left), of(right)
                return a * (b.like(a) if isinstance(b, Identity) else b)
            case Quotient(above, below):
                return of(above) / of(below)
            case Power(base, exponent):
                return self.power(of(base), exponent, bound)
            case Call(name, arguments):
                if name in self.defined:
                    rule = self.defined[name]
                    (parameter,) = rule.left.arguments
                    return self.value(rule.right, {**bound, parameter.key: of(arguments[0])})
                return FUNCTIONS[name](*map(of, arguments))
            case Abs(part):
                return np.abs(of(part))
            case Index(Symbol() as array, indices):
                return self.element(array.key, tuple(map(of, indices)))
            case BigOperator():
                return self.over(node, bound)
            case Relation(left, sign, right):
                return SIGNS[sign](of(left), of(right))
            case Logic(word, conditions):
                found = [of(c) for c in conditions]
                return {"and": all, "or": any, "not": lambda c: not c[0]}[word](found)
            case Cases(values, conditions, otherwise):
                for value, condition in zip(values, conditions):
                    if of(condition):
                        return of(value)
                return of(otherwise)
        raise NotImplementedError(str(node))

    def named(self, key, bound):
        if key in bound:
            return bound[key]
        if key in self.values:
            return self.values[key]
        if key in self.defined:
            return self.value(self.defined[key], bound)
        if key in self.indexed:  # a matrix of which every element is said
            n = len(self.values.get("w", self.values.get("s")))
            return np.array([[self.element(key, (i, j)) for j in range(n)] for i in range(n)])
        if key == "I":
            return Identity()
        raise KeyError(key)

    def element(self, key, indices):
        """An element; 0 outside of the array."""
        if key in self.values:
            array = self.values[key]
            inside = all(0 <= i < n for i, n in zip(indices, array.shape))
            return array[tuple(map(int, indices))] if inside else 0.0
        relation = self.indexed[key]
        if key == "h" and not 0 <= indices[0] < len(self.values["g"]):
            return 0.0
        return self.value(relation.right, {s.key: i for s, i in zip(relation.left.indices, indices)})

    def over(self, node, bound):
        names = [s.key for s in node.bound]
        found, places = [], []
        for place in product(*(range(self.size(name, node)) for name in names)):
            here = {**bound, **dict(zip(names, place))}
            if all(self.value(c, here) for c in node.over if isinstance(c, Relation | Logic)):
                found.append(self.value(node.body, here))
                places.append(place[0] if len(place) == 1 else place)
        if node.name in ("argmax", "argmin"):
            best = getattr(np, node.name[3:])(found)
            return next(k for k, v in zip(places, found) if v == best)
        return REDUCE[node.name](found)

    def size(self, name, node):
        if name in self.sizes:
            return self.sizes[name]
        for part in walk(node.body):
            if isinstance(part, Index) and part.of.key in self.values and Symbol(name) in part.indices:
                return self.values[part.of.key].shape[part.indices.index(Symbol(name))]
        raise KeyError(f"the range of {name} in {node}")

    @staticmethod
    def total(terms):
        matrices = [t for t in terms if isinstance(t, np.ndarray) and t.ndim == 2]
        return sum(t.like(matrices[0]) if isinstance(t, Identity) else t for t in terms)

    @staticmethod
    def times(factors):
        scale, matrix, identity = 1, None, False
        for factor in factors:
            if isinstance(factor, Identity):
                scale, identity = scale * factor.scale, True
            elif isinstance(factor, np.ndarray) and factor.ndim == 2:
                matrix = factor if matrix is None else matrix @ factor
            else:
                scale = scale * factor
        return scale * matrix if matrix is not None else Identity(scale) if identity else scale

    def power(self, base, exponent, bound):
        if isinstance(base, np.ndarray) and base.ndim == 2:
            inverted = isinstance(exponent, Negative)
            base = np.linalg.inv(base) if inverted else base
            rest = exponent.of if inverted else exponent
            assert rest == Symbol("T") or (inverted and rest == Number(1))
            return base.conj().T if rest == Symbol("T") else base
        return base ** self.value(exponent, bound)

    def whole(self, left, right, shape):
        """The array that a relation says, element by element where its left side has indices."""
        left = left.by if isinstance(left, Derivative) else left
        if not isinstance(left, Index):
            return self.value(right)
        letters = [s.key for s in left.indices]
        y = np.empty(shape, complex)
        for place in np.ndindex(*shape):
            y[place] = self.value(right, dict(zip(letters, place)))
        return y
