"""Smooth gates: the logistic function, and inputs weighted by such a function of themselves."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

from koubai.errors import ShapeError, UsageError
from koubai.nn.functional import floating
from koubai.ops import elementwise as e
from koubai.ops import special
from koubai.tensor.numpy.arguments import one_axis


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``.

    Examples
    --------
    >>> sigmoid([-1000.0, 0.0, 1000.0])
    array([0. , 0.5, 1. ])
    """
    return special.expit(floating("sigmoid", x))


def logsigmoid(x: Any) -> Any:
    """``log(sigmoid(x))``, as -log(1 + exp(-x)) without overflow.

    Examples
    --------
    >>> logsigmoid([-1000.0, 1000.0])
    array([-1000.,     0.])
    """
    return special.log_expit(floating("logsigmoid", x))


def softplus(x: Any, beta: float = 1.0) -> Any:
    """``log(1 + exp(beta x)) / beta``; exact for all x, where PyTorch is linear from beta x = 20 on.

    Parameters
    ----------
    x : array
    beta : float
        Not 0; the larger, the sharper the bend at 0.

    Examples
    --------
    >>> round(float(softplus(0.0)), 6), float(softplus(1000.0))
    (0.693147, 1000.0)
    """
    if beta == 0:
        raise UsageError("softplus: beta must not be 0")
    return special.log_expit(-beta * floating("softplus", x)) / -beta


def silu(x: Any) -> Any:
    """``x sigmoid(x)``, also known as swish (Elfwing et al. 2017; Ramachandran et al. 2017).

    Examples
    --------
    >>> silu([0.0, 1000.0])
    array([   0., 1000.])
    """
    x = floating("silu", x)
    return x * special.expit(x)


swish = silu


def mish(x: Any) -> Any:
    """``x tanh(softplus(x))`` (Misra 2019).

    Examples
    --------
    >>> mish([-1000.0, 0.0, 1000.0])
    array([   0.,    0., 1000.])
    """
    x = floating("mish", x)
    return x * e.tanh(softplus(x))


def gelu(x: Any, approximate: str = "none") -> Any:
    """``x Phi(x)`` with the normal distribution function Phi (Hendrycks and Gimpel 2016).

    Parameters
    ----------
    x : array
    approximate : {"none", "tanh"}
        "tanh": ``x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2``.

    Examples
    --------
    >>> float(gelu(0.0))
    0.0
    """
    x = floating("gelu", x)
    if approximate == "tanh":
        return 0.5 * x * (1.0 + e.tanh(sqrt(2.0 / pi) * (x + 0.044715 * x * x * x)))
    if approximate != "none":
        raise UsageError(f"gelu: expected approximate 'none' or 'tanh', got {approximate!r}")
    # erfc keeps its digits in the lower tail, where 1 + erf would cancel.
    return 0.5 * x * special.erfc(x * -sqrt(0.5))


def glu(x: Any, axis: int = -1) -> Any:
    """``a sigmoid(b)`` with the first half a and the second half b of x along an axis (Dauphin et al. 2017).

    Parameters
    ----------
    x : array
    axis : int
        The axis that is halved; of even length.

    Examples
    --------
    >>> glu([1.0, 2.0, 0.0, 1000.0])
    array([0.5, 2. ])
    """
    x = floating("glu", x)
    axis = one_axis("glu", axis, x.ndim)
    if x.shape[axis] % 2:
        raise ShapeError(f"glu: expected an even length along axis {axis}, got shape {x.shape}")
    half = x.shape[axis] // 2
    before = (slice(None),) * axis
    return x[(*before, slice(0, half))] * special.expit(x[(*before, slice(half, None))])
