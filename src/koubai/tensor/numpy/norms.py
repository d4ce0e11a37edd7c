"""Norms of vectors and matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.errors import ShapeError, UsageError
from koubai.graph import Node
from koubai.ops import decompositions as d
from koubai.ops import elementwise as e
from koubai.ops import reduce as r
from koubai.ops import shape as s
from koubai.ops.norm import norm as p_norm
from koubai.ops.structure import outputs_of
from koubai.tensor.numpy.arguments import arrayed, one_axis

__all__ = ["matrix_norm", "norm", "vector_norm"]

Axes = tuple[int, ...]


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Norm of vectors (one axis) or matrices (two axes). As `numpy.linalg.norm`.

    Parameters
    ----------
    ord : None, number, inf, -inf, "fro" or "nuc"
        Of vectors: the p-norm, the largest or smallest size, 0 for the number of elements that are not zero. Of
        matrices: the root of the sum of squares ("fro", the default), the sum ("nuc"), the largest (2) or the
        smallest (-2) of the singular values, the largest (1) or smallest (-1) column sum, or row sum (inf, -inf).
    axis : int, pair of ints, or None
        None with ord=None: all elements.

    Raises
    ------
    UsageError
        If ord is not one of these.
    ShapeError
        If the array has another number of axes than axis=None allows.

    Notes
    -----
    At the zero vector the gradient is taken as zero; equal extrema share it.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.grad(kb.numpy.linalg.norm)(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """
    x = arrayed(x)
    if axis is None:
        if ord is not None and x.ndim not in (1, 2):
            raise ShapeError(f"norm: with ord={ord!r} and no axis expected a vector or a matrix, got shape {x.shape}")
        over = tuple(range(x.ndim))
        if ord is None:
            return p_norm(x, ord=2, axis=over, keepdims=keepdims)
    else:
        given = axis if isinstance(axis, (tuple, list)) else (axis,)
        over = tuple(one_axis("norm", i, x.ndim) for i in given)
    if len(over) == 1:
        return _of_vectors(x, ord, over, keepdims)
    if len(over) == 2:
        return _of_matrices(x, ord, over, keepdims)
    raise ShapeError(f"norm: expected one axis (vectors) or two (matrices), got {axis}")


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """p-norm over any axes, all by default. As `numpy.linalg.vector_norm`."""
    x = arrayed(x)
    given = range(x.ndim) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    over = tuple(sorted(one_axis("vector_norm", i, x.ndim) for i in given))
    return _of_vectors(x, ord, over, keepdims)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Norm of the matrices in the last two axes. As `numpy.linalg.matrix_norm`."""
    x = arrayed(x)
    if x.ndim < 2:
        raise ShapeError(f"matrix_norm: expected at least two axes, got shape {x.shape}")
    return _of_matrices(x, ord, (x.ndim - 2, x.ndim - 1), keepdims)


def _of_vectors(x: Any, ord: Any, axis: Axes, keepdims: bool) -> Any:
    if ord is None:
        ord = 2
    if isinstance(ord, str):
        raise UsageError(f"norm: expected a number as the order of a vector norm, got {ord!r}")
    how = {"axis": axis, "keepdims": keepdims}
    if ord == np.inf:
        return _largest(e.absolute(x), axis, keepdims)
    if ord == -np.inf:
        return r.min(e.absolute(x), **how)
    if ord == 0:
        return s.astype(r.count_nonzero(x, **how), dtype=_real(x))
    if ord == 1:
        return r.sum(e.absolute(x), **how)
    return p_norm(x, ord=ord if ord == 2 else float(ord), **how)


def _largest(sizes: Any, axis: Axes, keepdims: bool) -> Any:
    """The largest of sizes, which are not negative, so that of none it is 0."""
    if 0 in (sizes.shape[k] for k in axis):
        return r.sum(sizes, axis=axis, keepdims=keepdims)
    return r.max(sizes, axis=axis, keepdims=keepdims)


def _real(x: Any) -> Any:
    return np.finfo(x.dtype).dtype if x.dtype.kind in "fc" else np.dtype(np.float64)


def _of_matrices(x: Any, ord: Any, axis: Axes, keepdims: bool) -> Any:
    rows, columns = axis
    if rows == columns:
        raise ShapeError(f"norm: expected two different axes, got {axis}")
    if ord in (None, "fro", "f"):
        return p_norm(x, ord=2, axis=tuple(sorted(axis)), keepdims=keepdims)
    if ord in ("nuc", 2, -2):
        y = _of_singular_values(x, ord, axis)
    elif ord in (1, -1, np.inf, -np.inf):
        y = _of_sums(x, ord, *(axis if abs(ord) == 1 else (columns, rows)))
    else:
        raise UsageError(
            f'norm: expected "fro", "nuc", 1, -1, 2, -2, inf or -inf as the order of a matrix norm, got {ord!r}'
        )
    if not keepdims:
        return y
    return s.reshape(y, shape=tuple(1 if i in axis else n for i, n in enumerate(x.shape)))


def _of_sums(x: Any, ord: float, inner: int, outer: int) -> Any:
    """The largest (or for negative orders the smallest) along one axis of the sums along the other."""
    sums = r.sum(e.absolute(x), axis=(inner,), keepdims=True)
    extremum = _largest if ord > 0 else r.min
    return extremum(sums, axis=tuple(sorted((inner, outer))), keepdims=False)


def _of_singular_values(x: Any, ord: Any, axis: Axes) -> Any:
    others = tuple(i for i in range(x.ndim) if i not in axis)
    x = s.transpose(x, axes=(*others, *axis))
    sizes = outputs_of(d.svd(x, full=False))[1] if isinstance(x, Node) else np.linalg.svd(x, compute_uv=False)
    last = (sizes.ndim - 1,)
    if ord == "nuc":
        return r.sum(sizes, axis=last, keepdims=False)
    return (_largest if ord == 2 else r.min)(sizes, axis=last, keepdims=False)
