"""What all losses share: reductions, and shapes that must match."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.nn.functional import floating
from koubai.ops import reduce as r
from koubai.ops.shape import astype
from koubai.tensor.numpy.arguments import arrayed

__all__ = ["Reduction", "factor", "matched", "reduced", "total"]

Reduction = Literal["mean", "sum", "none"]


def total(x: Any) -> Any:
    """The sum of all elements."""
    return r.sum(x, axis=tuple(range(x.ndim)), keepdims=False)


def reduced(name: str, losses: Any, reduction: Reduction) -> Any:
    """The losses' mean, their sum, or the losses themselves."""
    if reduction == "none":
        return losses
    if reduction == "sum":
        return total(losses)
    if reduction != "mean":
        raise UsageError(f"{name}: expected reduction 'mean', 'sum' or 'none', got {reduction!r}")
    count = losses.size
    if not count:
        raise ShapeError(f"{name}: there are no examples to take the mean of (shape {losses.shape})")
    return total(losses) / count


def matched(name: str, prediction: Any, target: Any) -> tuple[Any, Any]:
    """Prediction and target, of one shape, the target in the prediction's dtype.

    Raises
    ------
    ShapeError
        If the shapes differ: (n,) against (n, 1) would broadcast to (n, n).
    """
    prediction, target = floating(name, prediction), arrayed(target)
    if target.dtype.kind not in "biuf":
        raise DTypeError(f"{name}: expected targets that are real numbers, got dtype {target.dtype}")
    if prediction.shape != target.shape:
        remedy = ""
        if prediction.size == target.size:
            remedy = f"; reshape one of them, for instance target.reshape{prediction.shape}"
        raise ShapeError(
            f"{name}: expected targets of the predictions' shape {prediction.shape}, got {target.shape}{remedy}"
        )
    if target.dtype != prediction.dtype:
        target = astype(target, dtype=prediction.dtype)
    return prediction, target


def factor(name: str, argument: str, x: Any, like: Any) -> Any:
    """A weight in the predictions' dtype; it may broadcast to their shape, but not enlarge it."""
    x = arrayed(x)
    try:
        fits = np.broadcast_shapes(x.shape, like.shape) == like.shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"{name}: expected {argument} to broadcast to shape {like.shape}, got {x.shape}")
    return astype(x, dtype=like.dtype)
