"""What the ops on matrices share: type rules, batching, diagonals, gaps between eigenvalues, and samples.

A matrix stands in the last two axes; the axes before count a stack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from koubai.errors import DTypeError, ShapeError
from koubai.graph import Op, Refusal, Sample, Type
from koubai.ops.define import arrays, ndim_of, shape_of
from koubai.ops.diagonals import diagonal_of
from koubai.ops.elementwise import absolute, where
from koubai.ops.index import getitem
from koubai.ops.matmul import adjoint, matmul, swapped
from koubai.ops.reduce import sum as total
from koubai.ops.shape import reshape

__all__ = [
    "MatrixError", "as_diagonal", "at_least_matrix", "column", "diagonal", "eye", "folded", "gap_inverses",
    "matrix_batch", "matrix_dtype", "matrix_samples", "mirrored", "part", "real_dtype", "row", "safe_inverse",
    "sandwich", "scaled", "square", "square_refusals", "trace_of_product", "triangle", "well_conditioned",
]  # fmt: skip


class MatrixError(ShapeError, np.linalg.LinAlgError):
    """A matrix of the wrong shape; also NumPy's LinAlgError."""


def matrix_dtype(name: str, *types: Type) -> np.dtype[Any]:
    """The dtype of the result: float32, float64 or the complex ones; integers count as float64."""
    for t in types:
        if t.dtype.kind not in "biufc" or t.dtype.char in "egG":
            raise DTypeError(
                f"{name}: expected numbers in single or double precision, got {t.dtype}; convert with astype"
            )
    return np.result_type(*(t.dtype if t.dtype.kind in "fc" else np.dtype(np.float64) for t in types))


def real_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of a complex number's parts."""
    return np.finfo(dtype).dtype if dtype.kind in "fc" else np.dtype(np.float64)


def square(name: str, x: Type) -> int:
    """The side of a square matrix, or an error."""
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise MatrixError(f"{name}: expected a square matrix in the last two axes, got shape {x.shape}")
    return x.shape[-1]


def at_least_matrix(name: str, x: Type) -> tuple[int, int]:
    """Rows and columns of a matrix, or an error."""
    if x.ndim < 2:
        raise MatrixError(f"{name}: expected a matrix in the last two axes, got shape {x.shape}")
    return x.shape[-2], x.shape[-1]


def matrix_batch(op: Op, size: int, batched: Sequence[bool], *xs: Any, **params: Any) -> Any:
    """The op on a stack: the new axis is one more in front of the matrices."""
    rank = max(ndim_of(x) - on for x, on in zip(xs, batched))
    aligned = [
        reshape(x, shape=(size, *(1,) * (rank - ndim_of(x) + 1), *shape_of(x)[1:])) if on else x
        for x, on in zip(xs, batched)
    ]
    return op(*aligned, **params)


def eye(n: int, like: Any) -> Any:
    """The identity matrix, in the precision of an array."""
    return np.eye(n, dtype=real_dtype(like.dtype))


def row(v: Any) -> Any:
    """Vectors as rows, which scale columns."""
    return reshape(v, shape=(*v.shape[:-1], 1, v.shape[-1]))


def column(v: Any) -> Any:
    """Vectors as columns, which scale rows."""
    return reshape(v, shape=(*v.shape, 1))


def scaled(c: Any, x: Any) -> Any:
    """Each matrix of a stack times its own number."""
    return reshape(c, shape=(*shape_of(c), 1, 1)) * x


def as_diagonal(v: Any) -> Any:
    """Diagonal matrices."""
    return column(v) * eye(v.shape[-1], v)


def diagonal(x: Any) -> Any:
    """The main diagonals."""
    return diagonal_of(x, 0, x.ndim - 2, x.ndim - 1)


def trace_of_product(a: Any, b: Any) -> Any:
    """tr(A B), without the product."""
    y = a * swapped(b)
    return total(y, axis=(y.ndim - 2, y.ndim - 1), keepdims=False)


def part(x: Any, rows: slice, columns: slice) -> Any:
    """A block of each matrix."""
    return getitem(x, pattern=(Ellipsis, rows, columns))


def triangle(n: int, like: Any, lower: bool) -> Any:
    """Ones in one triangle, halves on the diagonal."""
    half = np.tri(n, k=-1, dtype=real_dtype(like.dtype))
    np.fill_diagonal(half, 0.5)
    return half if lower else half.T


def mirrored(x: Any, lower: bool) -> Any:
    """The Hermitian matrix of which LAPACK reads one triangle."""
    kept = x * triangle(x.shape[-1], x, lower)
    return kept + adjoint(kept)


def folded(g: Any, lower: bool) -> Any:
    """The gradient of what `mirrored` reads, from the gradient of the Hermitian matrix: its adjoint."""
    return (g + adjoint(g)) * triangle(g.shape[-1], g, lower)


def _threshold(values: Any) -> Any:
    """How far apart two equal ones may be by rounding: 32 units of their sum; one number a stack."""
    scale = total(absolute(values), axis=(values.ndim - 1,), keepdims=True)
    return scale * (32 * float(np.finfo(values.dtype).eps))


def gap_inverses(w: Any) -> Any:
    """F_ij = 1/(w_j - w_i), and 0 where the two are equal to rounding."""
    gaps = row(w) - column(w)
    equal = absolute(gaps) <= column(_threshold(w))
    return where(equal, 0.0, 1.0 / where(equal, 1.0, gaps))


def safe_inverse(s: Any) -> Any:
    """1/s for singular values, and 0 where one is zero to rounding."""
    zero = s <= _threshold(s)
    return where(zero, 0.0, 1.0 / where(zero, 1.0, s))


def sandwich(a: Any, x: Any, b: Any) -> Any:
    """A X B."""
    return matmul(matmul(a, x), b)


# What the records show


def well_conditioned(*shape: int, seed: int = 0) -> Any:
    """A sample matrix, or a stack, with a dominant diagonal; with a gap between all of its eigenvalues."""
    (a,) = arrays(shape, low=-0.5, high=0.5, seed=seed)
    return a + np.diag(np.arange(1.0, shape[-1] + 1))


def square_refusals(*rest: Any, **params: Any) -> Callable[[], list[Refusal]]:
    """What an op of a square matrix refuses."""
    return lambda: [
        Refusal((*arrays((2, 3)), *rest), params, MatrixError, "square matrix"),
        Refusal((np.ones((2, 2), np.float16), *rest), params, DTypeError, "single or double precision"),
    ]


def matrix_samples() -> list[Sample]:
    """Square matrices that have an inverse: real, complex, of one element, stacks, and empty ones."""
    a = well_conditioned(3, 3)
    stacks = [Sample((well_conditioned(2, 2, 2),)), Sample((np.zeros((0, 2, 2)),)), Sample((np.zeros((0, 0)),))]
    return [Sample((a,)), Sample((a + 0.3j * a[::-1],)), Sample((np.array([[2.0]]),)), *stacks]
