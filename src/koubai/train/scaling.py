"""Standardizing as a part of the model, so that a saved model takes and gives numbers in their own units."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.nn import Buffer, Module

__all__ = ["Standardize", "Unstandardize"]


class _Scaling(Module):
    mean: Any
    scale: Any

    def __init__(self, features: int, mean: Any = 0.0, scale: Any = 1.0) -> None:
        self.features = int(features)
        self.mean = Buffer(np.broadcast_to(np.asarray(mean, np.float32), (self.features,)))
        self.scale = Buffer(np.broadcast_to(np.asarray(scale, np.float32), (self.features,)))

    def extra_repr(self) -> str:
        return str(self.features)


class Standardize(_Scaling):
    """``(x - mean) / scale`` with fixed numbers: the first layer of a model for a table.

    Parameters
    ----------
    features : int
    mean, scale : arrays (features,)
        As `koubai.data.Standardizer` finds them on the training part. They are buffers: saved, not trained.

    Examples
    --------
    >>> Standardize(2, mean=[1.0, 2.0], scale=[1.0, 4.0]).predict(np.array([[3.0, 6.0]]))
    array([[2., 1.]], dtype=float32)
    """

    def forward(self, x: Any) -> Any:
        return (x - self.mean) / self.scale


class Unstandardize(_Scaling):
    """``x * scale + mean`` with fixed numbers: the last layer of a model that was trained on standardized targets.

    Examples
    --------
    >>> Unstandardize(1, mean=10.0, scale=2.0).predict(np.array([[3.0]]))
    array([[16.]], dtype=float32)
    """

    def forward(self, x: Any) -> Any:
        return x * self.scale + self.mean
