"""What a nest computes, as expressions of elements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from koubai.compile import index as arithmetic
from koubai.compile.forms import SUPPORTED, native
from koubai.compile.index import Index, Read, affine
from koubai.compile.nest import Apply, Buffer, Literal, Load, Position, place, used
from koubai.compile.plan import Plan
from koubai.graph import Node, Type, type_of
from koubai.ops import lowering

__all__ = [
    "Conflict",
    "Reading",
    "Scope",
    "broadcast",
    "cast",
    "computing_dtype",
    "type_of_input",
    "uniform",
    "with_params",
]


class Conflict(Exception):
    """A nest would read, at another place, what it computes itself."""


@dataclass(slots=True, eq=False)
class Scope:
    """Expressions of one nest, each built once."""

    plan: Plan
    known: dict[Any, Any] = field(default_factory=dict)
    members: dict[Any, tuple[Index, ...]] = field(default_factory=dict)
    written: set[int] = field(default_factory=set)

    def value(self, x: Any, index: Sequence[Index], *, stored: bool = True) -> Any:
        """The element of x at an index: loaded where x has a buffer, otherwise computed here."""
        if not isinstance(x, Node):
            return self._literal(x, index)
        while x.op is not None and isinstance(x.op.lower, lowering.Barrier) and native(x):
            x = x.inputs[0]
        key = (x, tuple(index))
        if key in self.known:
            return self.known[key]
        if stored and x in self.members:
            raise Conflict
        buffer = self.plan.buffers.get(x) if stored else None
        if x.op is None and uniform(x.value):
            made: Any = Literal(x.value.flat[0], x.dtype)
        elif buffer is not None and (x.op is None or buffer.slot not in self.written):
            made = self.load(buffer, index)
        else:  # also what is this nest's own memory, read in another shape: the element is not there yet
            made = self._computed(x, index)
        self.known[key] = made
        return made

    def load(self, buffer: Buffer, index: Sequence[Index]) -> Load:
        """The element of a buffer at an index."""
        at = place(buffer, index)
        return Load(buffer, at, used(at), buffer.type.dtype)

    def _literal(self, x: Any, index: Sequence[Index]) -> Any:
        if uniform(x):
            return Literal(x.flat[0], x.dtype)
        if isinstance(x, np.ndarray) and x.ndim:
            return self.load(self.plan.constant(x), index)
        return Literal(x, type_of(x).dtype)

    def _computed(self, x: Any, index: Sequence[Index]) -> Any:
        how = native(x)
        if isinstance(how, lowering.Guard):
            return self.value(x.inputs[0], index)
        if isinstance(how, lowering.View):
            source = how.source(Reading(self, x), index, *map(type_of_input, x.inputs), **x.params)
            return self.value(x.inputs[0], tuple(source))
        if isinstance(how, lowering.Count):
            at = affine(index[x.params["axis"]])
            return Position(at, used(at), x.dtype)
        dtype = computing_dtype(x, how)
        inputs = [self.value(z, broadcast(index, x.shape, type_of_input(z).shape)) for z in x.inputs]
        casts = tuple(None if i in how.as_is else dtype for i in range(len(inputs)))
        body = how.body
        if x.params and x.op.name != "astype":
            body = with_params(body, x.params)
        counters = frozenset().union(*(v.counters for v in inputs))
        return Apply(body, tuple(inputs), casts, x.dtype, x.op.name, counters)


def with_params(body: Any, params: dict[str, Any]) -> Any:
    """A body that is handed values only."""
    return lambda e, *values: body(e, *values, **params)


class Reading:
    """Index arithmetic, and `read`: what a record's `source` or `target` is handed."""

    plus = staticmethod(arithmetic.plus)
    times = staticmethod(arithmetic.times)
    quotient = staticmethod(arithmetic.quotient)
    rest = staticmethod(arithmetic.rest)

    def __init__(self, scope: Scope, node: Any) -> None:
        self.scope, self.node = scope, node

    def read(self, k: int, index: Sequence[Index], length: int) -> Index:
        source = self.node.inputs[k]
        at = broadcast(index, tuple(index), type_of_input(source).shape)
        return affine(Read(self.scope.value(source, at), length))


def uniform(x: Any) -> bool:
    """Whether an array repeats one number, as what was broadcast from it does."""
    return isinstance(x, np.ndarray) and x.size > 0 and not any(x.strides) and x.dtype in SUPPORTED


def cast(value: Any, dtype: Any) -> Any:
    """An expression in another dtype."""
    if value.dtype == dtype:
        return value
    return Apply(lambda e, x: x, (value,), (dtype,), dtype, "cast", value.counters)


def type_of_input(x: Any) -> Type:
    """Of a node, or of a constant."""
    of: Type = x.type if isinstance(x, Node) else type_of(x)
    return of


def computing_dtype(node: Any, how: lowering.Scalar) -> np.dtype[Any]:
    """The dtype in which NumPy computes: the result's, or for a comparison its inputs' common one."""
    if node.dtype.kind != "b":
        return node.dtype  # type: ignore[no-any-return]
    types = [type_of_input(x) for x in node.inputs]
    strong = [t.dtype for i, t in enumerate(types) if i not in how.as_is and not t.weak]
    weak = [x for x, t in zip(node.inputs, types) if not isinstance(x, Node) and t.weak]
    return np.result_type(*strong, *weak) if strong or weak else node.dtype


def broadcast(index: Sequence[Any], shape: Sequence[Any], to: Sequence[int]) -> tuple[Any, ...]:
    """The index in an array of shape `to` that was broadcast to `shape`."""
    tail = tuple(index)[len(index) - len(to) :]
    return tuple(0 if n == 1 else i for i, n in zip(tail, to))
