"""NumPy's functions that move elements: reshape, transpose, broadcast, flip, roll, tile, diagonals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from koubai.errors import ShapeError, UsageError
from koubai.ops import elementwise as e
from koubai.ops import index as i
from koubai.ops import shape as s
from koubai.tensor.numpy.arguments import (
    arrayed,
    axes,
    concrete,
    like_numpy,
    many_axes,
    one_axis,
    operand,
    shape_argument,
    whole,
)

__all__ = [
    "astype", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "broadcast_to", "diag", "diagflat",
    "diagonal", "expand_dims", "flip", "fliplr", "flipud", "matrix_transpose", "moveaxis", "permute_dims", "ravel",
    "repeat", "reshape", "resize", "roll", "rollaxis", "rot90", "squeeze", "swapaxes", "tile", "transpose", "tril",
    "triu", "vander",
]  # fmt: skip


@like_numpy
def reshape(a: Any, /, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: Any = None) -> Any:
    """The same elements in another shape; one length may be -1. As `numpy.reshape`."""
    a = arrayed(a)
    shape = shape_argument("reshape", newshape if shape is None else shape)
    if -1 in shape:
        shape = _completed(a, shape)
    if order == "F":
        backwards = s.transpose(a, axes=tuple(range(a.ndim))[::-1])
        y = s.reshape(backwards, shape=shape[::-1])
        return s.transpose(y, axes=tuple(range(len(shape)))[::-1])
    if order not in ("C", "A"):
        raise UsageError(f"reshape: expected order 'C', 'F' or 'A', got {order!r}")
    return s.reshape(a, shape=shape)


def _completed(a: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    known = math.prod(n for n in shape if n != -1)
    if shape.count(-1) > 1 or known == 0 or a.size % known:
        raise ShapeError(f"reshape: an array of shape {tuple(a.shape)} cannot take the shape {shape}")
    return tuple(a.size // known if n == -1 else n for n in shape)


@like_numpy
def ravel(a: Any, order: str = "C") -> Any:
    """All elements in one axis. As `numpy.ravel`."""
    a = arrayed(a)
    return reshape(a, (a.size,), order="F" if order == "F" else "C")


@like_numpy
def transpose(a: Any, axes: Any = None) -> Any:
    """The axes in another order, reversed by default. As `numpy.transpose`."""
    a = arrayed(a)
    if axes is None:
        return s.transpose(a, axes=tuple(range(a.ndim))[::-1])
    axes = many_axes("transpose", axes, a.ndim)
    if len(axes) != a.ndim:
        raise ShapeError(f"transpose: expected {a.ndim} axes, one for each of the array's, got {axes}")
    return s.transpose(a, axes=axes)


permute_dims = transpose


@like_numpy
def matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged. As `numpy.matrix_transpose`."""
    x = arrayed(x)
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose: expected at least two axes, got shape {tuple(x.shape)}")
    return swapaxes(x, -1, -2)


@like_numpy
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged. As `numpy.swapaxes`."""
    a = arrayed(a)
    order = list(range(a.ndim))
    j, k = one_axis("swapaxes", axis1, a.ndim), one_axis("swapaxes", axis2, a.ndim)
    order[j], order[k] = order[k], order[j]
    return s.transpose(a, axes=tuple(order))


@like_numpy
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Axes moved to other positions, the others in their order. As `numpy.moveaxis`."""
    a = arrayed(a)
    start, end = many_axes("moveaxis", source, a.ndim), many_axes("moveaxis", destination, a.ndim)
    if len(start) != len(end):
        raise ShapeError(f"moveaxis: expected as many sources as destinations, got {source} and {destination}")
    order = [k for k in range(a.ndim) if k not in start]
    for target, k in sorted(zip(end, start)):
        order.insert(target, k)
    return s.transpose(a, axes=tuple(order))


@like_numpy
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """One axis moved until it stands before position `start`. As `numpy.rollaxis`."""
    a = arrayed(a)
    axis = one_axis("rollaxis", axis, a.ndim)
    start = a.ndim if start == a.ndim else one_axis("rollaxis", start, a.ndim)
    return moveaxis(a, axis, start - 1 if axis < start else start)


@like_numpy
def expand_dims(a: Any, axis: Any) -> Any:
    """New axes of length one. As `numpy.expand_dims`."""
    a = arrayed(a)
    count = a.ndim + (len(axis) if isinstance(axis, (tuple, list)) else 1)
    new = axes("expand_dims", axis, count)
    lengths = iter(a.shape)
    return s.reshape(a, shape=tuple(1 if k in new else next(lengths) for k in range(count)))


@like_numpy
def squeeze(a: Any, axis: Any = None) -> Any:
    """Without axes of length one. As `numpy.squeeze`."""
    a = arrayed(a)
    drop = axes("squeeze", axis, a.ndim) if axis is not None else tuple(k for k, n in enumerate(a.shape) if n == 1)
    for k in drop:
        if a.shape[k] != 1:
            raise ShapeError(f"squeeze: axis {k} has length {a.shape[k]}, only axes of length 1 can go")
    return s.reshape(a, shape=tuple(n for k, n in enumerate(a.shape) if k not in drop))


@like_numpy
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    """Copies along new axes and axes of length one; gradients of the copies are summed. As `numpy.broadcast_to`."""
    return s.broadcast_to(arrayed(array), shape=shape_argument("broadcast_to", shape))


@like_numpy
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    """The arrays brought to their common shape. As `numpy.broadcast_arrays`."""
    arrays = [arrayed(x) for x in args]
    shape = np.broadcast_shapes(*(tuple(x.shape) for x in arrays))
    return tuple(s.broadcast_to(x, shape=shape) for x in arrays)


def _at_least(ndim: int, xs: tuple[Any, ...]) -> Any:
    found = []
    for x in xs:
        x = arrayed(x)
        shape = tuple(x.shape)
        if ndim == 3 and len(shape) == 2:
            shape = (*shape, 1)
        elif ndim == 3 and len(shape) == 1:
            shape = (1, *shape, 1)
        elif len(shape) < ndim:
            shape = (1,) * (ndim - len(shape)) + shape
        found.append(s.reshape(x, shape=shape) if shape != tuple(x.shape) else x)
    return found[0] if len(found) == 1 else tuple(found)


@like_numpy
def atleast_1d(*arys: Any) -> Any:
    """Each array with at least one axis. As `numpy.atleast_1d`."""
    return _at_least(1, arys)


@like_numpy
def atleast_2d(*arys: Any) -> Any:
    """Each array with at least two axes. As `numpy.atleast_2d`."""
    return _at_least(2, arys)


@like_numpy
def atleast_3d(*arys: Any) -> Any:
    """Each array with at least three axes. As `numpy.atleast_3d`."""
    return _at_least(3, arys)


@like_numpy
def flip(m: Any, axis: Any = None) -> Any:
    """The order along axes reversed, along all without `axis`. As `numpy.flip`."""
    m = arrayed(m)
    return s.flip(m, axis=axes("flip", axis, m.ndim))


@like_numpy
def flipud(m: Any) -> Any:
    """Axis 0 reversed. As `numpy.flipud`."""
    return flip(m, 0)


@like_numpy
def fliplr(m: Any) -> Any:
    """Axis 1 reversed. As `numpy.fliplr`."""
    return flip(m, 1)


@like_numpy
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """Turned by k right angles in the plane of two axes. As `numpy.rot90`."""
    m = arrayed(m)
    pair = many_axes("rot90", tuple(axes), m.ndim)
    if len(pair) != 2:
        raise ShapeError(f"rot90: expected two axes, got {axes}")
    k %= 4
    if k == 2:
        return s.flip(m, axis=tuple(sorted(pair)))
    if k == 1:
        return swapaxes(flip(m, pair[1]), *pair)
    return flip(swapaxes(m, *pair), pair[1]) if k == 3 else e.positive(m)


@like_numpy
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """A circular shift along axes, of all elements without `axis`. As `numpy.roll`."""
    a = arrayed(a)
    if axis is None:
        flat = s.roll(s.reshape(a, shape=(a.size,)), shift=(int(np.sum(shift)),), axis=(0,))
        return s.reshape(flat, shape=tuple(a.shape))
    over = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    shifts = shift_of(shift, len(over))
    if len(over) == 1:
        over *= len(shifts)
    return s.roll(a, shift=shifts, axis=tuple(one_axis("roll", k, a.ndim) for k in over))


def shift_of(shift: Any, count: int) -> tuple[int, ...]:
    """Shifts, one an axis."""
    shifts = shape_argument("roll", shift)
    if count != 1 and len(shifts) not in (1, count):
        raise ShapeError(f"roll: expected one shift or {count}, got {len(shifts)}")
    return shifts * count if len(shifts) == 1 else shifts


@like_numpy
def tile(A: Any, reps: Any) -> Any:
    """The array repeated as a block, `reps` times along each axis. As `numpy.tile`."""
    a = arrayed(A)
    times = shape_argument("tile", reps)
    ndim = max(a.ndim, len(times))
    times = (1,) * (ndim - len(times)) + times
    shape = (1,) * (ndim - a.ndim) + tuple(a.shape)
    split = tuple(n for length in shape for n in (1, length))
    spread = tuple(n for pair in zip(times, shape) for n in pair)
    y = s.broadcast_to(s.reshape(a, shape=split), shape=spread)
    return s.reshape(y, shape=tuple(r * n for r, n in zip(times, shape)))


@like_numpy
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """Each element repeated; gradients of the copies are summed. As `numpy.repeat`."""
    a = arrayed(a)
    if axis is None:
        a, axis = s.reshape(a, shape=(a.size,)), 0
    axis = one_axis("repeat", axis, a.ndim)
    counts = np.asarray(concrete("repeat", repeats))
    if counts.size == 1:
        n = int(counts.reshape(()))
        before, after = tuple(a.shape[: axis + 1]), tuple(a.shape[axis + 1 :])
        y = s.broadcast_to(s.reshape(a, shape=(*before, 1, *after)), shape=(*before, n, *after))
        return s.reshape(y, shape=(*before[:-1], before[-1] * n, *after))
    chosen = np.repeat(np.arange(a.shape[axis]), counts)
    return i.getitem(a, chosen, pattern=(slice(None),) * axis + (i.Slot(0),))


@like_numpy
def resize(a: Any, new_shape: Any) -> Any:
    """Another shape of any size, filled with repeated copies. As `numpy.resize`."""
    a = arrayed(a)
    shape = shape_argument("resize", new_shape)
    flat, size = s.reshape(a, shape=(a.size,)), math.prod(shape)
    if a.size == 0:
        return e.multiply(s.broadcast_to(np.zeros((), a.dtype)[()], shape=shape), 1)
    copies = tile(flat, -(-size // a.size)) if size else flat
    return s.reshape(copies[:size], shape=shape)


@like_numpy
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """Another dtype; the gradient comes back in the old one, and none through integers. As `numpy.astype`."""
    return cast(x, dtype)


def cast(x: Any, dtype: Any) -> Any:
    """`x` in another dtype; as it is if it has this one."""
    dtype = np.dtype(dtype)
    if type(x) is int:
        return whole("cast", x, dtype)
    x = arrayed(x)
    if x.dtype == dtype:
        return x
    if dtype.kind in "fc":
        return s.astype(e.real(x) if x.dtype.kind == "c" and dtype.kind == "f" else x, dtype=dtype)
    return s.discrete(x, dtype=dtype)


# Diagonals and triangles.


@like_numpy
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal of two axes, as the last axis. As `numpy.diagonal`."""
    a = arrayed(a)
    if a.ndim < 2:
        raise ShapeError(f"diagonal: expected at least two axes, got shape {tuple(a.shape)}")
    pair = many_axes("diagonal", (axis1, axis2), a.ndim)
    a = s.transpose(a, axes=(*(k for k in range(a.ndim) if k not in pair), *pair))
    rows, columns = _diagonal_places(a.shape[-2], a.shape[-1], offset)
    return i.getitem(a, rows, columns, pattern=(slice(None),) * (a.ndim - 2) + (i.Slot(0), i.Slot(1)))


def _diagonal_places(n: int, m: int, offset: int) -> tuple[Any, Any]:
    first = max(0, -offset)
    rows = np.arange(first, max(first, min(n, m - offset)))
    return rows, rows + offset


@like_numpy
def diag(v: Any, k: int = 0) -> Any:
    """A matrix with `v` on diagonal k, or the diagonal k of a matrix. As `numpy.diag`."""
    v = arrayed(v)
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ShapeError(f"diag: expected one or two axes, got shape {tuple(v.shape)}")
    n = v.shape[0] + abs(k)
    rows, columns = _diagonal_places(n, n, k)
    return i.scatter(v, rows, columns, pattern=(i.Slot(0), i.Slot(1)), shape=(n, n))


@like_numpy
def diagflat(v: Any, k: int = 0) -> Any:
    """A matrix with all elements of `v` on diagonal k. As `numpy.diagflat`."""
    return diag(ravel(v), k)


@like_numpy
def tril(m: Any, k: int = 0) -> Any:
    """The triangle on and below diagonal k, 0 elsewhere. As `numpy.tril`."""
    return s.tril(_rows("tril", m), k=int(k))


@like_numpy
def triu(m: Any, k: int = 0) -> Any:
    """The triangle on and above diagonal k, 0 elsewhere. As `numpy.triu`."""
    return s.triu(_rows("triu", m), k=int(k))


def _rows(name: str, m: Any) -> Any:
    m = arrayed(m)
    if m.ndim == 0:
        raise ShapeError(f"{name}: expected at least one axis, got a number")
    return s.broadcast_to(m, shape=(m.shape[0], m.shape[0])) if m.ndim == 1 else m


@like_numpy
def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    """The powers of each element as a row. As `numpy.vander`."""
    x = operand(x)
    if x.ndim != 1:
        raise ShapeError(f"vander: expected one axis, got shape {tuple(x.shape)}")
    count = x.shape[0] if N is None else int(N)
    powers = np.arange(count) if increasing else np.arange(count)[::-1]
    x = cast(x, np.promote_types(x.dtype, int))
    return e.power(s.reshape(x, shape=(x.shape[0], 1)), powers.astype(x.dtype))
