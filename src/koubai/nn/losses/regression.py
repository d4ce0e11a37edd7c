"""Losses of regression, and of distributions."""

from __future__ import annotations

from math import log, pi
from typing import Any, Literal

import numpy as np

from koubai.errors import ShapeError, UsageError
from koubai.nn.functional import floating
from koubai.nn.losses.common import Reduction, matched, reduced, total
from koubai.ops import elementwise as e
from koubai.ops.guard import within
from koubai.ops.shape import astype

__all__ = ["gaussian_nll", "huber", "kl_div", "mae", "mse", "poisson_nll", "smooth_l1"]


def mse(prediction: Any, target: Any, *, reduction: Reduction = "mean") -> Any:
    """Squared error ``(y - t)**2``, by default its mean over all elements.

    Parameters
    ----------
    prediction : array
    target : array of the same shape
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ShapeError
        If the shapes differ.

    Examples
    --------
    >>> float(mse([4.0], [5.0]))
    1.0
    """
    prediction, target = matched("mse", prediction, target)
    return reduced("mse", e.square(prediction - target), reduction)


def mae(prediction: Any, target: Any, *, reduction: Reduction = "mean") -> Any:
    """Absolute error ``|y - t|``, also called l1; its derivative at y = t is taken as 0. As `mse` otherwise.

    Parameters
    ----------
    prediction, target : arrays of the same shape
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> float(mae([4.0, 7.0], [5.0, 5.0]))
    1.5
    """
    prediction, target = matched("mae", prediction, target)
    return reduced("mae", e.absolute(prediction - target), reduction)


def huber(prediction: Any, target: Any, *, delta: float = 1.0, reduction: Reduction = "mean") -> Any:
    """``d**2 / 2`` for |d| <= delta, else ``delta (|d| - delta/2)``, with d = y - t (Huber 1964).

    Parameters
    ----------
    prediction, target : arrays of the same shape
    delta : float
        Above 0: where the parabola goes over into a line.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> huber([0.5, 3.0], [0.0, 0.0], reduction="none")
    array([0.125, 2.5  ])
    """
    if not delta > 0:
        raise UsageError(f"huber: expected delta > 0, got {delta}")
    prediction, target = matched("huber", prediction, target)
    size = e.absolute(prediction - target)
    losses = e.where(size <= delta, 0.5 * e.square(_up_to(size, delta)), delta * (size - 0.5 * delta))
    return reduced("huber", losses, reduction)


def smooth_l1(prediction: Any, target: Any, *, beta: float = 1.0, reduction: Reduction = "mean") -> Any:
    """``d**2 / (2 beta)`` for |d| < beta, else ``|d| - beta/2``: huber divided by beta; mae for beta = 0.

    Parameters
    ----------
    prediction, target : arrays of the same shape
    beta : float
        Not negative: where the parabola goes over into a line.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> smooth_l1([0.5, 3.0], [0.0, 0.0], reduction="none")
    array([0.125, 2.5  ])
    """
    if not beta >= 0:
        raise UsageError(f"smooth_l1: expected beta not to be negative, got {beta}")
    if beta == 0:
        return mae(prediction, target, reduction=reduction)
    return huber(prediction, target, delta=beta, reduction=reduction) / beta


def _up_to(size: Any, bound: float) -> Any:
    """`size` where the square is wanted; the other branch's square must not overflow."""
    return e.where(size <= bound, size, 0.0)


def kl_div(
    log_prediction: Any,
    target: Any,
    *,
    log_target: bool = False,
    reduction: Reduction | Literal["batchmean"] = "mean",
) -> Any:
    """Kullback-Leibler divergence, element by element ``t (log t - y)`` with y a log-probability.

    Parameters
    ----------
    log_prediction : array
        Logarithms of probabilities, as of `log_softmax`.
    target : array of the same shape
        Probabilities, or their logarithms with `log_target`. Elements with t = 0 count 0.
    reduction : {"mean", "sum", "none", "batchmean"}
        "batchmean", the sum divided by the number of rows, is the divergence in the mathematical sense;
        "mean" divides by the number of elements.

    Examples
    --------
    >>> import numpy as np
    >>> p = np.log([[0.5, 0.5]])
    >>> float(kl_div(p, p, log_target=True))
    0.0
    """
    log_prediction, target = matched("kl_div", log_prediction, target)
    if log_target:
        losses = e.exp(target) * (target - log_prediction)
    else:
        target = within(target, low=0, high=np.inf, ignore=None, what="kl_div: target")
        some = target > 0
        # Where t = 0 neither log 0 nor 0 * -inf may come into being.
        losses = target * (e.log(e.where(some, target, 1.0)) - e.where(some, log_prediction, 0.0))
    if reduction == "batchmean":
        if not log_prediction.ndim or not log_prediction.shape[0]:
            raise ShapeError(f"kl_div: batchmean needs at least one row, got shape {log_prediction.shape}")
        return total(losses) / log_prediction.shape[0]
    return reduced("kl_div", losses, reduction)


def poisson_nll(
    prediction: Any,
    target: Any,
    *,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: Reduction = "mean",
) -> Any:
    """Negative log likelihood of counts: ``exp(y) - t y``, or ``y - t log(y + eps)`` without `log_input`.

    Parameters
    ----------
    prediction : array
        The logarithm of the rate, or the rate itself.
    target : array of the same shape
        Counts.
    log_input : bool
    full : bool
        Add Stirling's approximation of log t!, ``t log t - t + log(2 pi t)/2``, for t > 1.
    eps : float
        Keeps the logarithm finite.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> float(poisson_nll([0.0], [2.0]))
    1.0
    """
    prediction, target = matched("poisson_nll", prediction, target)
    target = within(target, low=0, high=np.inf, ignore=None, what="poisson_nll: count")
    if log_input:
        losses = e.exp(prediction) - target * prediction
    else:
        losses = prediction - target * e.log(prediction + eps)
    if full:
        many = target > 1
        t = e.where(many, target, 1.0)
        losses = losses + e.where(many, t * e.log(t) - t + 0.5 * e.log(2.0 * pi * t), 0.0)
    return reduced("poisson_nll", losses, reduction)


def gaussian_nll(
    prediction: Any,
    target: Any,
    variance: Any,
    *,
    full: bool = False,
    eps: float = 1e-6,
    reduction: Reduction = "mean",
) -> Any:
    """Negative log likelihood of a normal distribution: ``(log v + (y - t)**2 / v) / 2``.

    Parameters
    ----------
    prediction, target : arrays of the same shape
    variance : array of the same shape, of the shape with 1 at the end, or a number
        Not negative; values below eps count as eps, and no gradient flows to them.
    full : bool
        Add ``log(2 pi) / 2``.
    eps : float
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    LabelError
        If a variance is negative.

    Examples
    --------
    >>> float(gaussian_nll([3.0], [1.0], [1.0]))
    2.0
    """
    prediction, target = matched("gaussian_nll", prediction, target)
    variance = floating("gaussian_nll", variance)
    if variance.shape not in ((), prediction.shape, (*prediction.shape[:-1], 1)):
        raise ShapeError(
            f"gaussian_nll: expected a variance of the predictions' shape {prediction.shape}, "
            f"or that with 1 at the end, got {variance.shape}"
        )
    variance = within(variance, low=0, high=np.inf, ignore=None, what="gaussian_nll: variance")
    variance = astype(variance, dtype=prediction.dtype)
    variance = e.where(variance < eps, eps, variance)
    losses = 0.5 * (e.log(variance) + e.square(prediction - target) / variance)
    if full:
        losses = losses + 0.5 * log(2.0 * pi)
    return reduced("gaussian_nll", losses, reduction)
