"""Rectifiers: functions that let positive numbers pass."""

from __future__ import annotations

from typing import Any

from koubai.errors import ShapeError, UsageError
from koubai.nn.activate.curves import hardtanh
from koubai.nn.functional import floating
from koubai.ops import elementwise as e
from koubai.ops.shape import reshape
from koubai.tensor.numpy.arguments import arrayed

# Of the fixed point at mean 0 and variance 1 (Klambauer et al. 2017).
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def relu(x: Any) -> Any:
    """``max(x, 0)``; its derivative at 0 is taken as 0.

    Examples
    --------
    >>> relu([-1.0, 2.0])
    array([0., 2.])
    """
    return e.relu(floating("relu", x))


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """``x`` for x > 0, else ``negative_slope x``.

    Parameters
    ----------
    x : array
    negative_slope : float
        The slope where x is not positive.

    Examples
    --------
    >>> leaky_relu([-1.0, 2.0])
    array([-0.01,  2.  ])
    """
    x = floating("leaky_relu", x)
    return e.where(x > 0, x, negative_slope * x)


def prelu(x: Any, weight: Any) -> Any:
    """``x`` for x > 0, else ``weight x``, with a slope that is learned (He et al. 2015).

    Parameters
    ----------
    x : array
    weight : array (1,) or (channels,)
        One slope for all, or one for each position along axis 1 (axis 0 of a vector).

    Examples
    --------
    >>> prelu([-2.0, 2.0], [0.5])
    array([-1.,  2.])
    """
    x, weight = floating("prelu", x), arrayed(weight)
    if weight.ndim != 1:
        raise ShapeError(f"prelu: expected a weight of shape (1,) or (channels,), got {weight.shape}")
    (channels,) = weight.shape
    if channels != 1:
        axis = 1 if x.ndim > 1 else 0
        if x.ndim == 0 or x.shape[axis] != channels:
            raise ShapeError(f"prelu: expected {channels} channels along axis {axis}, got an input of shape {x.shape}")
        weight = reshape(weight, shape=(channels,) + (1,) * (x.ndim - axis - 1))
    elif x.ndim == 0:
        weight = reshape(weight, shape=())
    return e.where(x > 0, x, weight * x)


def _below(x: Any) -> Any:
    """x where it is negative, else 0: what exp may see."""
    return e.where(x > 0, 0.0, x)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """``x`` for x > 0, else ``alpha (exp(x) - 1)`` (Clevert et al. 2016).

    Parameters
    ----------
    x : array
    alpha : float
        What it falls to for very negative x, with the sign turned.

    Examples
    --------
    >>> elu([-1000.0, 2.0])
    array([-1.,  2.])
    """
    x = floating("elu", x)
    return e.where(x > 0, x, alpha * e.expm1(_below(x)))


def selu(x: Any) -> Any:
    """``scale elu(x, alpha)`` with the constants that keep mean 0 and variance 1 (Klambauer et al. 2017).

    Examples
    --------
    >>> selu([0.0, 1.0])
    array([0.        , 1.05070099])
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """``x`` for x > 0, else ``alpha (exp(x / alpha) - 1)``: an elu with slope 1 at 0 (Barron 2017).

    Parameters
    ----------
    x : array
    alpha : float
        Not 0: what it falls to for very negative x, with the sign turned.

    Examples
    --------
    >>> celu([-1000.0, 2.0], alpha=0.5)
    array([-0.5,  2. ])
    """
    if alpha == 0:
        raise UsageError("celu: alpha must not be 0")
    x = floating("celu", x)
    return e.where(x > 0, x, alpha * e.expm1(_below(x) / alpha))


def relu6(x: Any) -> Any:
    """``min(max(x, 0), 6)``.

    Examples
    --------
    >>> relu6([-1.0, 2.0, 8.0])
    array([0., 2., 6.])
    """
    return hardtanh(x, 0.0, 6.0)


def threshold(x: Any, threshold: float, value: float) -> Any:
    """``x`` for x > threshold, else `value`.

    Parameters
    ----------
    x : array
    threshold : float
        x passes above it only.
    value : float
        What stands elsewhere.

    Examples
    --------
    >>> threshold([1.0, 3.0], threshold=2.0, value=-1.0)
    array([-1.,  3.])
    """
    x = floating("threshold", x)
    return e.where(x > threshold, x, value)
