"""Dataset: examples and targets, with what people need to know of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from koubai.errors import DataError

__all__ = ["Dataset"]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Examples ``x`` and their targets ``t``. Unpacks into the two: ``x, t = dataset``.

    Parameters
    ----------
    x : array of shape (n, ...)
        One example a row.
    t : array of shape (n,) or (n, ...)
        Class numbers from 0 (int64) for classification, floating-point numbers for regression.
    name : str
    feature_names : tuple of str
        One a column of `x`.
    class_names : tuple of str, or None
        The name of each class number; None for regression.
    target_name : str
    image_shape : tuple of int, or None
        How a row of `x` is seen as a picture.
    description, source, licence, citation : str
        For people; empty for data of one's own.

    Raises
    ------
    DataError
        If there is no example, or `x` and `t` differ in length.

    Examples
    --------
    >>> import numpy as np
    >>> data = Dataset(np.zeros((3, 2)), np.array([0, 1, 1]), class_names=("no", "yes"))
    >>> x, t = data
    >>> data
    <Dataset: 3 examples of 2 features, 2 classes>
    """

    x: np.ndarray[Any, Any]
    t: np.ndarray[Any, Any]
    name: str = ""
    feature_names: tuple[str, ...] = ()
    class_names: tuple[str, ...] | None = None
    target_name: str = "target"
    image_shape: tuple[int, ...] | None = None
    description: str = ""
    source: str = ""
    licence: str = ""
    citation: str = ""

    def __post_init__(self) -> None:
        if len(self.x) != len(self.t):
            raise DataError(
                f"{self.name or 'Dataset'}: {len(self.x)} examples but {len(self.t)} targets; each example needs one"
            )
        if len(self.x) == 0:
            raise DataError(f"{self.name or 'Dataset'}: the set is empty; give at least one example")

    @property
    def task(self) -> str:
        """``"classification"`` or ``"regression"``."""
        return "regression" if self.class_names is None else "classification"

    def __len__(self) -> int:
        return len(self.x)

    def __iter__(self) -> Iterator[np.ndarray[Any, Any]]:
        return iter((self.x, self.t))

    def take(self, rows: Any) -> Dataset:
        """The examples of these row numbers (or of this boolean mask), in this order."""
        return replace(self, x=self.x[rows], t=self.t[rows])

    def summary(self) -> str:
        """What the set holds, in one line: ``"1797 examples of 8x8 pixels, 10 classes"``."""
        n = len(self)
        if self.image_shape is not None:
            what = "x".join(map(str, self.image_shape)) + " pixels"
        else:
            what = _count(int(np.prod(self.x.shape[1:])), "feature")
        answer = f"the number {self.target_name!r}"
        if self.class_names is not None:
            answer = _count(len(self.class_names), "class", "classes")
        return f"{_count(n, 'example')} of {what}, {answer}"

    def __repr__(self) -> str:
        return f"<Dataset{' ' + self.name if self.name else ''}: {self.summary()}>"


def _count(n: int, one: str, many: str | None = None) -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"
