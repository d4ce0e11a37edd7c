"""NumPy's functions under their own names and signatures, differentiable.

On plain arrays they compute plain arrays; with a tensor among the arguments the result is a tensor.
"""

from __future__ import annotations

from typing import Any

from koubai.ops import elementwise as e
from koubai.ops import reduce as r
from koubai.ops import shape as s
from koubai.tensor.numpy import fft, linalg, products
from koubai.tensor.numpy.arguments import arrayed, axes, operand
from koubai.tensor.numpy.create import array, asarray
from koubai.tensor.numpy.products import *  # noqa: F403


def _elementwise(op: Any) -> Any:
    def function(*xs: Any) -> Any:
        return op(*map(operand, xs))

    function.__name__ = op.name
    return function


exp, log, sqrt, tanh, sin, cos, abs, maximum, minimum, where, square = map(
    _elementwise,
    (e.exp, e.log, e.sqrt, e.tanh, e.sin, e.cos, e.absolute, e.maximum, e.minimum, e.where, e.square),
)


def sum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    a = arrayed(a)
    return r.sum(a, axis=axes("sum", axis, a.ndim), keepdims=keepdims)


def mean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    a = arrayed(a)
    over = axes("mean", axis, a.ndim)
    count = 1
    for i in over:
        count *= a.shape[i]
    return r.sum(a, axis=over, keepdims=keepdims) / count


def max(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    a = arrayed(a)
    return r.max(a, axis=axes("max", axis, a.ndim), keepdims=keepdims)


def reshape(a: Any, shape: Any) -> Any:
    a = arrayed(a)
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if -1 in shape:
        known = 1
        for n in shape:
            known *= n if n != -1 else 1
        shape = tuple(a.size // known if n == -1 else n for n in shape)
    return s.reshape(a, shape=shape)


def transpose(a: Any, axes: Any = None) -> Any:
    a = arrayed(a)
    return s.transpose(a, axes=tuple(axes) if axes is not None else tuple(range(a.ndim))[::-1])


__all__ = ["array", "asarray", "fft", "linalg", *products.__all__]
