"""From the plan to loops, against an abstract emitter: LLVM's, or the one that writes text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from koubai.compile.plan import Buffer, Plan, native
from koubai.graph import Node, Type, type_of
from koubai.ops.lowering import Fold, Place, Product, Scalar, View

__all__ = ["write_program"]

Index = tuple[Any, ...]


def write_program(plan: Plan, e: Any) -> None:
    """Emit every step of the plan, in order."""
    for number, node in enumerate(plan.steps):
        _Step(plan, e, node).write(number)


class _Step:
    """The loops that compute one stored node, with everything fused into it."""

    def __init__(self, plan: Plan, e: Any, node: Any) -> None:
        self.plan, self.e, self.node = plan, e, node
        self.known: dict[Any, Any] = {}

    def write(self, number: int) -> None:
        how = native(self.node)
        if how is None:
            self.e.callback(number, self.node)
            return
        out = self.plan.buffers[self.node]
        self.e.comment(f"{out.name} = {self.node.op.name}  {self.node.type}")
        if isinstance(how, Fold):
            self._fold(how, out)
        elif isinstance(how, Place):
            self._place(how, out)
        elif isinstance(how, Product):
            self._product(out)
        else:
            self._map(out)

    # Loops

    def _map(self, out: Buffer) -> None:
        with self.e.loops(out.type.shape) as index:
            self.known.clear()
            self.e.store(out, index, self.value(self.node, index, stored=False))

    def _fold(self, how: Fold, out: Buffer) -> None:
        (x,) = self.node.inputs
        axis, shape = self.node.params["axis"], x.shape
        kept = [i for i in range(len(shape)) if i not in axis]
        restore = len(out.type.shape) == len(shape)
        if axis and (len(shape) - 1) not in axis:
            self._fold_rows(how, out, x, kept, restore)
            return
        with self.e.loops(out.type.shape) as index:
            outer = index if not restore else tuple(index[i] for i in kept)
            so_far = self.e.variable(self.e.constant(how.start(out.type.dtype), out.type.dtype))
            with self.e.loops(tuple(shape[i] for i in axis)) as inner:
                self.known.clear()
                full = _merged(len(shape), kept, outer, axis, inner)
                step = how.step(self.e, self.e.get(so_far), self.e.cast(self.value(x, full), out.type.dtype))
                self.e.set(so_far, step)
            self.e.store(out, index, self.e.get(so_far))

    def _fold_rows(self, how: Fold, out: Buffer, x: Any, kept: list[int], restore: bool) -> None:
        """The last axis stays: fold whole rows into the result, so that the inner loop is contiguous."""
        axis, shape = self.node.params["axis"], x.shape
        with self.e.loops(out.type.shape) as index:
            self.e.store(out, index, self.e.constant(how.start(out.type.dtype), out.type.dtype))
        with self.e.loops((*(shape[i] for i in axis), *(shape[i] for i in kept))) as index:
            self.known.clear()
            folded, outer = index[: len(axis)], index[len(axis) :]
            full = _merged(len(shape), kept, outer, axis, folded)
            target = tuple(0 if i in axis else full[i] for i in range(len(shape))) if restore else outer
            value = self.e.cast(self.value(x, full), out.type.dtype)
            self.e.store(out, target, how.step(self.e, self.e.load(out, target), value))

    def _place(self, how: Place, out: Buffer) -> None:
        with self.e.loops(out.type.shape) as index:
            self.e.store(out, index, self.e.constant(0, out.type.dtype))
        types = [x.type if isinstance(x, Node) else type_of(x) for x in self.node.inputs]
        for i, x in enumerate(self.node.inputs):
            with self.e.loops(types[i].shape) as index:
                self.known.clear()
                target = how.target(self.e, i, index, types, **self.node.params)
                self.e.store(out, target, self.e.cast(self.value(x, index), out.type.dtype))

    def _product(self, out: Buffer) -> None:
        a, b = self.node.inputs
        *stack, n, m = out.type.shape
        k = a.shape[-1]
        dtype = out.type.dtype
        with self.e.loops(out.type.shape) as index:
            self.e.store(out, index, self.e.constant(0, dtype))
        with self.e.loops((*stack, n, k, m)) as (*s, i, p, j):
            self.known.clear()
            left = self.e.cast(self.value(a, _broadcast((*s, i, p), (*stack, n, k), a.shape)), dtype)
            right = self.e.cast(self.value(b, _broadcast((*s, p, j), (*stack, k, m), b.shape)), dtype)
            so_far = self.e.load(out, (*s, i, j))
            self.e.store(out, (*s, i, j), self.e.add(so_far, self.e.mul(left, right)))

    # Values

    def value(self, x: Any, index: Index, *, stored: bool = True) -> Any:
        """The element of x at an index: loaded where x has a buffer, otherwise computed here."""
        if not isinstance(x, Node):
            return self._literal(x, index)
        if stored and x in self.plan.buffers:
            return self.e.load(self.plan.buffers[x], index)
        key = (x, index)
        if key not in self.known:
            self.known[key] = self._computed(x, index)
        return self.known[key]

    def _literal(self, x: Any, index: Index) -> Any:
        of = type_of(x)
        if isinstance(x, np.ndarray) and x.ndim:
            return self.e.load(self.plan.constant(x), index)
        return self.e.constant(x, of.dtype)

    def _computed(self, x: Any, index: Index) -> Any:
        how = native(x)
        if isinstance(how, View):
            (source,) = x.inputs
            return self.value(source, tuple(how.source(self.e, index, _type(source), **x.params)))
        dtype = _computing_dtype(x, how)
        values = []
        for i, z in enumerate(x.inputs):
            v = self.value(z, _broadcast(index, x.shape, _type(z).shape))
            values.append(v if i in how.as_is else self.e.cast(v, dtype))
        return self.e.cast(how.body(self.e, *values), x.dtype)


def _type(x: Any) -> Type:
    of: Type = x.type if isinstance(x, Node) else type_of(x)
    return of


def _computing_dtype(node: Any, how: Scalar) -> np.dtype[Any]:
    """The dtype in which NumPy computes: the result's, or for a comparison its inputs' common one."""
    if node.dtype.kind != "b":
        return node.dtype  # type: ignore[no-any-return]
    strong = [_type(x).dtype for i, x in enumerate(node.inputs) if i not in how.as_is and not _type(x).weak]
    weak = [x for x in node.inputs if not isinstance(x, Node) and _type(x).weak]
    return np.result_type(*strong, *weak)


def _merged(ndim: int, kept: Sequence[int], outer: Index, axis: Sequence[int], inner: Index) -> Index:
    full: list[Any] = [0] * ndim
    for i, value in zip(kept, outer):
        full[i] = value
    for i, value in zip(axis, inner):
        full[i] = value
    return tuple(full)


def _broadcast(index: Index, shape: Sequence[int], to: Sequence[int]) -> Index:
    """The index in an array of shape `to` that was broadcast to `shape`."""
    tail = index[len(index) - len(to) :]
    long = tuple(shape)[len(shape) - len(to) :]
    return tuple(0 if n == 1 and m != 1 else i for i, n, m in zip(tail, to, long))
