"""Activations as functions, in lower case: on arrays they compute, on tensors they record.

Definitions, argument names and defaults are PyTorch's (`axis` stands for dim). All are written so that
neither value nor gradient overflows or turns into NaN for large inputs. At a kink the derivative is that of
the flat side, or of the side of smaller x: relu'(0) = 0.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

from koubai.errors import ShapeError, UsageError
from koubai.nn.functional import floating
from koubai.ops import elementwise as e
from koubai.ops import reduce as r
from koubai.ops import special
from koubai.ops.shape import reshape, stop_gradient
from koubai.tensor.numpy.arguments import arrayed, one_axis

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "swish",
    "tanh",
    "tanhshrink",
    "threshold",
]

# Of the fixed point at mean 0 and variance 1 (Klambauer et al. 2017).
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


# Rectifiers


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


# Smooth gates


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


# Saturating curves


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


# Shrinkage


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


# Over an axis


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
