"""Curves that saturate, and those that shrink small numbers."""

from __future__ import annotations

from typing import Any

from koubai.errors import UsageError
from koubai.nn.functional import floating
from koubai.ops import elementwise as e
from koubai.tensor.numpy.arguments import arrayed


def tanh(x: Any) -> Any:
    """The hyperbolic tangent.

    Examples
    --------
    >>> tanh([-1000.0, 0.0, 1000.0])
    array([-1.,  0.,  1.])
    """
    return e.tanh(arrayed(x))


def softsign(x: Any) -> Any:
    """``x / (1 + |x|)``.

    Examples
    --------
    >>> softsign([-1.0, 0.0, 3.0])
    array([-0.5 ,  0.  ,  0.75])
    """
    x = floating("softsign", x)
    return x / (1.0 + e.absolute(x))


def hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """``x`` between `min_val` and `max_val`, these values outside; the derivative at both is taken as 0.

    Parameters
    ----------
    x : array
    min_val, max_val : float
        The bounds, the first below the second.

    Examples
    --------
    >>> hardtanh([-3.0, 0.5, 3.0])
    array([-1. ,  0.5,  1. ])
    """
    if not min_val < max_val:
        raise UsageError(f"hardtanh: expected min_val < max_val, got {min_val} and {max_val}")
    x = floating("hardtanh", x)
    return e.where(x <= min_val, min_val, e.where(x >= max_val, max_val, x))


def hardsigmoid(x: Any) -> Any:
    """0 for x <= -3, 1 for x >= 3, ``x/6 + 1/2`` between.

    Examples
    --------
    >>> hardsigmoid([-4.0, 0.0, 4.0])
    array([0. , 0.5, 1. ])
    """
    x = floating("hardsigmoid", x)
    return e.where(x <= -3, 0.0, e.where(x >= 3, 1.0, x / 6.0 + 0.5))


def hardswish(x: Any) -> Any:
    """0 for x <= -3, x for x >= 3, ``x (x + 3) / 6`` between (Howard et al. 2019).

    Examples
    --------
    >>> hardswish([-4.0, -1.5, 4.0])
    array([ 0.   , -0.375,  4.   ])
    """
    x = floating("hardswish", x)
    return e.where(x <= -3, 0.0, e.where(x >= 3, x, x * (x + 3.0) / 6.0))


def tanhshrink(x: Any) -> Any:
    """``x - tanh(x)``.

    Examples
    --------
    >>> tanhshrink([-1000.0, 0.0])
    array([-999.,    0.])
    """
    x = floating("tanhshrink", x)
    return x - e.tanh(x)


def softshrink(x: Any, lambd: float = 0.5) -> Any:
    """x moved towards 0 by `lambd`, and 0 where it would cross: the proximal map of ``lambd |x|``.

    Parameters
    ----------
    x : array
    lambd : float
        Not negative: how far.

    Examples
    --------
    >>> softshrink([-2.0, 0.25, 1.0])
    array([-1.5,  0. ,  0.5])
    """
    lambd = _width("softshrink", lambd)
    x = floating("softshrink", x)
    return e.where(x > lambd, x - lambd, e.where(x < -lambd, x + lambd, 0.0))


def hardshrink(x: Any, lambd: float = 0.5) -> Any:
    """x where |x| > lambd, else 0.

    Parameters
    ----------
    x : array
    lambd : float
        Not negative: what is not farther from 0 becomes 0.

    Examples
    --------
    >>> hardshrink([-2.0, 0.25, 1.0])
    array([-2.,  0.,  1.])
    """
    lambd = _width("hardshrink", lambd)
    x = floating("hardshrink", x)
    return e.where((x > lambd) | (x < -lambd), x, 0.0)


def _width(name: str, lambd: float) -> float:
    if not lambd >= 0:
        raise UsageError(f"{name}: expected lambd not to be negative, got {lambd}")
    return lambd
