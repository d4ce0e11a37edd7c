"""Arguments of NumPy's functions, brought into the form that ops take."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from koubai.errors import DTypeError, ShapeError, UnsupportedError
from koubai.graph import Node

__all__ = ["arrayed", "axes", "one_axis", "operand", "refuse"]


def operand(x: Any) -> Any:
    """A node or plain number as it is; anything else as an array (nested lists may hold tensors)."""
    if isinstance(x, (Node, np.ndarray, np.generic, int, float, complex)):
        return x
    from koubai.tensor.numpy.create import array

    return array(x)


def arrayed(x: Any) -> Any:
    """As `operand`, but a Python number becomes a NumPy scalar, which has shape and methods."""
    x = operand(x)
    return x if isinstance(x, (Node, np.ndarray, np.generic)) else np.asarray(x)[()]


def one_axis(name: str, axis: Any, ndim: int) -> int:
    """A single axis, counted from the front."""
    try:
        axis = index(axis)
    except TypeError:
        raise DTypeError(f"{name}: expected axis to be an integer, got {type(axis).__name__}") from None
    if not -ndim <= axis < ndim:
        raise ShapeError(f"{name}: axis {axis} does not exist in an array with {ndim} axes")
    return axis % ndim


def axes(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """A sorted tuple of axes counted from the front; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    found = sorted(one_axis(name, a, ndim) for a in given)
    if len(set(found)) != len(found):
        raise ShapeError(f"{name}: an axis is named twice in {axis}")
    return tuple(found)


def refuse(name: str, **given: Any) -> None:
    """Raise for arguments of NumPy's that cannot be differentiated, when they are given."""
    for argument, value in given.items():
        if value is not None:
            raise UnsupportedError(
                f"{name}: {argument}= is not supported for tensors, since nothing is written in place; "
                f"use the returned value instead"
            )
