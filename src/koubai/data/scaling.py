"""Standardizing: columns of different units brought to mean 0 and standard deviation 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from koubai.errors import DataError, ShapeError

__all__ = ["Standardizer"]


@dataclass(frozen=True, eq=False)
class Standardizer:
    """``(x - mean) / scale``, a column at a time. Made by `fit`, from the training part only.

    Parameters
    ----------
    mean, scale : arrays of float64, one number a column
        A column that is constant has scale 1, so that it becomes 0.

    Examples
    --------
    >>> import numpy as np
    >>> s = Standardizer.fit(np.array([[1.0, 7.0], [3.0, 7.0]]))
    >>> s(np.array([[1.0, 7.0], [5.0, 8.0]]))
    array([[-1.,  0.],
           [ 3.,  1.]])
    >>> s.inverse(np.array([[3.0, 1.0]]))
    array([[5., 8.]])
    """

    mean: np.ndarray[Any, Any]
    scale: np.ndarray[Any, Any]

    @classmethod
    def fit(cls, x: Any) -> Standardizer:
        """Means and (population) standard deviations over the first axis, computed in float64.

        Raises
        ------
        DataError
            If `x` has no rows, or a number is not finite.
        """
        x = np.asarray(x, dtype=np.float64)
        if x.ndim == 0 or len(x) == 0:
            raise DataError("Standardizer.fit: the set is empty; give at least one example")
        if not np.isfinite(x).all():
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
            raise DataError(
                f"Standardizer.fit: x has {x[place]} in row {place[0]}, "
                f"column {place[1] if len(place) > 1 else 0}; remove the row or put a finite number there"
            )
        with np.errstate(over="ignore"):
            mean, scale = x.mean(axis=0), x.std(axis=0)
        if not np.isfinite(scale).all():
            column = int(np.argmax(~np.isfinite(np.atleast_1d(scale))))
            raise DataError(f"Standardizer.fit: the numbers of column {column} are too large; divide them first")
        # Rounding leaves a constant column a spread of about eps * |mean|.
        constant = scale <= 1e-12 * np.abs(mean)
        return cls(mean, np.where(constant | (scale == 0.0), 1.0, scale))

    def __call__(self, x: Any) -> Any:
        """The standardized columns, in float64."""
        return (self._checked(x) - self.mean) / self.scale

    def inverse(self, z: Any) -> Any:
        """The columns in their own units again."""
        return self._checked(z) * self.scale + self.mean

    def _checked(self, x: Any) -> np.ndarray[Any, Any]:
        rows: np.ndarray[Any, Any] = np.asarray(x, dtype=np.float64)
        if rows.shape[1:] != self.mean.shape:
            raise ShapeError(f"Standardizer: expected rows of shape {self.mean.shape}, got {rows.shape[1:]}")
        return rows
