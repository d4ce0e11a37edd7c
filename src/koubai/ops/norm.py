"""The p-norm of vectors, with gradient zero at the zero vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from koubai.graph import Op, Sample, Type, Words, register
from koubai.ops.define import arrays, conjugated, dtype_by_example
from koubai.ops.elementwise import absolute, imag, real, sign, sqrt, square, where
from koubai.ops.lowering import Expand
from koubai.ops.reduce import reduced_shape, restored
from koubai.ops.reduce import sum as total
from koubai.ops.shape import astype

__all__ = ["norm"]

Axes = tuple[int, ...]

array_sum: Any = np.add.reduce  # NumPy's own types want keepdims to be a literal


def _forward(x: Any, *, ord: float, axis: Axes, keepdims: bool) -> Any:
    if x.dtype.kind not in "fc":
        x = x.astype(np.float64)
    if ord == 2:
        return np.sqrt(_sum_of_squares(x, axis, keepdims))
    size = np.abs(x)
    with np.errstate(divide="ignore"):
        return array_sum(size**ord, axis=axis, keepdims=keepdims) ** (1.0 / ord)


def _sum_of_squares(x: Any, axis: Axes, keepdims: bool) -> Any:
    parts = (x.real, x.imag) if x.dtype.kind == "c" else (x,)
    if len(axis) == x.ndim and not keepdims:
        return sum(np.dot(part.ravel(), part.ravel()) for part in parts)
    return sum(array_sum(part * part, axis=axis, keepdims=keepdims) for part in parts)


def _infer(x: Type, *, ord: float, axis: Axes, keepdims: bool) -> Type:
    dtype = dtype_by_example("norm", lambda v: _forward(v, ord=ord, axis=(0,), keepdims=False), [np.ones(1, x.dtype)])
    return Type(reduced_shape(x.shape, axis, keepdims), dtype)


def _slope(g: Any, y: Any, x: Any, ord: float, axis: Axes) -> Any:
    """g dy/dx: g x/y for p = 2, and g sign(x) (|x|/y)^(p-1); zero where y is, and for p < 1 where x is."""
    g, y = restored(g, x.shape, axis), restored(y, x.shape, axis)
    y = where(y == 0, np.inf, y)
    if ord == 2:
        return (g / y) * x
    share = absolute(x) / y
    return g * sign(x) * where(share == 0, 0.0, where(share == 0, 1.0, share) ** (ord - 1.0))


def _vjp(g: Any, y: Any, x: Any, *, ord: float, axis: Axes, keepdims: bool) -> Any:
    return _slope(g, y, x, ord, axis)


def _jvp(t: Any, y: Any, x: Any, *, ord: float, axis: Axes, keepdims: bool) -> Any:
    one = np.ones(y.shape, y.dtype)[()]
    change = conjugated(_slope(one, y, x, ord, axis)) * t
    return total(real(change) if change.dtype.kind == "c" else change, axis=axis, keepdims=keepdims)


def _of_ops(x: Any, *, ord: float, axis: Axes, keepdims: bool) -> Any:
    if x.dtype.kind not in "fc":
        x = astype(x, dtype=np.dtype(np.float64))
    if ord != 2:
        return total(absolute(x) ** ord, axis=axis, keepdims=keepdims) ** (1.0 / ord)
    squares = square(real(x)) + square(imag(x)) if x.dtype.kind == "c" else square(x)
    return sqrt(total(squares, axis=axis, keepdims=keepdims))


def _batch(op: Op, size: int, batched: Sequence[bool], x: Any, *, ord: float, axis: Axes, keepdims: bool) -> Any:
    return op(x, ord=ord, axis=tuple(i + 1 for i in axis), keepdims=keepdims)


def _samples() -> list[Sample]:
    a, b = arrays((2, 3), (2, 3), low=0.3)
    found = [Sample((a,), {"ord": p, "axis": (1,), "keepdims": False}) for p in (2, 3, 2.5, 0.5, -1.0)]
    found.append(Sample((a,), {"ord": 2, "axis": (0, 1), "keepdims": True}))
    return [*found, *(Sample((a - 1j * b,), {"ord": p, "axis": (0,), "keepdims": False}) for p in (2, 3.0))]


norm = register(Op(
    "norm", _forward, _infer, vjp=(_vjp,), jvp=(_jvp,), batch=_batch, lower=Expand(_of_ops),
    words=Words("y = (sum_i |x[i]|^ord)^(1/ord)", "dE/dx[i] = g sign(x[i]) (|x[i]|/y)^(ord - 1)",
                "The p-norm; at the zero vector, where it has no derivative, the gradient is taken as zero.",
                "p ノルム。微分できない零ベクトルでは勾配を0とする。"),
    samples=_samples,
))  # fmt: skip
