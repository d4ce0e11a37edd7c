"""Products: matmul, dot, inner, outer, tensordot, kron, cross, trace, convolve and their relatives."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from operator import index
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import numpy as np

from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.ops import elementwise as e
from koubai.ops import matmul as m
from koubai.ops import products as p
from koubai.ops import reduce as r
from koubai.ops import shape as s
from koubai.ops.define import conjugated
from koubai.ops.diagonals import diagonal_of
from koubai.ops.index import getitem
from koubai.tensor.numpy.arguments import arrayed, one_axis, refuse
from koubai.tensor.numpy.notation import einsum, einsum_path

__all__ = [
    "convolve", "correlate", "cross", "dot", "einsum", "einsum_path", "inner", "kron", "matmul", "matvec", "outer",
    "tensordot", "trace", "vdot", "vecdot", "vecmat",
]  # fmt: skip


def matmul(x1: Any, x2: Any, /, out: Any = None, *, dtype: Any = None) -> Any:
    """Matrix product over the last two axes; 1-d arrays are a row on the left, a column on the right.

    Gradients of Y = A B: G B^H for A, A^H G for B.

    Raises
    ------
    ShapeError
        If an operand is 0-d or the lengths do not fit.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.numpy.matmul(np.array([[1.0, 2.0]]), np.array([3.0, 4.0]))
    array([11.])
    """
    refuse("matmul", out=out, dtype=dtype)
    a, b = arrayed(x1), arrayed(x2)
    if not a.ndim or not b.ndim:
        raise ShapeError(
            f"matmul: expected arrays with at least one axis, got {a.shape} and {b.shape}; multiply by a number with *"
        )
    if a.ndim == 1 or b.ndim == 1:
        return _with_vector(a, b)
    if a.ndim > 2 and b.ndim == 2 and a.shape[-1] == b.shape[0]:
        # One tall product instead of a stack of small ones, also in the gradient of b.
        tall = s.reshape(a, shape=(prod(a.shape[:-1]), a.shape[-1]))
        return s.reshape(m.matmul(tall, b), shape=(*a.shape[:-1], b.shape[1]))
    return m.matmul(a, b)


def _with_vector(a: Any, b: Any) -> Any:
    """A product of vectors and stacks of matrices, of which one at least is a vector."""
    if a.shape[-1] != b.shape[0 if b.ndim == 1 else -2]:
        raise ShapeError(f"matmul: expected (..., n, k) and (..., k, m) with the same k, got {a.shape} and {b.shape}")
    if b.ndim == 1:
        rows = ascii_lowercase[: a.ndim - 1]
        return p.einsum(a, b, subscripts=f"{rows}z,z->{rows}")
    stack = ascii_lowercase[: b.ndim - 2]
    return p.einsum(a, b, subscripts=f"y,{stack}yz->{stack}z")


def dot(a: Any, b: Any, out: Any = None) -> Any:
    """Product over the last axis of a and the second to last of b (its only one if b is 1-d). As `numpy.dot`.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.grad(lambda w: kb.numpy.dot(w, np.array([2.0, 3.0])))(np.array([1.0, 1.0]))
    array([2., 3.])
    """
    refuse("dot", out=out)
    a, b = arrayed(a), arrayed(b)
    if not a.ndim or not b.ndim:
        return e.multiply(a, b)
    if a.ndim == b.ndim == 2:
        return m.matmul(a, b)
    return tensordot(a, b, axes=(a.ndim - 1, max(b.ndim - 2, 0)))


def vdot(a: Any, b: Any, /) -> Any:
    """Sum of conj(a) b over all elements. As `numpy.vdot`."""
    a, b = arrayed(a), arrayed(b)
    if prod(a.shape) != prod(b.shape):
        raise ShapeError(f"vdot: expected arrays of the same size, got shapes {a.shape} and {b.shape}")
    return p.einsum(conjugated(_raveled(a)), _raveled(b), subscripts="i,i->")


def inner(a: Any, b: Any, /) -> Any:
    """Product over the last axes of both. As `numpy.inner`."""
    a, b = arrayed(a), arrayed(b)
    if not a.ndim or not b.ndim:
        return e.multiply(a, b)
    return tensordot(a, b, axes=(a.ndim - 1, b.ndim - 1))


def outer(a: Any, b: Any, out: Any = None) -> Any:
    """y[i, j] = a[i] b[j], both flattened. As `numpy.outer`."""
    refuse("outer", out=out)
    return p.einsum(_raveled(arrayed(a)), _raveled(arrayed(b)), subscripts="i,j->ij")


def _raveled(x: Any) -> Any:
    return x if x.ndim == 1 else s.reshape(x, shape=(prod(x.shape),))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Product over several axes of each. As `numpy.tensordot`.

    Parameters
    ----------
    axes : int or (axes of a, axes of b)
        An int n: the last n axes of a with the first n of b.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.numpy.tensordot(np.ones((2, 3, 4)), np.ones((4, 3)), axes=([1, 2], [1, 0]))
    array([12., 12.])
    """
    a, b = arrayed(a), arrayed(b)
    of_a, of_b = _paired_axes(axes, a.ndim, b.ndim)
    if len(of_a) != len(of_b) or any(a.shape[i] != b.shape[j] for i, j in zip(of_a, of_b)):
        raise ShapeError(
            f"tensordot: expected axes of the same lengths, got axes {of_a} of shape {a.shape} and {of_b} of {b.shape}"
        )
    left, right = list(ascii_lowercase[: a.ndim]), list(ascii_uppercase[: b.ndim])
    for i, j in zip(of_a, of_b):
        right[j] = left[i]
    kept = [k for i, k in enumerate(left) if i not in of_a] + [k for j, k in enumerate(right) if j not in of_b]
    return p.einsum(a, b, subscripts=f"{''.join(left)},{''.join(right)}->{''.join(kept)}")


def _paired_axes(axes: Any, a_ndim: int, b_ndim: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    try:
        of_a, of_b = axes
    except TypeError:
        n = index(axes)
        if not 0 <= n <= min(a_ndim, b_ndim):
            raise ShapeError(f"tensordot: axes={n}, but the arrays have {a_ndim} and {b_ndim} axes") from None
        return tuple(range(a_ndim - n, a_ndim)), tuple(range(n))
    return _axis_list(of_a, a_ndim), _axis_list(of_b, b_ndim)


def _axis_list(axes: Any, ndim: int) -> tuple[int, ...]:
    listed = axes if isinstance(axes, (tuple, list, np.ndarray)) else (axes,)
    return tuple(one_axis("tensordot", i, ndim) for i in listed)


def vecdot(x1: Any, x2: Any, /, out: Any = None, *, axis: int = -1) -> Any:
    """Sum of conj(x1) x2 along one axis, the others broadcast. As `numpy.vecdot`."""
    refuse("vecdot", out=out)
    a, b = arrayed(x1), arrayed(x2)
    a, b = (_axis_last("vecdot", x, axis) for x in (a, b))
    _same_length("vecdot", a.shape[-1], b.shape[-1])
    return einsum("...i,...i->...", conjugated(a), b)


def matvec(x1: Any, x2: Any, /, out: Any = None) -> Any:
    """Matrices in the last two axes of x1 times vectors in the last of x2. As `numpy.matvec`."""
    refuse("matvec", out=out)
    a, b = arrayed(x1), arrayed(x2)
    _at_least("matvec", a, 2, b, 1)
    _same_length("matvec", a.shape[-1], b.shape[-1])
    return einsum("...ij,...j->...i", a, b)


def vecmat(x1: Any, x2: Any, /, out: Any = None) -> Any:
    """Conjugated vectors in the last axis of x1 times matrices in the last two of x2. As `numpy.vecmat`."""
    refuse("vecmat", out=out)
    a, b = arrayed(x1), arrayed(x2)
    _at_least("vecmat", a, 1, b, 2)
    _same_length("vecmat", a.shape[-1], b.shape[-2])
    return einsum("...i,...ij->...j", conjugated(a), b)


def _at_least(name: str, a: Any, axes_of_a: int, b: Any, axes_of_b: int) -> None:
    if a.ndim < axes_of_a or b.ndim < axes_of_b:
        raise ShapeError(
            f"{name}: expected at least {axes_of_a} and {axes_of_b} axes, got shapes {a.shape} and {b.shape}"
        )


def _same_length(name: str, n: int, m: int) -> None:
    if n != m:
        raise ShapeError(f"{name}: expected vectors of the same length, got {n} and {m}")


def _axis_last(name: str, x: Any, axis: int) -> Any:
    axis = one_axis(name, axis, x.ndim)
    if axis == x.ndim - 1:
        return x
    return s.transpose(x, axes=(*(i for i in range(x.ndim) if i != axis), axis))


def kron(a: Any, b: Any) -> Any:
    """Kronecker product: blocks of b scaled by the elements of a. As `numpy.kron`.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.numpy.kron(np.array([1.0, 10.0]), np.array([1.0, 2.0]))
    array([ 1.,  2., 10., 20.])
    """
    a, b = arrayed(a), arrayed(b)
    n = max(a.ndim, b.ndim)
    of_a, of_b = ((1,) * (n - x.ndim) + tuple(x.shape) for x in (a, b))
    rows = s.reshape(a, shape=tuple(k for i in of_a for k in (i, 1)))
    columns = s.reshape(b, shape=tuple(k for i in of_b for k in (1, i)))
    return s.reshape(e.multiply(rows, columns), shape=tuple(i * j for i, j in zip(of_a, of_b)))


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Vector product of vectors of length 3 (or 2: then their third component is 0). As `numpy.cross`.

    Raises
    ------
    ShapeError
        If the vectors are of another length.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.numpy.cross(np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    array([0., 0., 1.])
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = _axis_last("cross", arrayed(a), axisa), _axis_last("cross", arrayed(b), axisb)
    lengths = a.shape[-1], b.shape[-1]
    if not set(lengths) <= {2, 3}:
        raise ShapeError(f"cross: expected vectors of length 3 (or 2), got lengths {lengths[0]} and {lengths[1]}")
    if lengths == (2, 2):
        (a0, a1), (b0, b1) = ([getitem(x, pattern=(Ellipsis, i)) for i in (0, 1)] for x in (a, b))
        return a0 * b1 - a1 * b0
    a, b = _in_space(a), _in_space(b)
    y = _shifted(a, -1) * _shifted(b, -2) - _shifted(a, -2) * _shifted(b, -1)
    target = one_axis("cross", axisc, y.ndim)
    order = list(range(y.ndim - 1))
    order.insert(target, y.ndim - 1)
    return s.transpose(y, axes=tuple(order)) if target != y.ndim - 1 else y


def _in_space(x: Any) -> Any:
    return x if x.shape[-1] == 3 else s.pad(x, width=((0, 0),) * (x.ndim - 1) + ((0, 1),))


def _shifted(x: Any, by: int) -> Any:
    return s.roll(x, shift=(by,), axis=(x.ndim - 1,))


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    """Sum along a diagonal. As `numpy.trace`.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.grad(kb.numpy.trace)(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 0.],
           [0., 1.]])
    """
    refuse("trace", out=out)
    a = arrayed(a)
    if a.ndim < 2:
        raise ShapeError(f"trace: expected at least two axes, got shape {a.shape}")
    first, second = one_axis("trace", axis1, a.ndim), one_axis("trace", axis2, a.ndim)
    if first == second:
        raise ShapeError(f"trace: axis1 and axis2 must differ, both are {first}")
    if dtype is not None:
        a = s.astype(a, dtype=np.dtype(dtype))
    diagonal = diagonal_of(a, index(offset), first, second)
    return r.sum(diagonal, axis=(diagonal.ndim - 1,), keepdims=False)


MODES = ("full", "same", "valid")


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """Convolution of two 1-d arrays: y_n = sum over m of a_(n-m) v_m. As `numpy.convolve`.

    Parameters
    ----------
    mode : {"full", "same", "valid"}
        All n where a and v overlap; the middle of it, as long as the longer one; only full overlap.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.numpy.convolve(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0]), "same")
    array([0., 1., 2.])
    """
    a, v = _one_dimensional("convolve", a, v)
    if mode not in MODES:
        raise UsageError(f"convolve: expected mode to be one of {MODES}, got {mode!r}")
    if a.shape[0] < v.shape[0]:
        a, v = v, a
    if mode == "same":
        start = (v.shape[0] - 1) // 2
        return getitem(p.convolve(a, v, mode="full"), pattern=(slice(start, start + a.shape[0]),))
    return p.convolve(a, v, mode=mode)


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """Correlation of two 1-d arrays: y_n = sum over m of a_(n+m) conj(v_m). As `numpy.correlate`."""
    a, v = _one_dimensional("correlate", a, v)
    turned = conjugated(s.flip(v, axis=(0,)))
    if mode == "same" and a.shape[0] < v.shape[0]:
        # NumPy exchanges the two and turns the result, so that the middle lies on the other side.
        start = a.shape[0] // 2
        return getitem(p.convolve(a, turned, mode="full"), pattern=(slice(start, start + v.shape[0]),))
    return convolve(a, turned, mode)


def _one_dimensional(name: str, a: Any, v: Any) -> tuple[Any, Any]:
    found: Sequence[Any] = [arrayed(a), arrayed(v)]
    for x in found:
        if x.ndim > 1:
            raise ShapeError(f"{name}: expected 1-d arrays, got shape {x.shape}")
        if x.dtype.kind not in "biufc":
            raise DTypeError(f"{name}: expected numbers, got dtype {x.dtype}")
    a, v = (_raveled(x) for x in found)
    return a, v
