"""Pooling written with other ops, as compiled programs compute it: in the same order as `koubai.ops.pool`."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import product
from math import prod
from typing import Any

import numpy as np

from koubai.ops.elementwise import equal, logical_not, logical_or, maximum, not_equal
from koubai.ops.index import getitem, scatter
from koubai.ops.shape import astype, broadcast_to, concatenate, pad, reshape
from koubai.ops.windows import Windows

__all__ = ["gathered", "largest", "mean", "mean_spread", "spread"]

FEW = 9  # places in a kernel that are combined at once, instead of axis by axis


def _around(x: Any, windows: Windows, value: float) -> Any:
    """`x` with a value around the axes of the windows."""
    lead = x.ndim - len(windows.kernel)
    if value == 0.0:
        return pad(x, width=((0, 0),) * lead + windows.padding)
    for axis, pair in enumerate(windows.padding, lead):
        sides = [np.full((*x.shape[:axis], n, *x.shape[axis + 1 :]), value, x.dtype) for n in pair]
        x = concatenate(sides[0], x, sides[1], axis=axis) if any(pair) else x
    return x


def _at(x: Any, windows: Windows, where: tuple[slice, ...]) -> Any:
    return getitem(x, pattern=(slice(None),) * (x.ndim - len(windows.kernel)) + where)


def _pooled(x: Any, windows: Windows, combine: Callable[[Any, Any], Any]) -> Any:
    axes = range(len(windows.kernel))
    if prod(windows.kernel) <= FEW:
        places = product(*map(range, windows.kernel))
        parts = dict(zip(places, (_at(x, windows, where) for _, where in windows.places())))
        for axis in axes:
            others = list(product(*map(range, windows.kernel[axis + 1 :])))
            count = range(windows.kernel[axis])
            parts = {rest: reduce(combine, [parts[(k, *rest)] for k in count]) for rest in others}
        return parts[()]
    for axis in axes:
        before, after = (slice(None),) * axis, (slice(None),) * (len(axes) - axis - 1)
        x = reduce(combine, [_at(x, windows, (*before, where, *after)) for where in windows.along(axis)])
    return x


def mean(x: Any, windows: Windows) -> Any:
    """The mean of each window."""
    return _pooled(_around(x, windows, 0.0), windows, lambda a, b: a + b) / prod(windows.kernel)


def largest(x: Any, windows: Windows) -> Any:
    """The largest element of each window."""
    return _pooled(_around(x, windows, -np.inf), windows, maximum)


def _chosen(x: Any, windows: Windows) -> tuple[list[Any], Any]:
    """For each place in the kernel whether it is a largest one of its window, and how many of these there are."""
    y, around = largest(x, windows), _around(x, windows, np.nan)  # which is equal to nothing
    known = None if windows.padded == windows.lengths else _around(equal(x, x), windows, 1.0)
    masks = []
    for _, where in windows.places():
        v = _at(around, windows, where)
        unknown = not_equal(v, v) if known is None else logical_not(_at(known, windows, where))
        masks.append(logical_or(equal(v, y), unknown))
    return masks, reduce(lambda a, b: a + b, [astype(mask, dtype=x.dtype) for mask in masks])


def gathered(t: Any, x: Any, windows: Windows) -> Any:
    """The mean of t over the largest elements of each window of x."""
    masks, count = _chosen(x, windows)
    around = _around(t, windows, 0.0)
    parts = [_at(around, windows, where) * mask for mask, (_, where) in zip(masks, windows.places())]
    return reduce(lambda a, b: a + b, [0.0 + parts[0], *parts[1:]]) / count


def spread(g: Any, x: Any, windows: Windows) -> Any:
    """g of each window in equal shares at its largest elements, added up."""
    masks, count = _chosen(x, windows)
    share = g / count
    parts = [0.0 + share * mask for mask in masks]  # 0.0 for -0.0, as in a sum
    if _tiled(windows):
        return _interleaved(parts, windows)
    lead = x.ndim - len(windows.kernel)
    shape, before = (*x.shape[:lead], *windows.padded), (slice(None),) * lead
    placed = [scatter(v, pattern=(*before, *where), shape=shape) for v, (_, where) in zip(parts, windows.places())]
    return _at(reduce(lambda a, b: a + b, placed), windows, windows.inside)


def mean_spread(g: Any, windows: Windows) -> Any:
    """g of each window in equal shares at all of its elements, added up."""
    x = g / prod(windows.kernel)
    lead = x.ndim - len(windows.kernel)
    if _tiled(windows):
        pairs = [n for pair in zip(windows.count, windows.kernel) for n in pair]
        ones = [n for count in windows.count for n in (count, 1)]
        x = broadcast_to(reshape(0.0 + x, shape=(*x.shape[:lead], *ones)), shape=(*x.shape[:lead], *pairs))
        return reshape(x, shape=(*x.shape[:lead], *windows.lengths))
    for axis, length in enumerate(windows.padded, lead):
        shape, before = (*x.shape[:axis], length, *x.shape[axis + 1 :]), (slice(None),) * axis
        placed = [scatter(x, pattern=(*before, where), shape=shape) for where in windows.along(axis - lead)]
        x = reduce(lambda a, b: a + b, placed)
    return _at(x, windows, windows.inside)


def _tiled(windows: Windows) -> bool:
    """Whether every element lies in exactly one window."""
    whole = tuple(n * k for n, k in zip(windows.count, windows.kernel))
    return windows.stride == windows.kernel and windows.padded == windows.lengths == whole


def _interleaved(parts: list[Any], windows: Windows) -> Any:
    """The array of the windows' elements; part k holds those at place k of the kernel."""
    lead = parts[0].ndim - len(windows.kernel)
    for axis in reversed(range(len(windows.kernel))):
        n, place = windows.kernel[axis], lead + axis
        shape = parts[0].shape
        apart = [reshape(v, shape=(*shape[: place + 1], 1, *shape[place + 1 :])) for v in parts]
        joined = [concatenate(*apart[k : k + n], axis=place + 1) for k in range(0, len(apart), n)]
        parts = [reshape(v, shape=(*shape[:place], shape[place] * n, *shape[place + 1 :])) for v in joined]
    return parts[0]
