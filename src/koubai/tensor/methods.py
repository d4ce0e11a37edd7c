"""The methods that a tensor shares with ndarray: NumPy's functions, under their names."""

from __future__ import annotations

from typing import Any

from koubai.tensor import numpy as knp
from koubai.tensor.tensor import Tensor

__all__ = ["install"]


def install() -> None:
    """Give Tensor the methods of an ndarray."""
    for name in ("sum", "mean", "max"):
        setattr(Tensor, name, getattr(knp, name))
    Tensor.reshape = _reshape  # type: ignore[attr-defined]
    Tensor.transpose = _transpose  # type: ignore[attr-defined]
    Tensor.conj = lambda self: knp.e.conjugate(self)  # type: ignore[attr-defined]
    Tensor.__matmul__ = knp.matmul  # type: ignore[attr-defined]
    Tensor.__rmatmul__ = lambda self, other: knp.matmul(other, self)  # type: ignore[attr-defined]


def _reshape(self: Tensor, *shape: Any) -> Any:
    return knp.reshape(self, shape[0] if len(shape) == 1 else shape)


def _transpose(self: Tensor, *axes: Any) -> Any:
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
        axes = axes[0]
    return knp.transpose(self, axes or None)


install()
