"""Linear algebra under NumPy's names: `koubai.numpy.linalg`.

A matrix stands in the last two axes, the axes before count a stack. float16 and longdouble are refused, as by
NumPy. The decompositions of tensors come back as named tuples with NumPy's field names.

Conventions where a derivative does not exist, or is not unique:

- norm: gradient 0 at the zero vector; equal maxima share the gradient.
- cholesky, eigh, eigvalsh: NumPy reads one triangle only, so that triangle receives the whole gradient.
- eigenvectors, singular vectors, complete bases of qr: determined up to signs, phases and rotations. The
  derivative is the one that turns them least, so functions that do not depend on these choices are right.
- repeated eigenvalues or singular values (equal to rounding): the turning of their vectors among each other is
  taken as zero. Symmetric functions of the values are right to first order, and projectors on whole spaces.
- det has all derivatives to second order at singular matrices too. inv, solve, slogdet, and the third
  derivative of det raise LinAlgError there.

Examples
--------
>>> import koubai as kb
>>> a = np.array([[2.0, 1.0], [1.0, 3.0]])
>>> kb.grad(kb.numpy.linalg.det)(a)
array([[ 3., -1.],
       [-1.,  2.]])
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from operator import index
from typing import Any, NamedTuple

import numpy as np
from numpy.linalg import LinAlgError

from koubai.errors import ShapeError, UsageError
from koubai.graph import value_of
from koubai.ops import elementwise as e
from koubai.ops import linalg as lin
from koubai.ops import reduce as r
from koubai.ops import shape as s
from koubai.ops.determinants import det as det_of
from koubai.ops.determinants import slogdet as slogdet_of
from koubai.ops.diagonals import diagonal_of
from koubai.ops.index import getitem
from koubai.ops.matmul import adjoint, swapped
from koubai.ops.matmul import matmul as multiply
from koubai.ops.matrices import MatrixError, at_least_matrix, mirrored
from koubai.ops.structure import outputs_of
from koubai.tensor.numpy import products
from koubai.tensor.numpy.arguments import arrayed, refuse
from koubai.tensor.numpy.decompositions import (
    EighResult,
    EigResult,
    QRResult,
    SVDResult,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    matrix,
    qr,
    svd,
    svdvals,
)  # fmt: skip
from koubai.tensor.numpy.norms import matrix_norm, norm, vector_norm
from koubai.tensor.numpy.products import matmul, tensordot, vecdot

__all__ = [
    "EigResult", "EighResult", "LinAlgError", "QRResult", "SVDResult", "SlogdetResult", "cholesky", "cond", "cross",
    "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "inv", "lstsq", "matmul", "matrix_norm", "matrix_power",
    "matrix_rank", "matrix_transpose", "multi_dot", "norm", "outer", "pinv", "qr", "slogdet", "solve", "svd",
    "svdvals", "tensordot", "tensorinv", "tensorsolve", "trace", "vecdot", "vector_norm",
]  # fmt: skip


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Any
    logabsdet: Any


# Inverses and linear systems


def inv(a: Any) -> Any:
    """Inverse of square matrices. Gradient of Y = A^-1: -Y^H G Y^H. As `numpy.linalg.inv`."""
    return lin.inv(matrix("inv", a))


def pinv(a: Any, rcond: float | None = None, hermitian: bool = False, *, rtol: float | None = None) -> Any:
    """Moore-Penrose inverse. As `numpy.linalg.pinv`.

    Differentiated at constant rank (Golub and Pereyra 1973): right for directions that do not change the rank.

    Parameters
    ----------
    rcond, rtol : float, optional
        Singular values below it times the largest count as zero.
    hermitian : bool
        Read the lower triangle only.
    """
    x = matrix("pinv", a)
    if rcond is not None and rtol is not None:
        raise UsageError("pinv: give rcond or rtol, not both")
    cutoff = rcond if rcond is not None else rtol
    return lin.pinv(mirrored(x, True) if hermitian else x, rcond=None if cutoff is None else float(cutoff))


def solve(a: Any, b: Any) -> Any:
    """The solution of a x = b, for vectors b (1-d) or stacks of matrices (otherwise). As `numpy.linalg.solve`.

    Gradients: solve(a^H, g) for b, and minus that times x^H for a.
    """
    a, b = matrix("solve", a), arrayed(b)
    if b.ndim == 0:
        raise MatrixError("solve: expected a right side with at least one axis, got a number")
    if b.ndim > 1:
        return lin.solve(a, b)
    x = lin.solve(a, s.reshape(b, shape=(b.shape[0], 1)))
    return s.reshape(x, shape=tuple(x.shape[:-1]))


def outer(x1: Any, x2: Any, /) -> Any:
    """Every product of an element of one vector with one of the other. As `numpy.linalg.outer`."""
    x1, x2 = arrayed(x1), arrayed(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ShapeError(f"outer: expected two vectors, got shapes {tuple(x1.shape)} and {tuple(x2.shape)}")
    return products.outer(x1, x2)


def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """The x with tensordot(a, x, x.ndim) = b. As `numpy.linalg.tensorsolve`."""
    a, b = arrayed(a), arrayed(b)
    if axes is not None:
        last = [i % a.ndim for i in axes]
        a = s.transpose(a, axes=(*(i for i in range(a.ndim) if i not in last), *last))
    shape = tuple(a.shape[b.ndim :])
    n = prod(shape)
    if prod(a.shape) != n * n:
        raise MatrixError(
            f"tensorsolve: expected an array that is square as a matrix, got shape {a.shape} for b {b.shape}"
        )
    return s.reshape(solve(s.reshape(a, shape=(n, n)), s.reshape(b, shape=(n,))), shape=shape)


def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse under tensordot(.., .., ind). As `numpy.linalg.tensorinv`."""
    a = arrayed(a)
    rows, columns = tuple(a.shape[:ind]), tuple(a.shape[ind:])
    if ind <= 0 or prod(rows) != prod(columns):
        raise MatrixError(f"tensorinv: expected an array that is square as a matrix, got shape {a.shape} and ind={ind}")
    return s.reshape(inv(s.reshape(a, shape=(prod(rows), prod(columns)))), shape=(*columns, *rows))


def lstsq(a: Any, b: Any, rcond: float | None = None) -> tuple[Any, Any, Any, Any]:
    """Least-squares solution of a x = b, the shortest if there are several. As `numpy.linalg.lstsq`.

    Returns
    -------
    x, residuals, rank, singular values
        x = pinv(a) b and the residuals are differentiable at constant rank. Under tracing, where the rank is not
        known, the residuals' shape is the one for full rank.
    """
    a, b = matrix("lstsq", a), arrayed(b)
    if a.ndim != 2 or b.ndim not in (1, 2) or b.shape[0] != a.shape[0]:
        raise MatrixError(
            f"lstsq: expected a of shape (m, n) and b of shape (m,) or (m, k), got {a.shape} and {b.shape}"
        )
    m, n = a.shape
    cutoff = float(np.finfo(a.dtype).eps) * max(m, n) if rcond is None else max(float(rcond), 0.0)
    x = matmul(lin.pinv(a, rcond=cutoff), b)
    sizes = svdvals(a)
    rank = _rank(sizes, cutoff * e.maximum(_largest(sizes), 0.0))
    known = value_of(rank)
    missing = b - matmul(a, x)
    left = e.absolute(missing)
    residuals = r.sum(left * left, axis=(0,), keepdims=False)
    if m <= n or (known is not None and known < n):
        residuals = np.zeros(0, residuals.dtype)
    elif b.ndim == 1:
        residuals = s.reshape(residuals, shape=(1,))
    return x, residuals, rank if known is None else int(known), sizes


def _largest(sizes: Any) -> Any:
    """The largest singular value of each matrix, 0 of an empty one."""
    if not sizes.shape[-1]:
        return np.zeros(sizes.shape[:-1], sizes.dtype)[()]
    return getitem(sizes, pattern=(Ellipsis, 0))


def _rank(sizes: Any, threshold: Any) -> Any:
    kept = sizes > s.reshape(threshold, shape=(*threshold.shape, 1))
    return r.count_nonzero(kept, axis=(kept.ndim - 1,), keepdims=False)


def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Number of singular values above the tolerance; no gradient. As `numpy.linalg.matrix_rank`."""
    x = arrayed(A)
    if x.ndim < 2:
        return r.any(x != 0, axis=tuple(range(x.ndim)), keepdims=False) * 1
    x = matrix("matrix_rank", x)
    sizes = svdvals(mirrored(x, True) if hermitian else x)
    if tol is None:
        relative = max(x.shape[-2:]) * float(np.finfo(sizes.dtype).eps) if rtol is None else arrayed(rtol)
        tol = _largest(sizes) * relative
    return _rank(sizes, arrayed(tol))


# Determinants


def det(a: Any) -> Any:
    """Determinant. As `numpy.linalg.det`.

    Its gradient is the matrix of cofactors, right for singular matrices too.
    """
    return det_of(matrix("det", a))


def slogdet(a: Any) -> SlogdetResult:
    """Sign and logarithm of the absolute value of the determinant. As `numpy.linalg.slogdet`.

    The gradient of the logarithm is A^-H; the sign of a real determinant has none.
    """
    return SlogdetResult(*outputs_of(slogdet_of(matrix("slogdet", a))))


# Decompositions


def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """The lower triangular L with a = L L^H, or the upper U with a = U^H U. As `numpy.linalg.cholesky`.

    Only that triangle of a is read, so that it receives the gradient; rule of Murray (2016).
    """
    x = matrix("cholesky", a)
    return adjoint(lin.cholesky(adjoint(x))) if upper else lin.cholesky(x)


# Compositions


def cond(x: Any, p: Any = None) -> Any:
    """Condition number: the norm of x times the norm of its inverse. As `numpy.linalg.cond`."""
    x = matrix("cond", x)
    if p in (None, 2, -2):
        sizes = svdvals(x)
        if not sizes.shape[-1]:
            raise MatrixError(f"cond: not defined for an empty matrix, got shape {x.shape}")
        first, last = (getitem(sizes, pattern=(Ellipsis, i)) for i in (0, -1))
        with np.errstate(divide="ignore", invalid="ignore"):
            return last / first if p == -2 else first / last
    return matrix_norm(x, ord=p) * matrix_norm(inv(x), ord=p)


def matrix_power(a: Any, n: int) -> Any:
    """Integer powers of square matrices, by repeated squaring. As `numpy.linalg.matrix_power`."""
    a = matrix("matrix_power", a) if arrayed(a).dtype.kind in "fc" else arrayed(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise MatrixError(f"matrix_power: expected square matrices, got shape {a.shape}")
    n = index(n)
    if n == 0:
        return np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape).copy()
    base, left, result = (inv(a) if n < 0 else a), abs(n), None
    while left:
        if left & 1:
            result = base if result is None else multiply(result, base)
        left >>= 1
        if left:
            base = multiply(base, base)
    return result


def multi_dot(arrays: Sequence[Any], *, out: Any = None) -> Any:
    """Product of several matrices in the cheapest order. As `numpy.linalg.multi_dot`.

    The first and the last may be 1-d. The order is found by dynamic programming (Cormen et al., section 15.2).
    """
    refuse("multi_dot", out=out)
    xs = [arrayed(x) for x in arrays]
    if len(xs) < 2:
        raise UsageError(f"multi_dot: expected at least two arrays, got {len(xs)}")
    starts_flat, ends_flat = xs[0].ndim == 1, xs[-1].ndim == 1
    if starts_flat:
        xs[0] = s.reshape(xs[0], shape=(1, xs[0].shape[0]))
    if ends_flat:
        xs[-1] = s.reshape(xs[-1], shape=(xs[-1].shape[0], 1))
    for i, x in enumerate(xs):
        if x.ndim != 2:
            raise MatrixError(f"multi_dot: expected matrices (the ends may be 1-d), array {i} has shape {x.shape}")
    y = _chain(xs, _best_splits([xs[0].shape[0], *(x.shape[1] for x in xs)]), 0, len(xs) - 1)
    return s.reshape(y, shape=tuple(y.shape[starts_flat : 2 - ends_flat])) if starts_flat or ends_flat else y


def _best_splits(sides: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where to split the product of the matrices i to j; matrix i has sides i and i + 1."""
    count = len(sides) - 1
    cost = {(i, i): 0 for i in range(count)}
    split = {}
    for width in range(1, count):
        for i in range(count - width):
            j = i + width
            options = [(cost[i, k] + cost[k + 1, j] + sides[i] * sides[k + 1] * sides[j + 1], k) for k in range(i, j)]
            cost[i, j], split[i, j] = min(options)
    return split


def _chain(xs: Sequence[Any], split: dict[tuple[int, int], int], i: int, j: int) -> Any:
    if i == j:
        return xs[i]
    k = split[i, j]
    return multiply(_chain(xs, split, i, k), _chain(xs, split, k + 1, j))


# The array API's forms of functions that stand elsewhere too


def matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged. As `numpy.linalg.matrix_transpose`."""
    x = arrayed(x)
    at_least_matrix("matrix_transpose", x)
    return swapped(x)


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """A diagonal of the matrices in the last two axes. As `numpy.linalg.diagonal`."""
    x = arrayed(x)
    at_least_matrix("diagonal", x)
    return diagonal_of(x, index(offset), x.ndim - 2, x.ndim - 1)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Sum along a diagonal of the matrices in the last two axes. As `numpy.linalg.trace`."""
    return products.trace(x, offset, -2, -1, dtype)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Vector product of vectors of length 3. As `numpy.linalg.cross`."""
    x1, x2 = arrayed(x1), arrayed(x2)
    for x in (x1, x2):
        if x.ndim and x.shape[axis] != 3:
            raise MatrixError(
                f"cross: expected vectors of length 3 along axis {axis}, got shapes {x1.shape} and {x2.shape}"
            )
    return products.cross(x1, x2, axis=axis)
