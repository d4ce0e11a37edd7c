"""Indexing and NumPy's functions that choose by position or condition."""

from __future__ import annotations

from operator import index as as_index
from typing import Any

import numpy as np

from koubai.errors import DTypeError, IndexingError, ShapeError, UnsupportedError, UsageError
from koubai.graph import Node
from koubai.ops import elementwise as e
from koubai.ops import index as i
from koubai.ops import shape as s
from koubai.ops.guard import within
from koubai.tensor.numpy.arguments import CHOOSING, arrayed, concrete, like_numpy, one_axis, operand, refuse
from koubai.tensor.numpy.callback import on_values
from koubai.tensor.numpy.shape import cast, ravel

__all__ = [
    "argwhere", "choose", "compress", "extract", "flatnonzero", "getitem", "nonzero", "pattern_of", "piecewise", "take",
    "take_along_axis",
]  # fmt: skip


def pattern_of(index: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """An index as users write it, as a static pattern and the index arrays that fill its slots."""
    pattern: list[Any] = []
    slots: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        kind = type(part)
        if kind is int or part is None or part is Ellipsis:
            pattern.append(part)
        elif kind is slice:
            pattern.append(slice(*(None if x is None else as_index(x) for x in (part.start, part.stop, part.step))))
        elif isinstance(part, np.integer):
            pattern.append(int(part))
        else:
            for places in _places(part):
                pattern.append(i.Slot(len(slots)))
                slots.append(places)
    return tuple(pattern), tuple(slots)


def _places(part: Any) -> tuple[Any, ...]:
    """The index arrays that a part of an index stands for: one, or as many as a mask has axes."""
    if not isinstance(part, (Node, np.ndarray, np.generic, bool, list, tuple, range)):
        raise IndexingError(
            f"expected integers, slices, None, ..., or arrays of integers or truth values as an index, "
            f"got {type(part).__name__}"
        )
    part = operand(list(part) if isinstance(part, range) else part)
    if isinstance(part, (list, tuple)) or not hasattr(part, "dtype"):
        part = np.asarray(part)
    kind = part.dtype.kind
    if kind == "b":
        mask = np.asarray(concrete("indexing with a mask", part, CHOOSING))
        if mask.ndim == 0:
            raise UnsupportedError("a single truth value is not supported as an index; write t[None] or t[:0]")
        return np.nonzero(mask)
    if kind not in "iu":
        if not isinstance(part, Node) and part.size == 0:
            return (part.astype(np.intp),)
        raise IndexingError(f"expected an index of integers or truth values, got dtype {part.dtype}")
    return (part,)


def getitem(x: Any, index: Any) -> Any:
    """``x[index]``: basic and advanced indexing as NumPy's; tensors may be indices."""
    kind = type(index)
    if kind is int:
        return i.getitem(x, pattern=(index,))
    pattern, slots = pattern_of(index)
    return i.getitem(x, *slots, pattern=pattern)


@like_numpy
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    """The elements at positions along an axis, of the flattened array without one. As `numpy.take`."""
    refuse("take", out=out)
    a = arrayed(a)
    if axis is None:
        a, axis = ravel(a), 0
    axis = one_axis("take", axis, a.ndim)
    indices = arrayed(indices)
    if indices.dtype.kind not in "iu":
        if isinstance(indices, Node) or indices.size:
            raise DTypeError(f"take: expected integer indices, got {indices.dtype}")
        indices = indices.astype(np.intp)
    if mode == "wrap":
        indices = e.remainder(cast(indices, np.intp), a.shape[axis])
    elif mode == "clip":
        indices = e.clip(cast(indices, np.intp), 0, a.shape[axis] - 1)
    elif mode != "raise":
        raise UsageError(f"take: expected mode 'raise', 'wrap' or 'clip', got {mode!r}")
    return i.getitem(a, indices, pattern=(slice(None),) * axis + (i.Slot(0),))


@like_numpy
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """For each line along an axis the elements at its own positions. As `numpy.take_along_axis`."""
    arr, indices = operand(arr), operand(indices)
    if axis is None:
        arr, axis = ravel(arr), 0
    pattern, slots = along_axis("take_along_axis", arr, indices, axis)
    return i.getitem(arr, *slots, pattern=pattern)


def along_axis(name: str, arr: Any, indices: Any, axis: int) -> tuple[tuple[Any, ...], list[Any]]:
    """Pattern and slots that address one position a line, where `indices` holds positions along the axis."""
    axis = one_axis(name, axis, arr.ndim)
    if indices.ndim != arr.ndim:
        raise ShapeError(f"{name}: expected indices with the array's {arr.ndim} axes, got shape {tuple(indices.shape)}")
    slots = []
    for k in range(arr.ndim):
        if k == axis:
            slots.append(indices)
        else:
            lines = arr.shape[k]
            slots.append(np.arange(lines).reshape((1,) * k + (lines,) + (1,) * (arr.ndim - k - 1)))
    return tuple(i.Slot(k) for k in range(arr.ndim)), slots


@like_numpy
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    """The slices along an axis where the condition holds. As `numpy.compress`."""
    refuse("compress", out=out)
    return take(a, np.flatnonzero(concrete("compress", condition, CHOOSING)), axis)


@like_numpy
def extract(condition: Any, arr: Any) -> Any:
    """The elements where the condition holds, as a vector. As `numpy.extract`."""
    return take(ravel(arr), np.flatnonzero(concrete("extract", condition, CHOOSING)))


@like_numpy
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """At each place the element of choice number `a` there; the gradient goes to it. As `numpy.choose`."""
    refuse("choose", out=out)
    a = arrayed(a)
    options = [arrayed(c) for c in choices]
    if mode == "wrap":
        a = e.remainder(cast(a, np.intp), len(options))
    elif mode == "clip":
        a = e.clip(cast(a, np.intp), 0, len(options) - 1)
    else:
        a = within(a, low=0, high=len(options) - 1, ignore=None, what="choose: number")
    y = options[0]
    shape = np.broadcast_shapes(tuple(a.shape), *(tuple(c.shape) for c in options))
    for k, c in enumerate(options[1:], 1):
        y = e.where(e.equal(a, k), c, y)
    return s.broadcast_to(y, shape=shape)


@like_numpy
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """Each function on the elements where its condition holds, the last condition winning. As `numpy.piecewise`."""
    x = arrayed(x)
    value = concrete("piecewise", condlist)
    masks = np.asarray(value, bool)
    if masks.ndim == x.ndim:
        masks = masks[None]
    if len(funclist) == len(masks) + 1:
        masks = np.concatenate([masks, ~masks.any(axis=0, keepdims=True)])
    elif len(funclist) != len(masks):
        raise UsageError(f"piecewise: expected {len(masks)} or {len(masks) + 1} functions, got {len(funclist)}")
    y: Any = np.zeros(x.shape, x.dtype)
    for mask, function in zip(masks, funclist):
        places = np.nonzero(mask)
        if mask.ndim == 0:
            picked = arrayed(function(x, *args, **kw) if callable(function) else function)
            y = e.where(mask, cast(picked, x.dtype), y)
        elif places[0].size:
            picked = function(getitem(x, mask), *args, **kw) if callable(function) else function
            slots = tuple(map(i.Slot, range(x.ndim)))
            picked = s.broadcast_to(cast(arrayed(picked), x.dtype), shape=(places[0].size,))
            y = e.where(mask, i.scatter(picked, *places, pattern=slots, shape=tuple(x.shape)), y)
    return y


nonzero = on_values("nonzero", np.nonzero, remedy=CHOOSING)
flatnonzero = on_values("flatnonzero", np.flatnonzero, remedy=CHOOSING)
argwhere = on_values("argwhere", np.argwhere, remedy=CHOOSING)
