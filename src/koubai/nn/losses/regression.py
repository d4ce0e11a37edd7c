"""Losses of regression, and of distributions."""

from __future__ import annotations

from typing import Any

from koubai.nn.losses.common import Reduction, matched, reduced
from koubai.ops import elementwise as e

__all__ = ["mae", "mse"]


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
    """Absolute error ``|y - t|``; its derivative at y = t is taken as 0. As `mse` otherwise.

    Examples
    --------
    >>> float(mae([4.0, 7.0], [5.0, 5.0]))
    1.5
    """
    prediction, target = matched("mae", prediction, target)
    return reduced("mae", e.absolute(prediction - target), reduction)
