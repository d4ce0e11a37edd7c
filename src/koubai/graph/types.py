"""What is known of a value before it is computed: shape and dtype."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from koubai.errors import DTypeError

__all__ = ["Type", "type_of"]

_WEAK = {int: np.dtype(np.int64), float: np.dtype(np.float64), complex: np.dtype(np.complex128)}
_BOOL = np.dtype(np.bool_)


@dataclass(frozen=True, slots=True)
class Type:
    """Shape and dtype of a value.

    Parameters
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    weak : bool
        True for a Python scalar, which in NumPy 2 takes its dtype from the array that it meets.
    number : int or None
        The Python int itself: NumPy refuses one that the dtype which it takes cannot hold. Types that differ in it
        only are equal.

    Examples
    --------
    >>> str(Type((2, 3), np.dtype(np.float32)))
    'float32[2, 3]'
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    weak: bool = False
    number: int | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.dtype}{'~' if self.weak else ''}[{', '.join(map(str, self.shape))}]"

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def differentiable(self) -> bool:
        """Whether a gradient can flow through a value of this type: floating point or complex."""
        return self.dtype.kind in "fc"

    def example(self, one: object = 1) -> Any:
        """A value of this dtype with every axis of length one: enough to ask NumPy for a result's dtype."""
        if self.number is not None:
            return self.number
        if self.weak:
            return self.dtype.type(one).item()
        return np.full((1,) * len(self.shape), one, self.dtype)


def type_of(value: Any) -> Type:
    """The type of a NumPy array, NumPy scalar or Python number.

    Examples
    --------
    >>> str(type_of(np.zeros((2, 0)))), str(type_of(3))
    ('float64[2, 0]', 'int64~[]')
    """
    if isinstance(value, (np.ndarray, np.generic)):
        return Type(value.shape, value.dtype)
    if type(value) in _WEAK:
        return Type((), _WEAK[type(value)], weak=True, number=value if type(value) is int else None)
    if isinstance(value, bool):
        return Type((), _BOOL)
    raise DTypeError(f"expected an array or a number, got {type(value).__name__}")
