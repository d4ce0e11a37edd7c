"""Examples and targets, brought to a model's dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.errors import DataError, DTypeError, ShapeError, UsageError
from koubai.graph import Node
from koubai.nn.module import Module

__all__ = ["aligned", "as_pair"]

Array = np.ndarray[Any, Any]


def as_pair(data: Any, model: Module, what: str = "data") -> tuple[Array, Array]:
    """Examples in the model's dtype and targets (integers as they are), both finite and of one length.

    Raises
    ------
    UsageError, DTypeError, ShapeError, DataError
        Naming the argument and, for a number that is not finite, its row and column.
    """
    try:
        x, t = data
    except (TypeError, ValueError):
        raise UsageError(f"{what}: expected a pair (x, t) of examples and targets, got {type(data).__name__}") from None
    x, t = _array(x, f"{what}, x"), _array(t, f"{what}, t")
    if x.ndim == 0 or t.ndim == 0 or len(x) != len(t):
        raise ShapeError(
            f"{what}: expected one target for each example along the first axis, got x of shape {x.shape} and t of "
            f"shape {t.shape}"
        )
    if len(x) == 0:
        raise DataError(f"{what}: the set is empty; give at least one example")
    x = _cast(x, model.input_dtype(x.dtype), f"{what}, x")
    if t.dtype.kind == "f":
        t = _cast(t, model.dtype, f"{what}, t")
    return np.ascontiguousarray(x), np.ascontiguousarray(t)


def _array(a: Any, what: str) -> Array:
    try:
        array = np.asarray(a.value if isinstance(a, Node) else a)
    except ValueError as error:
        raise ShapeError(f"{what}: the rows do not form an array: {error}") from None
    if array.dtype.kind not in "biufc":
        raise DTypeError(f"{what}: expected numbers, got dtype {array.dtype}; turn words into numbers first")
    return array


def _cast(array: Array, dtype: np.dtype[Any], what: str) -> Array:
    if array.dtype.kind == "c" and dtype.kind != "c":
        raise DTypeError(f"{what}: the numbers are complex but the model is {dtype}; take real and imaginary parts")
    with np.errstate(over="ignore"):
        found = array.astype(dtype, order="C", copy=False)
    if not np.isfinite(found).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(found))[0])
        column = f", column {', '.join(map(str, place[1:]))}" if len(place) > 1 else ""
        value = array[place]
        why = "is not a finite number" if not np.isfinite(value) else f"is too large for {dtype}"
        raise DataError(f"{what}: {value} in row {place[0]}{column} {why}; correct the value or remove the row")
    return found


def aligned(t: Array, y: Any) -> Array:
    """Targets (n,) as (n, 1) where the model's outputs have that shape, and the other way round.

    Where the model returns several arrays, what they are compared with is the loss's own business.
    """
    if isinstance(y, (tuple, list, dict)):
        return t
    if t.ndim == 1 and y.ndim == 2 and y.shape[1] == 1:
        return t[:, None]
    if t.ndim == 2 and t.shape[1] == 1 and y.ndim == 1:
        return t[:, 0]
    return t
