"""Losses with margins: scores that are right by enough cost nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.nn.functional import floating
from koubai.nn.losses.common import Reduction, factor, matched, reduced
from koubai.ops import elementwise as e
from koubai.ops import reduce as r
from koubai.ops import special
from koubai.ops.guard import within
from koubai.ops.shape import reshape
from koubai.tensor.numpy.arguments import arrayed

__all__ = [
    "cosine_embedding",
    "hinge",
    "hinge_embedding",
    "margin_ranking",
    "multi_margin",
    "soft_margin",
    "triplet_margin",
]


def _signs(name: str, prediction: Any, target: Any) -> tuple[Any, Any]:
    """Prediction and target, the target checked to be -1 or 1."""
    prediction, target = matched(name, prediction, target)
    return prediction, within(target, low=1, high=1, ignore=-1, what=f"{name}: target")


def _sum_last(x: Any) -> Any:
    return r.sum(x, axis=(x.ndim - 1,), keepdims=False)


def hinge(scores: Any, targets: Any, *, margin: float = 1.0, reduction: Reduction = "mean") -> Any:
    """``max(0, margin - t y)`` for targets t of -1 or 1: the loss of support vector machines.

    Parameters
    ----------
    scores : array
    targets : array of the same shape
        -1 or 1.
    margin : float
        How far on the right side a score must be to cost nothing.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> hinge([0.5, 2.0, -1.0], [1, 1, 1], reduction="none")
    array([0.5, 0. , 2. ])
    """
    scores, targets = _signs("hinge", scores, targets)
    return reduced("hinge", e.relu(margin - targets * scores), reduction)


def soft_margin(scores: Any, targets: Any, *, reduction: Reduction = "mean") -> Any:
    """``log(1 + exp(-t y))`` for targets t of -1 or 1.

    Parameters
    ----------
    scores : array
    targets : array of the same shape
        -1 or 1.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> round(float(soft_margin([0.0], [1])), 6)
    0.693147
    """
    scores, targets = _signs("soft_margin", scores, targets)
    return reduced("soft_margin", -special.log_expit(targets * scores), reduction)


def hinge_embedding(distances: Any, targets: Any, *, margin: float = 1.0, reduction: Reduction = "mean") -> Any:
    """The distance where the target is 1, ``max(0, margin - distance)`` where it is -1.

    Parameters
    ----------
    distances : array
    targets : array of the same shape
        1 for pairs that belong together, -1 for others.
    margin : float
        How far apart others must be to cost nothing.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> hinge_embedding([0.5, 0.25], [1, -1], reduction="none")
    array([0.5 , 0.75])
    """
    distances, targets = _signs("hinge_embedding", distances, targets)
    return reduced("hinge_embedding", e.where(targets > 0, distances, e.relu(margin - distances)), reduction)


def margin_ranking(first: Any, second: Any, targets: Any, *, margin: float = 0.0, reduction: Reduction = "mean") -> Any:
    """``max(0, margin - t (a - b))``: target 1 wants a above b, -1 the opposite.

    Parameters
    ----------
    first, second : arrays of the same shape
        The scores a and b.
    targets : array of that shape
        1 or -1.
    margin : float
        How far apart the two must be to cost nothing.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> margin_ranking([2.0, 2.0], [1.0, 1.0], [1, -1], reduction="none")
    array([0., 1.])
    """
    first, second = matched("margin_ranking", first, second)
    difference, targets = _signs("margin_ranking", first - second, targets)
    return reduced("margin_ranking", e.relu(margin - targets * difference), reduction)


def multi_margin(
    scores: Any,
    labels: Any,
    *,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    reduction: Reduction = "mean",
) -> Any:
    """``sum over other classes j of max(0, margin - y[label] + y[j])**p / classes``.

    Parameters
    ----------
    scores : array (n, classes) or (classes,)
    labels : integer array (n,) or ()
    p : {1, 2}
    margin : float
    weight : array (classes,), optional
        A factor by the label's class.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> round(float(multi_margin([0.1, 0.2, 0.4, 0.8], 3)), 12)
    0.325
    """
    if p not in (1, 2):
        raise UsageError(f"multi_margin: expected p to be 1 or 2, got {p!r}")
    scores, labels = floating("multi_margin", scores), arrayed(labels)
    if scores.ndim not in (1, 2) or labels.shape != scores.shape[:-1]:
        raise ShapeError(
            f"multi_margin: expected scores of shape (examples, classes) and labels of shape (examples,), "
            f"got {scores.shape} and {labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise DTypeError(f"multi_margin: expected integer labels, got {labels.dtype}; write labels.astype(int)")
    classes = scores.shape[-1]
    labels = within(labels, low=0, high=classes - 1, ignore=None, what="multi_margin: label")
    mine = reshape(labels, shape=(*labels.shape, 1)) == np.arange(classes)
    own = r.sum(e.where(mine, scores, 0.0), axis=(scores.ndim - 1,), keepdims=True)
    short = e.relu(margin - own + scores)
    if p == 2:
        short = e.square(short)
    if weight is not None:
        weight = factor("multi_margin", "weight", weight, scores)
        short = short * r.sum(e.where(mine, weight, 0.0), axis=(scores.ndim - 1,), keepdims=True)
    return reduced("multi_margin", _sum_last(e.where(mine, 0.0, short)) / classes, reduction)


def cosine_embedding(
    first: Any, second: Any, targets: Any, *, margin: float = 0.0, reduction: Reduction = "mean"
) -> Any:
    """``1 - cos(a, b)`` where the target is 1, ``max(0, cos(a, b) - margin)`` where it is -1.

    Parameters
    ----------
    first, second : arrays (n, features) or (features,)
    targets : array (n,) or ()
        1 for pairs that belong together, -1 for others.
    margin : float
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> float(cosine_embedding([[1.0, 0.0]], [[0.0, 2.0]], [1]))
    1.0
    """
    first, second = matched("cosine_embedding", first, second)
    if first.ndim not in (1, 2):
        raise ShapeError(f"cosine_embedding: expected arrays of shape (examples, features), got {first.shape}")
    # As in PyTorch: a vector of zeros has cosine 0, not NaN.
    tiny = 1e-12
    lengths2 = (_sum_last(first * first) + tiny) * (_sum_last(second * second) + tiny)
    cosine = _sum_last(first * second) / e.sqrt(lengths2)
    cosine, targets = _signs("cosine_embedding", cosine, targets)
    losses = e.where(targets > 0, 1.0 - cosine, e.relu(cosine - margin))
    return reduced("cosine_embedding", losses, reduction)


def triplet_margin(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Any:
    """``max(0, d(anchor, positive) - d(anchor, negative) + margin)`` (Schroff et al. 2015).

    Parameters
    ----------
    anchor, positive, negative : arrays (n, features) or (features,)
    margin : float
    p : float
        The distance is the p-norm of the difference.
    eps : float
        Added to each difference, as in PyTorch, so that the gradient exists where two points are equal.
    swap : bool
        Use the positive's distance to the negative where it is smaller (Balntas et al. 2016).
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> round(float(triplet_margin([[0.0, 0.0]], [[3.0, 4.0]], [[0.0, 2.0]])), 4)
    4.0
    """
    if not p >= 1:
        raise UsageError(f"triplet_margin: expected p >= 1, got {p}")
    anchor, positive = matched("triplet_margin", anchor, positive)
    anchor, negative = matched("triplet_margin", anchor, negative)
    if anchor.ndim == 0:
        raise ShapeError("triplet_margin: expected arrays of shape (examples, features), got numbers")
    near, far = _distance(anchor, positive, p, eps), _distance(anchor, negative, p, eps)
    if swap:
        far = e.minimum(far, _distance(positive, negative, p, eps))
    return reduced("triplet_margin", e.relu(near - far + margin), reduction)


def _distance(a: Any, b: Any, p: float, eps: float) -> Any:
    difference = a - b + eps
    if p == 2:
        return e.sqrt(_sum_last(difference * difference))
    size = e.absolute(difference)
    return _sum_last(size) if p == 1 else _sum_last(size**p) ** (1.0 / p)
