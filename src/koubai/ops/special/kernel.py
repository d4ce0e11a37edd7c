"""How the forward of a special function is written: on flat float64 arrays, the dtype put back afterwards."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from koubai.errors import DTypeError

__all__ = ["kernel", "pieces", "polynomial", "real_dtype"]


def real_dtype(name: str, *xs: Any) -> np.dtype[Any]:
    """The floating dtype of a real function's result: NumPy's promotion, integers and bools as float64."""
    dtype = np.result_type(*xs)
    if dtype.kind in "biu":
        return np.dtype(np.float64)
    if dtype.kind != "f":
        raise DTypeError(f"{name}: expected real numbers, got {dtype}")
    return dtype


def kernel(name: str, *, native: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make the forward of an op from a function of broadcast float64 arrays with at least one axis.

    The result has the dtype of the inputs. Infinities and NaN that belong to the function come without
    a warning. With `native` the function computes in the inputs' own dtype instead of float64.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def forward(*xs: Any) -> Any:
            dtype = real_dtype(name, *xs)
            work = dtype if native else np.dtype(np.float64)
            arrays = [np.asarray(x, work) for x in xs]
            shape = arrays[0].shape
            if len(arrays) > 1:
                shape = np.broadcast_shapes(*(a.shape for a in arrays))
                arrays = [np.broadcast_to(a, shape) for a in arrays]
            with np.errstate(all="ignore"):
                y = function(*(np.atleast_1d(a) for a in arrays))
                return y.astype(dtype, copy=False).reshape(shape)[()]

        return forward

    return decorate


def polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    """The polynomial with these coefficients, lowest power first, by Horner's rule."""
    y = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        y *= x
        y += c
    return y


def pieces(x: Any, *cases: tuple[Any, Callable[[Any], Any]]) -> Any:
    """``function(x)`` where its mask holds, each case computed on its own elements only; NaN elsewhere."""
    y = np.full_like(x, np.nan)
    for mask, function in cases:
        if mask.all():
            return function(x)
        if mask.any():
            y[mask] = function(x[mask])
    return y
