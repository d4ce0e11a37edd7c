"""Layers as functions: on arrays they compute, on tensors they record."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.ops.matmul import matmul
from koubai.ops.shape import astype, reshape
from koubai.tensor.numpy.arguments import arrayed, one_axis

__all__ = ["flatten", "floating", "linear", "positive"]

_FLOAT64 = np.dtype(np.float64)


def floating(name: str, x: Any) -> Any:
    """`x` as an array or tensor of floating-point numbers; integers become float64."""
    x = _one(name, x)
    if x.dtype.kind in "biu":
        return astype(x, dtype=_FLOAT64)
    if x.dtype.kind != "f":
        raise DTypeError(f"{name}: expected real numbers, got dtype {x.dtype}")
    return x


def _one(name: str, x: Any) -> Any:
    """`x` as an array; several arrays are refused even where they could be joined to one."""
    if isinstance(x, tuple) and any(getattr(part, "ndim", 0) for part in x):
        raise ShapeError(
            f"{name}: expected one array, got a tuple of {len(x)}; choose one. (A recurrent layer returns "
            f"the outputs of all steps and the last state; in a Sequential, lambda r: r[0][:, -1] takes the last.)"
        )
    return arrayed(x)


def positive(name: str, **sizes: Any) -> tuple[int, ...]:
    """Sizes given to a layer as Python integers, or an error that names the one that is none."""
    for size, n in sizes.items():
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
            raise UsageError(f"{name}: expected {size} to be a positive integer, got {n!r}")
    return tuple(map(int, sizes.values()))


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """``x @ weight + bias``.

    Parameters
    ----------
    x : array (..., inputs)
    weight : array (inputs, outputs)
    bias : array (outputs,), optional

    Returns
    -------
    array (..., outputs)

    Examples
    --------
    >>> linear([1.0, 2.0], [[1.0], [10.0]], [0.5])
    array([21.5])
    """
    x, weight = _one("linear", x), arrayed(weight)
    if weight.ndim != 2:
        raise ShapeError(f"linear: expected a weight of shape (inputs, outputs), got {weight.shape}")
    inputs, outputs = weight.shape
    if x.ndim == 0 or x.shape[-1] != inputs:
        raise ShapeError(
            f"linear: expected {inputs} features along the last axis, as the weight is {inputs}x{outputs}, "
            f"got an input of shape {x.shape}"
        )
    leading = x.shape[:-1]
    # One product of two matrices: the weight's gradient is one product then, and not one an example.
    u = matmul(x if x.ndim == 2 else reshape(x, shape=(_count(leading), inputs)), weight)
    if bias is not None:
        bias = arrayed(bias)
        if bias.shape != (outputs,):
            raise ShapeError(f"linear: expected a bias of shape ({outputs},), got {bias.shape}")
        u = u + bias
    return u if x.ndim == 2 else reshape(u, shape=(*leading, outputs))


def _count(shape: tuple[int, ...]) -> int:
    n = 1
    for length in shape:
        n *= length
    return n


def flatten(x: Any, start_axis: int = 1) -> Any:
    """All axes from `start_axis` on as one.

    Examples
    --------
    >>> import numpy as np
    >>> flatten(np.zeros((2, 3, 4))).shape
    (2, 12)
    """
    x = arrayed(x)
    start = one_axis("flatten", start_axis, x.ndim + 1)
    return reshape(x, shape=(*x.shape[:start], _count(x.shape[start:])))
