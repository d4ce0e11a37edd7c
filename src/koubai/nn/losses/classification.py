"""Losses of classification, from logits."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.nn.activate import log_softmax
from koubai.nn.functional import floating
from koubai.nn.losses.common import Reduction, factor, matched, reduced, total
from koubai.ops import elementwise as e
from koubai.ops import reduce as r
from koubai.ops import special
from koubai.ops.guard import within
from koubai.ops.shape import astype, reshape
from koubai.tensor.numpy.arguments import arrayed

__all__ = ["binary_cross_entropy", "cross_entropy", "nll"]


def cross_entropy(
    logits: Any,
    labels: Any,
    *,
    weight: Any = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    reduction: Reduction = "mean",
) -> Any:
    """Cross entropy of the softmax of logits: ``-log softmax(logits)[label]``.

    Computed from the logits by `log_softmax`, so that nothing overflows and no log of 0 is taken.

    Parameters
    ----------
    logits : array (n, classes), (classes,) or (n, classes, ...)
    labels : integer array of the same shape without the class axis, or probabilities of the logits' shape
    weight : array (classes,), optional
        A factor for each class; the mean is then divided by the sum of the labels' weights.
    label_smoothing : float
        From 0 to 1: this share of each target is spread evenly over all classes.
    ignore_index : int, optional
        Examples with this label count for nothing.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    number, or with "none" an array of the labels' shape

    Raises
    ------
    LabelError
        If a label is outside 0 to classes - 1; the message names the row.
    ShapeError, DTypeError, UsageError

    Examples
    --------
    >>> import numpy as np
    >>> float(cross_entropy(np.zeros((4, 10)), np.array([0, 3, 9, 1]))) == float(np.log(10))
    True
    """
    logits = floating("cross_entropy", logits)
    axis = _class_axis("cross_entropy", logits)
    log_p = log_softmax(logits, axis)
    labels = arrayed(labels)
    smoothing = _share(label_smoothing)
    if labels.shape == logits.shape and labels.dtype.kind == "f":
        if ignore_index is not None:
            raise UsageError("cross_entropy: ignore_index is for class numbers, not for probabilities")
        return _against_probabilities(log_p, labels, axis, weight, smoothing, reduction)
    losses, weights = _picked("cross_entropy", log_p, labels, axis, weight, ignore_index)
    if smoothing:
        classes = logits.shape[axis]
        even = log_p if weight is None else log_p * _along(weight, log_p, axis)
        spread = -r.sum(even, axis=(axis,), keepdims=False)
        if ignore_index is not None:
            spread = e.where(labels == ignore_index, 0.0, spread)
        losses = (1.0 - smoothing) * losses + (smoothing / classes) * spread
    return _weighted("cross_entropy", losses, weights, reduction)


def nll(
    log_probabilities: Any,
    labels: Any,
    *,
    weight: Any = None,
    ignore_index: int | None = None,
    reduction: Reduction = "mean",
) -> Any:
    """Negative log likelihood: ``-log_probabilities[label]``. As `cross_entropy`, after a log_softmax.

    Parameters
    ----------
    log_probabilities : array
        As the logits of `cross_entropy`, normalized.
    labels, weight, ignore_index, reduction
        As of `cross_entropy`.

    Examples
    --------
    >>> import numpy as np
    >>> float(nll(np.log([[0.25, 0.75]]), [1])) == -float(np.log(0.75))
    True
    """
    log_p = floating("nll", log_probabilities)
    axis = _class_axis("nll", log_p)
    losses, weights = _picked("nll", log_p, arrayed(labels), axis, weight, ignore_index)
    return _weighted("nll", losses, weights, reduction)


def _class_axis(name: str, logits: Any) -> int:
    if logits.ndim == 0:
        raise ShapeError(f"{name}: expected logits of shape (examples, classes), got one number")
    return 0 if logits.ndim == 1 else 1


def _share(smoothing: float) -> float:
    if not 0.0 <= smoothing <= 1.0:
        raise UsageError(f"cross_entropy: expected label_smoothing from 0 to 1, got {smoothing}")
    return smoothing


def _along(weight: Any, like: Any, axis: int) -> Any:
    """The class weights, laid along the class axis."""
    weight = arrayed(weight)
    classes = like.shape[axis]
    if weight.shape != (classes,):
        raise ShapeError(f"cross_entropy: expected {classes} class weights, got shape {weight.shape}")
    return astype(reshape(weight, shape=(classes,) + (1,) * (like.ndim - axis - 1)), dtype=like.dtype)


def _picked(name: str, log_p: Any, labels: Any, axis: int, weight: Any, ignore: int | None) -> tuple[Any, Any]:
    """Each example's (weighted) loss, and its weight; None for weights that are all one."""
    classes = log_p.shape[axis]
    expected = log_p.shape[:axis] + log_p.shape[axis + 1 :]
    if labels.shape != expected:
        hint = ""
        if labels.shape == log_p.shape:
            hint = "; probabilities must be floating point"
        elif labels.size == _size(expected):
            hint = f"; write labels.reshape{expected}"
        raise ShapeError(
            f"{name}: expected labels of shape {expected} for logits of shape {log_p.shape}, got {labels.shape}{hint}"
        )
    if labels.dtype.kind not in "biu":
        raise DTypeError(f"{name}: expected integer labels, got {labels.dtype}; write labels.astype(int)")
    labels = within(
        labels,
        low=0,
        high=classes - 1,
        ignore=ignore,
        what=f"{name}: label",
        remedy=f"; labels number the {classes} classes (columns of the logits) from 0",
    )
    # A comparison with every class instead of a gather: its gradient needs no scatter, and it fuses.
    numbers = np.arange(classes).reshape((classes,) + (1,) * (log_p.ndim - axis - 1))
    mine = reshape(labels, shape=(*expected[:axis], 1, *expected[axis:])) == numbers
    if weight is None:
        losses = -r.sum(e.where(mine, log_p, 0.0), axis=(axis,), keepdims=False)
        weights = None if ignore is None else astype(labels != ignore, dtype=log_p.dtype)
        return losses, weights
    factors = e.where(mine, _along(weight, log_p, axis), 0.0)
    losses = -r.sum(e.where(mine, log_p * factors, 0.0), axis=(axis,), keepdims=False)
    return losses, r.sum(factors, axis=(axis,), keepdims=False)


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def _weighted(name: str, losses: Any, weights: Any, reduction: Reduction) -> Any:
    if weights is None or reduction != "mean":
        return reduced(name, losses, reduction)
    return total(losses) / total(weights)


def _against_probabilities(
    log_p: Any, target: Any, axis: int, weight: Any, smoothing: float, reduction: Reduction
) -> Any:
    target = within(target, low=0, high=1, ignore=None, what="cross_entropy: probability")
    target = astype(target, dtype=log_p.dtype)
    if smoothing:
        target = target * (1.0 - smoothing) + smoothing / log_p.shape[axis]
    if weight is not None:
        target = target * _along(weight, log_p, axis)
    # 0 log 0 is 0: a class of probability 0 may have the logit -inf.
    terms = target * e.where(target == 0, 0.0, log_p)
    return reduced("cross_entropy", -r.sum(terms, axis=(axis,), keepdims=False), reduction)


def binary_cross_entropy(
    logits: Any, targets: Any, *, weight: Any = None, pos_weight: Any = None, reduction: Reduction = "mean"
) -> Any:
    """Cross entropy of the sigmoid of logits: ``-t log s(u) - (1 - t) log(1 - s(u))``.

    Computed from the logits u without overflow, as -t log s(u) - (1 - t) log s(-u).

    Parameters
    ----------
    logits : array
    targets : array of the same shape
        0, 1, or probabilities between.
    weight : array or number, optional
        A factor for each element; broadcasts.
    pos_weight : array or number, optional
        A factor for the first term, to count positives more; broadcasts.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    LabelError
        If a target is outside 0 to 1; the message names the row.
    ShapeError
        If the shapes differ.

    Examples
    --------
    >>> float(binary_cross_entropy([0.0], [1.0])) == float(np.log(2))
    True
    """
    logits, targets = matched("binary_cross_entropy", logits, targets)
    targets = within(targets, low=0, high=1, ignore=None, what="binary_cross_entropy: target")
    positive = targets * special.log_expit(logits)
    if pos_weight is not None:
        positive = positive * factor("binary_cross_entropy", "pos_weight", pos_weight, logits)
    losses = -positive - (1.0 - targets) * special.log_expit(-logits)
    if weight is not None:
        losses = losses * factor("binary_cross_entropy", "weight", weight, logits)
    return reduced("binary_cross_entropy", losses, reduction)
