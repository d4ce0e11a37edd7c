"""Functional updates: ``t.at[i].set(v)`` is t with v at i; t itself stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from koubai.ops import elementwise as e
from koubai.ops import index as i
from koubai.ops import shape as s
from koubai.ops.define import shape_of
from koubai.tensor.numpy.arguments import arrayed, concrete, holds_node
from koubai.tensor.numpy.index import along_axis, getitem, pattern_of
from koubai.tensor.numpy.shape import cast, ravel

__all__ = ["put_along_axis"]


class At:
    """The places of a tensor: ``t.at``, to be indexed."""

    __slots__ = ("of",)

    def __init__(self, of: Any) -> None:
        self.of = of

    def __getitem__(self, index: Any) -> Places:
        return Places(self.of, index)


class Places:
    """Some places of a tensor. Each method returns the tensor with other values there; the tensor stays.

    Where an index names a place twice, `set` keeps the last value, and the others apply one after the other.

    Examples
    --------
    >>> import koubai as kb
    >>> t = kb.tensor([1.0, 2.0, 3.0])
    >>> t.at[0].set(9.0)
    tensor([9., 2., 3.])
    >>> t.at[[1, 1]].add(1.0)
    tensor([1., 4., 3.])
    """

    __slots__ = ("index", "of")

    def __init__(self, of: Any, index: Any) -> None:
        self.of = of
        self.index = index

    def _value(self, v: Any, shape: tuple[int, ...]) -> Any:
        return s.broadcast_to(cast(v, self.of.dtype), shape=shape)

    def get(self) -> Any:
        """The elements at these places: ``t[i]``."""
        return getitem(self.of, self.index)

    def set(self, v: Any) -> Any:
        """The tensor with `v` at these places; gradients of these places go to v."""
        pattern, slots = pattern_of(self.index)
        shape = shape_of(i.getitem(self.of, *slots, pattern=pattern))
        return i.assign(self.of, self._value(v, shape), *slots, pattern=pattern)

    def add(self, v: Any) -> Any:
        """The tensor with `v` added at these places, once for every time that a place is named."""
        pattern, slots = pattern_of(self.index)
        shape = shape_of(i.getitem(self.of, *slots, pattern=pattern))
        return self.of + i.scatter(self._value(v, shape), *slots, pattern=pattern, shape=tuple(self.of.shape))

    def subtract(self, v: Any) -> Any:
        """The tensor with `v` subtracted at these places."""
        return self.add(-arrayed(v))

    def multiply(self, v: Any) -> Any:
        """The tensor multiplied by `v` at these places."""
        return self._combined(e.multiply, v)

    def divide(self, v: Any) -> Any:
        """The tensor divided by `v` at these places."""
        return self._combined(e.divide, v)

    def power(self, v: Any) -> Any:
        """The tensor to the power `v` at these places."""
        return self._combined(e.power, v)

    def min(self, v: Any) -> Any:
        """The smaller of tensor and `v` at these places; a tie shares the gradient."""
        return self._combined(e.minimum, v)

    def max(self, v: Any) -> Any:
        """The larger of tensor and `v` at these places; a tie shares the gradient."""
        return self._combined(e.maximum, v)

    def apply(self, function: Callable[[Any], Any]) -> Any:
        """The tensor with the function applied at these places."""
        return self._combined(lambda x, v: function(x), 0)

    def _combined(self, pick: Callable[[Any, Any], Any], v: Any) -> Any:
        """``pick(x, v)`` at these places: in rounds, none of which names a place twice."""
        of = self.of
        pattern, slots = pattern_of(self.index)
        if not slots:
            old = i.getitem(of, pattern=pattern)
            return i.assign(of, self._value(pick(old, arrayed(v)), shape_of(old)), pattern=pattern)
        index = i.filled(pattern, [concrete("t.at[...]", slot) for slot in slots])
        places = np.arange(of.size).reshape(of.shape)[index].ravel()
        values = ravel(self._value(v, np.broadcast_to(np.False_, of.shape)[index].shape))
        flat = ravel(of)
        for turn in _rounds(places):
            chosen = (i.Slot(0),)
            old = i.getitem(flat, places[turn], pattern=chosen)
            new = pick(old, i.getitem(values, turn, pattern=chosen))
            flat = i.assign(flat, new, places[turn], pattern=chosen)
        return s.reshape(flat, shape=tuple(of.shape))


def _rounds(places: Any) -> list[Any]:
    """Positions in `places`, the first occurrences of each place, then the second ones, and so on."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    first = np.searchsorted(ordered, ordered, side="left")
    rank = np.arange(ordered.size) - first
    return [order[rank == k] for k in range(int(rank.max(initial=-1)) + 1)]


def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any = -1) -> Any:
    """`arr` with values at one's own positions in each line along an axis: the inverse of `take_along_axis`.

    As `numpy.put_along_axis`, but a tensor is returned and not written into; plain arrays are written into.
    """
    if not holds_node((arr, indices, values)):
        return np.put_along_axis(arr, indices, values, axis)
    arr, indices = arrayed(arr), arrayed(indices)
    shape = tuple(arr.shape)
    if axis is None:
        arr, axis = ravel(arr), 0
    pattern, slots = along_axis("put_along_axis", arr, indices, axis)
    target = shape_of(i.getitem(arr, *slots, pattern=pattern))
    values = s.broadcast_to(cast(values, arr.dtype), shape=target)
    return s.reshape(i.assign(arr, values, *slots, pattern=pattern), shape=shape)
