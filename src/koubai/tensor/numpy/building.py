"""``r_``, ``c_``, and functions that apply functions: apply_along_axis, apply_over_axes, vectorize, fromfunction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from koubai.errors import ShapeError
from koubai.ops import index as i
from koubai.ops import shape as s
from koubai.tensor.numpy.arguments import arrayed, holds_node, like_numpy, one_axis, shape_argument
from koubai.tensor.numpy.join import concatenate, stack
from koubai.tensor.numpy.shape import moveaxis

__all__ = ["apply_along_axis", "apply_over_axes", "c_", "r_", "sliding_window_view", "vectorize"]


class Row:
    """``r_[...]``: arrays, numbers and ranges joined, differentiable. As `numpy.r_`.

    Parameters
    ----------
    axis, ndim, position : int
        The axis to join along, the least number of axes, and where the axes of an array of fewer are put.
    """

    def __init__(self, axis: int = 0, ndim: int = 1, position: int = -1) -> None:
        self.axis, self.ndim, self.position = axis, ndim, position
        self._plain = np.r_ if position == -1 else np.c_

    def __getitem__(self, key: Any) -> Any:
        items = key if isinstance(key, tuple) else (key,)
        if not holds_node(items):
            return self._plain[key]
        axis, ndim, position = self.axis, self.ndim, self.position
        if isinstance(items[0], str):
            numbers = [int(part) for part in items[0].split(",")]
            axis, ndim, position = (*numbers, *(axis, ndim, position)[len(numbers) :])
            items = items[1:]
        return concatenate([self._part(item, ndim, position) for item in items], axis)

    def _part(self, item: Any, ndim: int, position: int) -> Any:
        item = np.r_[item] if isinstance(item, slice) else arrayed(item)
        missing = ndim - item.ndim
        if missing <= 0:
            return item
        if item.ndim == 0:
            return s.reshape(item, shape=(1,) * ndim)
        # The given axes stand at `position`, counted from the back for negative numbers.
        before = missing if position == -1 else (position if position >= 0 else ndim + position)
        before = min(before, missing)
        return s.reshape(item, shape=(1,) * before + tuple(item.shape) + (1,) * (missing - before))


r_ = Row()
c_ = Row(-1, 2, 0)


@like_numpy
def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """A function of vectors applied to every line along an axis. As `numpy.apply_along_axis`."""
    a = arrayed(arr)
    axis = one_axis("apply_along_axis", axis, a.ndim)
    lines = moveaxis(a, axis, -1)
    outer = tuple(lines.shape[:-1])
    results = [arrayed(func1d(lines[index], *args, **kwargs)) for index in np.ndindex(*outer)]
    y = stack(results)
    inner = tuple(results[0].shape)
    y = s.reshape(y, shape=(*outer, *inner))
    # The axes of a result take the place of the line's axis.
    order = (*range(axis), *range(len(outer), len(outer) + len(inner)), *range(axis, len(outer)))
    return s.transpose(y, axes=order)


def sliding_window_view(x: Any, window_shape: Any, axis: Any = None, **options: Any) -> Any:
    """All windows of a shape, their axes last; an element receives the gradients of all windows that hold it.

    As `numpy.lib.stride_tricks.sliding_window_view`.
    """
    if not holds_node(x):
        return np.lib.stride_tricks.sliding_window_view(x, window_shape, axis, **options)
    x = arrayed(x)
    sizes = shape_argument("sliding_window_view", window_shape)
    over = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    if len(sizes) != len(over):
        raise ShapeError(f"sliding_window_view: expected {len(over)} lengths, one an axis, got {sizes}")
    for size, k in zip(sizes, over):
        k = one_axis("sliding_window_view", k, x.ndim)
        if not 0 < size <= x.shape[k]:
            raise ShapeError(f"sliding_window_view: no window of length {size} fits axis {k} of length {x.shape[k]}")
        places = np.arange(x.shape[k] - size + 1)[:, None] + np.arange(size)
        x = moveaxis(i.getitem(x, places, pattern=(slice(None),) * k + (i.Slot(0),)), k + 1, -1)
    return x


@like_numpy
def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """A reduction applied to one axis after the other. As `numpy.apply_over_axes`."""
    y = arrayed(a)
    for axis in axes if isinstance(axes, Sequence) else (axes,):
        axis = one_axis("apply_over_axes", axis, y.ndim)
        shape = tuple(y.shape)
        y = arrayed(func(y, axis))
        if y.ndim < len(shape):
            y = s.reshape(y, shape=(*shape[:axis], 1, *shape[axis + 1 :]))
    return y


class vectorize:
    """A function of numbers applied to arrays, one call an element: a loop in Python. As `numpy.vectorize`,
    without `signature`."""

    def __init__(self, pyfunc: Callable[..., Any], otypes: Any = None, doc: Any = None, excluded: Any = None,
                 cache: bool = False, signature: Any = None) -> None:  # fmt: skip
        self.pyfunc = pyfunc
        self.excluded = set(excluded or ())
        self._plain = np.vectorize(pyfunc, otypes, doc, excluded, cache, signature)
        self.__doc__ = doc or pyfunc.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not (holds_node(args) or holds_node(tuple(kwargs.values()))):
            return self._plain(*args, **kwargs)
        varying = [k for k in range(len(args)) if k not in self.excluded]
        arrays = {k: arrayed(args[k]) for k in varying}
        shape = np.broadcast_shapes(*(tuple(x.shape) for x in arrays.values()))
        spread = {k: s.broadcast_to(x, shape=shape) for k, x in arrays.items()}
        results = []
        for index in np.ndindex(*shape):
            results.append(self.pyfunc(*(spread[k][index] if k in spread else x for k, x in enumerate(args)), **kwargs))
        if isinstance(results[0], tuple):
            return tuple(s.reshape(stack(list(column)), shape=shape) for column in zip(*results))
        return s.reshape(stack(results), shape=shape)
