"""Arrays from scratch, and from nested lists of tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.graph import Node, constant
from koubai.ops import elementwise as e
from koubai.ops import shape as s
from koubai.ops.define import shape_of
from koubai.tensor.numpy.arguments import (
    arrayed,
    concrete,
    holds_node,
    joined,
    like_numpy,
    one_axis,
    operand,
    shape_argument,
)
from koubai.tensor.numpy.shape import cast, moveaxis

__all__ = [
    "arange", "array", "asanyarray", "asarray", "ascontiguousarray", "asfortranarray", "copy", "empty", "empty_like",
    "eye", "full", "full_like", "geomspace", "identity", "linspace", "logspace", "meshgrid", "ones", "ones_like",
    "zeros", "zeros_like",
]  # fmt: skip

from numpy import empty, eye, identity, ones, zeros


def array(object: Any, dtype: Any = None, *, copy: bool | None = True, order: Any = None, subok: bool = False,
          ndmin: int = 0, like: Any = None) -> Any:  # fmt: skip
    """An array, or a tensor where the nested lists hold tensors: the gradient goes to each. As `numpy.array`."""
    if not holds_node(object):
        return np.array(object, dtype=dtype, copy=copy, order=order, subok=subok, ndmin=ndmin)
    result = joined(object)
    if dtype is not None:
        result = cast(result, dtype)
    missing = ndmin - result.ndim
    return s.reshape(result, shape=(1,) * missing + tuple(result.shape)) if missing > 0 else result


def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: bool | None = None, **rest: Any) -> Any:
    """As `numpy.asarray`; a tensor stays a tensor."""
    if isinstance(a, Node) and dtype is None:
        return a
    return array(a, dtype=dtype, order=order, copy=copy)


def asanyarray(a: Any, dtype: Any = None, order: Any = None, **rest: Any) -> Any:
    """As `asarray`."""
    return asarray(a, dtype, order)


def ascontiguousarray(a: Any, dtype: Any = None, **rest: Any) -> Any:
    """As `numpy.ascontiguousarray`: at least one axis; a tensor stays a tensor."""
    return array(a, dtype=dtype, ndmin=1) if holds_node(a) else np.ascontiguousarray(a, dtype)


def asfortranarray(a: Any, dtype: Any = None, **rest: Any) -> Any:
    """As `numpy.asfortranarray`; a tensor stays a tensor, in its own order."""
    return asarray(a, dtype) if holds_node(a) else np.asfortranarray(a, dtype)


def copy(a: Any, order: Any = "K", subok: bool = False) -> Any:
    """As `numpy.copy`. A tensor is never written to, so that it is its own copy."""
    return array(a) if holds_node(a) else np.copy(a, order)


# Like another array: no gradient.


def _like(name: str, value: Any) -> Any:
    original = getattr(np, name)

    def function(a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *,
                 device: Any = None) -> Any:  # fmt: skip
        if not holds_node(a):
            return original(a, dtype=dtype, order=order, subok=subok, shape=shape)
        a = arrayed(a)
        shape = tuple(a.shape) if shape is None else shape_argument(name, shape)
        return constant(np.full(shape, value, dtype or a.dtype)[()], a.result_class)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"As `numpy.{name}`; a tensor without gradient for a tensor."
    return function


zeros_like = _like("zeros_like", 0)
ones_like = _like("ones_like", 1)
empty_like = _like("empty_like", 0)


@like_numpy
def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", **rest: Any) -> Any:
    """Copies of one value; it receives the sum of their gradients. As `numpy.full`."""
    value = arrayed(fill_value)
    return s.broadcast_to(value if dtype is None else cast(value, dtype), shape=shape_argument("full", shape))


@like_numpy
def full_like(a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *,
              device: Any = None) -> Any:  # fmt: skip
    """Copies of one value in the shape and dtype of `a`. As `numpy.full_like`."""
    a = arrayed(a)
    value = cast(fill_value, a.dtype if dtype is None else dtype)
    y = s.broadcast_to(value, shape=tuple(a.shape) if shape is None else shape_argument("full_like", shape))
    return y if isinstance(y, Node) else constant(y, a.result_class)


# Ranges.


def arange(*args: Any, **options: Any) -> Any:
    """As `numpy.arange`; how many numbers depends on values, so that no gradient flows."""
    return np.arange(*(concrete("arange", x) for x in args), **options)


@like_numpy
def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None,
             axis: int = 0, *, device: Any = None) -> Any:  # fmt: skip
    """Evenly spaced numbers from start to stop; both receive gradients. As `numpy.linspace`."""
    start, stop = operand(start) * 1.0, operand(stop) * 1.0
    gaps = num - 1 if endpoint else num
    shape = np.broadcast_shapes(shape_of(start), shape_of(stop))
    precision = np.result_type(*(x.dtype if hasattr(x, "dtype") else x for x in (start, stop)))
    share = (np.arange(num) / max(gaps, 1)).reshape((num,) + (1,) * len(shape))
    share = share.astype(precision.type(0).real.dtype)
    y = start * (1.0 - share) + stop * share
    if axis not in (0, -len(shape) - 1):
        y = moveaxis(y, 0, one_axis("linspace", axis, len(shape) + 1))
    y = y if dtype is None else cast(y, dtype)
    return (y, (stop - start) / gaps) if retstep else y


@like_numpy
def logspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None,
             axis: int = 0) -> Any:  # fmt: skip
    """Powers of a base with evenly spaced exponents. As `numpy.logspace`."""
    y = base ** linspace(start, stop, num, endpoint, axis=axis)
    return y if dtype is None else cast(y, dtype)


@like_numpy
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """Numbers from start to stop with one ratio between neighbours. As `numpy.geomspace`."""
    start, stop = arrayed(start) * 1.0, arrayed(stop) * 1.0
    y = e.power(stop / start, linspace(0.0, 1.0, num, endpoint).reshape((num,) + (1,) * (start * stop).ndim)) * start
    if axis:
        y = moveaxis(y, 0, axis)
    return y if dtype is None else cast(y, dtype)


@like_numpy
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """Coordinate arrays of a grid from coordinate vectors. As `numpy.meshgrid`."""
    n = len(xi)
    vectors = [arrayed(x) for x in xi]
    grids = [s.reshape(x, shape=(1,) * k + (x.size,) + (1,) * (n - k - 1)) for k, x in enumerate(vectors)]
    if indexing == "xy" and n > 1:
        grids = [s.transpose(g, axes=(1, 0, *range(2, n))) for g in grids]
    if sparse:
        return tuple(grids)
    shape = np.broadcast_shapes(*(tuple(g.shape) for g in grids))
    return tuple(s.broadcast_to(g, shape=shape) for g in grids)
