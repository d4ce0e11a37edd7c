"""Shares of a whole along an axis: softmax and what is written with it."""

from __future__ import annotations

from typing import Any

from koubai.errors import ShapeError
from koubai.nn.functional import floating
from koubai.ops import elementwise as e
from koubai.ops import reduce as r
from koubai.ops.shape import stop_gradient
from koubai.tensor.numpy.arguments import one_axis


def softmax(x: Any, axis: int = -1) -> Any:
    """``exp(x)`` divided by its sum along an axis.

    Parameters
    ----------
    x : array
        With at least one axis.
    axis : int
        The axis along which the results sum to 1.

    Examples
    --------
    >>> softmax([1000.0, 1000.0])
    array([0.5, 0.5])
    """
    shifted, axis = _shifted("softmax", x, axis)
    shares = e.exp(shifted)
    return shares / r.sum(shares, axis=(axis,), keepdims=True)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """``log(softmax(x))``, as x - log(sum of exp(x)).

    Parameters
    ----------
    x : array
        With at least one axis.
    axis : int
        The axis along which the shares sum to 1.

    Examples
    --------
    >>> log_softmax([1000.0, 0.0])
    array([    0., -1000.])
    """
    shifted, axis = _shifted("log_softmax", x, axis)
    return shifted - e.log(r.sum(e.exp(shifted), axis=(axis,), keepdims=True))


def softmin(x: Any, axis: int = -1) -> Any:
    """``softmax(-x)``.

    Parameters
    ----------
    x : array
        With at least one axis.
    axis : int
        The axis along which the results sum to 1.

    Examples
    --------
    >>> softmin([1000.0, 1000.0])
    array([0.5, 0.5])
    """
    return softmax(-floating("softmin", x), axis)


def _shifted(name: str, x: Any, axis: int) -> tuple[Any, int]:
    """x less its maximum along the axis, and the axis from the front.

    The shift cancels in both functions, so no gradient goes through it; taken off first, it leaves all
    digits to the differences, and nothing overflows.
    """
    x = floating(name, x)
    if x.ndim == 0:
        raise ShapeError(f"{name}: expected an array with at least one axis, got one number")
    axis = one_axis(name, axis, x.ndim)
    return x - stop_gradient(r.max(x, axis=(axis,), keepdims=True)), axis
