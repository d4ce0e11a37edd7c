"""NumPy's functions that join arrays and take them apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.ops import index as i
from koubai.ops import shape as s
from koubai.tensor.numpy.arguments import arrayed, concrete, like_numpy, one_axis, operand, refuse, whole
from koubai.tensor.numpy.shape import atleast_1d, atleast_2d, atleast_3d, broadcast_to, cast, ravel

__all__ = [
    "append", "array_split", "block", "column_stack", "concat", "concatenate", "delete", "dsplit", "dstack",
    "hsplit", "hstack", "insert", "row_stack", "split", "stack", "trim_zeros", "unstack", "vsplit", "vstack",
]  # fmt: skip


def _sequence(name: str, arrays: Any) -> list[Any]:
    if not isinstance(arrays, (list, tuple)):
        if not hasattr(arrays, "__len__"):
            raise DTypeError(f"{name}: expected a sequence of arrays, got {type(arrays).__name__}")
        arrays = list(arrays)
    if not arrays:
        raise UsageError(f"{name}: expected at least one array, got none")
    return [arrayed(x) for x in arrays]


@like_numpy
def concatenate(arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None,
                casting: str = "same_kind") -> Any:  # fmt: skip
    """Arrays one after the other along an axis, flattened for axis None. As `numpy.concatenate`."""
    refuse("concatenate", out=out)
    parts = _sequence("concatenate", arrays)
    if axis is None:
        parts, axis = [ravel(x) for x in parts], 0
    if dtype is not None:
        parts = [cast(x, dtype) for x in parts]
    if parts[0].ndim == 0:
        raise ShapeError("concatenate: numbers (0-d arrays) have no axis to join along; use stack")
    return s.join(parts, one_axis("concatenate", axis, parts[0].ndim))


concat = concatenate


@like_numpy
def stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Arrays of one shape joined along a new axis. As `numpy.stack`."""
    refuse("stack", out=out)
    parts = _sequence("stack", arrays)
    shape = tuple(parts[0].shape)
    for k, x in enumerate(parts):
        if tuple(x.shape) != shape:
            raise ShapeError(f"stack: expected arrays of one shape, got {shape} and {tuple(x.shape)} (array {k})")
    axis = one_axis("stack", axis, len(shape) + 1)
    tall = (*shape[:axis], 1, *shape[axis:])
    return concatenate([s.reshape(x, shape=tall) for x in parts], axis, dtype=dtype)


@like_numpy
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Joined side by side: along axis 1, vectors along axis 0. As `numpy.hstack`."""
    parts = [atleast_1d(x) for x in _sequence("hstack", tup)]
    return concatenate(parts, 0 if parts[0].ndim == 1 else 1, dtype=dtype)


@like_numpy
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Joined on top of each other: along axis 0, vectors as rows. As `numpy.vstack`."""
    return concatenate([atleast_2d(x) for x in _sequence("vstack", tup)], 0, dtype=dtype)


row_stack = vstack


@like_numpy
def dstack(tup: Any) -> Any:
    """Joined along axis 2. As `numpy.dstack`."""
    return concatenate([atleast_3d(x) for x in _sequence("dstack", tup)], 2)


@like_numpy
def column_stack(tup: Any) -> Any:
    """Vectors as the columns of a matrix. As `numpy.column_stack`."""
    parts = _sequence("column_stack", tup)
    return concatenate([s.reshape(x, shape=(x.size, 1)) if x.ndim < 2 else x for x in parts], 1)


@like_numpy
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """`values` joined to the end, both flattened without `axis`. As `numpy.append`."""
    return concatenate([arr, values], axis)


@like_numpy
def block(arrays: Any) -> Any:
    """An array put together from nested lists of blocks. As `numpy.block`."""
    depth = _depth(arrays)
    ndim = max(depth, _widest(arrays))
    return _block(arrays, ndim, ndim - depth)


def _depth(x: Any) -> int:
    if not isinstance(x, list):
        return 0
    if not x:
        raise UsageError("block: expected at least one array in every list")
    depths = {_depth(item) for item in x}
    if len(depths) != 1:
        raise ShapeError("block: expected lists nested to one depth everywhere")
    return 1 + depths.pop()


def _widest(x: Any) -> int:
    return max(map(_widest, x)) if isinstance(x, list) else int(arrayed(x).ndim)


def _block(x: Any, ndim: int, axis: int) -> Any:
    if not isinstance(x, list):
        x = arrayed(x)
        return s.reshape(x, shape=(1,) * (ndim - x.ndim) + tuple(x.shape))
    return concatenate([_block(item, ndim, axis + 1) for item in x], axis)


# Taking apart.


@like_numpy
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Pieces along an axis, as equal in length as can be, or cut at given places. As `numpy.array_split`."""
    a = operand(ary)
    axis = one_axis("split", axis, a.ndim)
    if isinstance(indices_or_sections, (int, np.integer)):
        sizes = [len(piece) for piece in np.array_split(np.arange(a.shape[axis]), indices_or_sections)]
        places = [int(k) for k in np.cumsum(sizes)[:-1]]
    else:
        places = [int(k) for k in indices_or_sections]
    cuts = [slice(p, q) for p, q in zip([0, *places], [*places, None])]
    return [i.getitem(a, pattern=(slice(None),) * axis + (cut,)) for cut in cuts]


@like_numpy
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Equal pieces along an axis, or pieces cut at given places. As `numpy.split`."""
    a = operand(ary)
    if isinstance(indices_or_sections, (int, np.integer)):
        length = a.shape[one_axis("split", axis, a.ndim)]
        if length % indices_or_sections:
            raise ShapeError(
                f"split: an axis of length {length} does not divide into {indices_or_sections} equal pieces; "
                f"array_split allows unequal ones"
            )
    return array_split(a, indices_or_sections, axis)


@like_numpy
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Split along axis 1, a vector along axis 0. As `numpy.hsplit`."""
    a = operand(ary)
    return split(a, indices_or_sections, 1 if a.ndim > 1 else 0)


@like_numpy
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Split along axis 0. As `numpy.vsplit`."""
    return _deep_split("vsplit", ary, indices_or_sections, 0)


@like_numpy
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Split along axis 2. As `numpy.dsplit`."""
    return _deep_split("dsplit", ary, indices_or_sections, 2)


def _deep_split(name: str, ary: Any, indices_or_sections: Any, axis: int) -> Any:
    a = operand(ary)
    least = max(2, axis + 1)
    if a.ndim < least:
        raise ShapeError(f"{name}: expected at least {least} axes, got shape {tuple(a.shape)}")
    return split(a, indices_or_sections, axis)


@like_numpy
def unstack(x: Any, /, *, axis: int = 0) -> Any:
    """The slices along an axis, as a tuple. As `numpy.unstack`."""
    x = operand(x)
    axis = one_axis("unstack", axis, x.ndim)
    return tuple(i.getitem(x, pattern=(slice(None),) * axis + (k,)) for k in range(x.shape[axis]))


@like_numpy
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    """Without the elements at some positions along an axis. As `numpy.delete`."""
    a = operand(arr)
    if axis is None:
        a, axis = ravel(a), 0
    axis = one_axis("delete", axis, a.ndim)
    kept = np.delete(np.arange(a.shape[axis]), concrete("delete", obj))
    return i.getitem(a, kept, pattern=(slice(None),) * axis + (i.Slot(0),))


@like_numpy
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """With values inserted before some positions along an axis. As `numpy.insert`."""
    a = arrayed(arr)
    values = whole("insert", values, a.dtype) if type(values) is int else arrayed(values)
    if axis is None:
        a, axis = ravel(a), 0
    axis = one_axis("insert", axis, a.ndim)
    obj = concrete("insert", obj)
    n = a.shape[axis]
    places = np.arange(n)[obj] if isinstance(obj, slice) else np.asarray(obj)
    single = places.ndim == 0
    count = places.sum() if places.dtype == bool else places.size
    if single and values.ndim:
        # A single position takes as many slices as the values have along the axis.
        if values.ndim < a.ndim or a.ndim > 1:
            values = s.reshape(values, shape=(1,) * (a.ndim - values.ndim) + tuple(values.shape))
            values = s.transpose(values, axes=(*range(1, axis + 1), 0, *range(axis + 1, a.ndim))) if axis else values
        count = values.shape[axis]
    shape = (*a.shape[:axis], int(count), *a.shape[axis + 1 :])
    both = concatenate([a, cast(broadcast_to(values, shape), a.dtype)], axis)
    order = np.insert(np.arange(n), obj, n + np.arange(count))
    return i.getitem(both, order, pattern=(slice(None),) * axis + (i.Slot(0),))


@like_numpy
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """Without zeros at the ends. As `numpy.trim_zeros`."""
    a = operand(filt)
    value = np.asarray(concrete("trim_zeros", a))
    over = range(a.ndim) if axis is None else [one_axis("trim_zeros", axis, a.ndim)]
    places = np.nonzero(value)
    cuts = [slice(None)] * a.ndim
    for k in over:
        found = places[k]
        first = int(found.min()) if found.size and "f" in trim.lower() else 0
        last = int(found.max()) + 1 if found.size and "b" in trim.lower() else value.shape[k]
        cuts[k] = slice(first, last) if found.size else slice(0, 0)
    return i.getitem(a, pattern=tuple(cuts))
