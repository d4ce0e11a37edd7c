"""numpy.pad, in all modes whose result is a smooth function of the array."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.errors import ShapeError, UnsupportedError, UsageError
from koubai.ops import elementwise as e
from koubai.ops import index as i
from koubai.ops import reduce as r
from koubai.ops import shape as s
from koubai.tensor.numpy.arguments import arrayed, holds_node, like_numpy
from koubai.tensor.numpy.join import concatenate
from koubai.tensor.numpy.order import median

__all__ = ["pad"]

BY_POSITION = ("edge", "reflect", "symmetric", "wrap")
Pairs = tuple[tuple[Any, Any], ...]


@like_numpy
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """The array with a margin: of constants, of its own elements, or of statistics of them. As `numpy.pad`.

    Modes constant, edge, reflect (also odd), symmetric (also odd), wrap, linear_ramp, maximum, mean, median,
    minimum, empty (zeros). Copied elements receive the gradients of their copies.
    """
    a = arrayed(array)
    if callable(mode):
        raise UnsupportedError("pad: a function as mode writes in place; use one of the named modes")
    widths = _pairs(pad_width, a.ndim)
    if any(before < 0 or after < 0 for before, after in widths):
        raise ShapeError(f"pad: expected widths of at least 0, got {pad_width}")
    if mode in ("constant", "empty"):
        return _constant(a, widths, kwargs.get("constant_values", 0))
    for axis, (before, after) in enumerate(widths):
        if mode in BY_POSITION and kwargs.get("reflect_type", "even") == "odd" and mode in ("reflect", "symmetric"):
            a = _odd(a, axis, int(before), int(after), mode)
        elif mode in BY_POSITION:
            a = _copied(a, axis, int(before), int(after), mode)
        elif mode == "linear_ramp":
            a = _ramp(a, axis, int(before), int(after), _pairs(kwargs.get("end_values", 0), a.ndim)[axis])
        else:
            a = _statistic(a, axis, int(before), int(after), mode, kwargs.get("stat_length"))
    return a


def _copied(a: Any, axis: int, before: int, after: int, mode: Any) -> Any:
    """Elements of the axis copied to both of its ends: only these are looked up, the array itself stays whole."""
    n = a.shape[axis]
    places = np.pad(np.arange(n), (before, after), mode)
    pattern = (slice(None),) * axis + (i.Slot(0),)
    parts = [a]
    if before:
        parts.insert(0, i.getitem(a, places[:before], pattern=pattern))
    if after:
        parts.append(i.getitem(a, places[before + n :], pattern=pattern))
    return s.join(parts, axis)


def _pairs(given: Any, ndim: int) -> Pairs:
    """One (before, after) an axis, from a number, a pair, or a sequence of pairs; or from a dict by axis."""
    if isinstance(given, dict):
        found: list[tuple[Any, Any]] = [(0, 0)] * ndim
        for axis, pair in given.items():
            found[axis] = (pair, pair) if np.ndim(pair) == 0 else tuple(pair)
        return tuple(found)
    if holds_node(given):
        return _pairs_of_tensors(given, ndim)
    return tuple((x, y) for x, y in np.broadcast_to(given, (ndim, 2)).tolist())


def _pairs_of_tensors(given: Any, ndim: int) -> Pairs:
    if not isinstance(given, (list, tuple)):
        x = arrayed(given)
        if x.ndim:
            x = s.broadcast_to(x, shape=(ndim, 2))
            return tuple((x[k, 0], x[k, 1]) for k in range(ndim))
        return ((x, x),) * ndim
    rows = [x if isinstance(x, (list, tuple)) else (x,) for x in given]
    if all(len(row) == 1 for row in rows):
        rows = [tuple(row[0] for row in rows)]
    pairs = [tuple(row) * 2 if len(row) == 1 else tuple(row) for row in rows]
    return tuple(pairs * ndim if len(pairs) == 1 else pairs)


def _constant(a: Any, widths: Pairs, values: Any) -> Any:
    plain = not holds_node(values) and not np.any(values)
    y = s.pad(a, width=tuple((int(x), int(y)) for x, y in widths))
    if plain:
        return y
    for axis, (low, high) in enumerate(_pairs(values, a.ndim)):
        place = np.arange(y.shape[axis]).reshape((-1,) + (1,) * (a.ndim - axis - 1))
        before = place < widths[axis][0]
        after = place >= y.shape[axis] - widths[axis][1]
        y = e.where(before, s.astype(arrayed(low), dtype=y.dtype), y)
        y = e.where(after, s.astype(arrayed(high), dtype=y.dtype), y)
    return y


def _cut(a: Any, axis: int, start: int | None, stop: int | None, step: int | None = None) -> Any:
    return a[(slice(None),) * axis + (slice(start, stop, step),)]


def _odd(a: Any, axis: int, before: int, after: int, mode: str) -> Any:
    """Reflected through the end point instead of mirrored: twice the edge minus the mirror image."""
    step = 1 if mode == "reflect" else 0
    while before or after:
        n = a.shape[axis]
        reach = max(n - step, 1)
        k = min(before, reach)
        if k:
            mirror = s.flip(_cut(a, axis, step, step + k), axis=(axis,))
            a = concatenate([2 * _cut(a, axis, 0, 1) - mirror, a], axis)
        m = min(after, reach)
        if m:
            n = a.shape[axis]
            mirror = s.flip(_cut(a, axis, n - step - m, n - step), axis=(axis,))
            a = concatenate([a, 2 * _cut(a, axis, n - 1, n) - mirror], axis)
        before, after = before - k, after - m
    return a


def _ramp(a: Any, axis: int, before: int, after: int, ends: tuple[Any, Any]) -> Any:
    parts = [a]
    tail = (1,) * (a.ndim - axis - 1)
    if before:
        share = (np.arange(before) / before).reshape((before, *tail)).astype(a.dtype)
        parts.insert(0, ends[0] + (_cut(a, axis, 0, 1) - ends[0]) * share)
    if after:
        share = (np.arange(after, 0, -1) - 1.0).reshape((after, *tail)).astype(a.dtype) / after
        parts.append(ends[1] + (_cut(a, axis, -1, None) - ends[1]) * share)
    return concatenate(parts, axis)


def _statistic(a: Any, axis: int, before: int, after: int, mode: str, length: Any) -> Any:
    n = a.shape[axis]
    first, last = (n, n) if length is None else _pairs(length, a.ndim)[axis]
    low = _folded(_cut(a, axis, 0, min(int(first), n)), axis, mode)
    high = _folded(_cut(a, axis, n - min(int(last), n), n), axis, mode)
    parts = [a]
    for width, value, front in ((before, low, True), (after, high, False)):
        if width:
            margin = s.broadcast_to(value, shape=(*a.shape[:axis], width, *a.shape[axis + 1 :]))
            parts = [margin, *parts] if front else [*parts, margin]
    return concatenate(parts, axis)


def _folded(a: Any, axis: int, mode: str) -> Any:
    if mode == "maximum":
        return r.max(a, axis=(axis,), keepdims=True)
    if mode == "minimum":
        return r.min(a, axis=(axis,), keepdims=True)
    if mode == "mean":
        return r.sum(a, axis=(axis,), keepdims=True) / a.shape[axis]
    if mode == "median":
        return median(a, axis, keepdims=True)
    raise UsageError(f"pad: unknown mode {mode!r}")
