"""NumPy's functions that sort: sort, partition, unique, and quantiles."""

from __future__ import annotations

from typing import Any

from koubai.ops import index as i
from koubai.ops import shape as s
from koubai.tensor.numpy.arguments import arrayed, like_numpy, one_axis
from koubai.tensor.numpy.index import take_along_axis

__all__ = ["argsort", "sort"]


def _line(name: str, a: Any, axis: Any) -> tuple[Any, int]:
    a = arrayed(a)
    if axis is None:
        return s.reshape(a, shape=(a.size,)), 0
    return a, one_axis(name, axis, a.ndim)


@like_numpy
def argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """The positions that sort an axis, equal elements in their order; no gradient. As `numpy.argsort`."""
    a, axis = _line("argsort", a, axis)
    return i.argsort(a, axis=axis)


@like_numpy
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """The elements of an axis in ascending order; each takes its gradient along. As `numpy.sort`."""
    a, axis = _line("sort", a, axis)
    return take_along_axis(a, i.argsort(a, axis=axis), axis)
