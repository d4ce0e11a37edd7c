"""Inverses, linear systems and Cholesky factors.

Rules after M. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008), section 2, with conjugates for complex matrices; sources of the others at their place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.graph import Op, Refusal, Sample, Type, Words, register
from koubai.ops.define import arrays
from koubai.ops.matmul import adjoint, matmul
from koubai.ops.matrices import (
    MatrixError,
    at_least_matrix,
    eye,
    folded,
    matrix_batch,
    matrix_dtype,
    matrix_samples,
    mirrored,
    sandwich,
    square,
    square_refusals,
    triangle,
    well_conditioned,
)  # fmt: skip
from koubai.ops.shape import tril

__all__ = ["cholesky", "inv", "pinv", "solve", "tril_inv"]


# inv


def _inv_infer(x: Type) -> Type:
    square("inv", x)
    return Type(x.shape, matrix_dtype("inv", x))


inv = register(Op(
    "inv", np.linalg.inv, _inv_infer,
    vjp=(lambda g, y, x: -sandwich(adjoint(y), g, adjoint(y)),),
    jvp=(lambda t, y, x: -sandwich(y, t, y),),
    batch=matrix_batch,
    words=Words("Y = A^-1", "dE/dA = -Y^T G Y^T",
                "The inverse of a matrix; the gradient passes through the transposed inverse on both sides.",
                "逆行列。勾配は両側から逆行列の転置を掛け、符号を反転する。"),
    samples=matrix_samples, refuses=square_refusals(),
))  # fmt: skip


# solve


def _solve_infer(a: Type, b: Type) -> Type:
    n = square("solve", a)
    if b.ndim < 2 or b.shape[-2] != n:
        raise MatrixError(
            f"solve: expected a right side of shape (..., {n}, k) for a matrix of shape {a.shape}, got {b.shape}"
        )
    try:
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise MatrixError(f"solve: expected leading axes that broadcast, got shapes {a.shape} and {b.shape}") from None
    return Type((*stack, *b.shape[-2:]), matrix_dtype("solve", a, b))


def _solve_samples() -> list[Sample]:
    a = well_conditioned(3, 3)
    b, c = arrays((3, 2), (2, 3, 1))
    return [
        Sample((a, b)), Sample((a, c)), Sample((well_conditioned(2, 3, 3), b)), Sample((a + 0.3j * a[::-1], b)),
        Sample((np.zeros((0, 0)), np.zeros((0, 2)))),
    ]  # fmt: skip


solve = register(Op(
    "solve", np.linalg.solve, _solve_infer,
    vjp=(lambda g, y, a, b: -matmul(solve(adjoint(a), g), adjoint(y)), lambda g, y, a, b: solve(adjoint(a), g)),
    jvp=(lambda t, y, a, b: -solve(a, matmul(t, y)), lambda t, y, a, b: solve(a, t)),
    batch=matrix_batch,
    words=Words("Y = A^-1 B", "dE/dA = -A^-T G Y^T, dE/dB = A^-T G",
                "The solution of A X = B; the gradient solves the transposed system.",
                "連立一次方程式 A X = B の解。勾配は転置した方程式の解になる。"),
    samples=_solve_samples,
    refuses=lambda: [Refusal(arrays((2, 3), (2, 1)), {}, MatrixError, "square matrix"),
                     Refusal(arrays((2, 2), (3, 1)), {}, MatrixError, "right side of shape"),
                     Refusal(arrays((2, 2, 2), (3, 2, 1)), {}, MatrixError, "leading axes")],
))  # fmt: skip


# The inverse of a triangle, by halves: [[A, 0], [B, C]]^-1 = [[A^-1, 0], [-C^-1 B A^-1, C^-1]]. NumPy has no
# triangular solver, and its general one takes many times what cholesky does.

SMALL = 48


def _tril_inv(x: Any) -> Any:
    n = x.shape[-1]
    if n <= SMALL:
        return np.tril(np.linalg.inv(np.tril(x)))
    half = n // 2
    first, last = _tril_inv(x[..., :half, :half]), _tril_inv(x[..., half:, half:])
    y = np.zeros(x.shape, first.dtype)
    y[..., :half, :half], y[..., half:, half:] = first, last
    y[..., half:, :half] = -last @ x[..., half:, :half] @ first
    return y


def _tril_inv_infer(x: Type) -> Type:
    square("tril_inv", x)
    return Type(x.shape, matrix_dtype("tril_inv", x))


tril_inv = register(Op(
    "tril_inv", _tril_inv, _tril_inv_infer,
    vjp=(lambda g, y, x: -tril(sandwich(adjoint(y), g, adjoint(y)), k=0),),
    jvp=(lambda t, y, x: -sandwich(y, tril(t, k=0), y),),
    batch=matrix_batch,
    words=Words("Y = tril(A)^-1", "dE/dA = -tril(Y^T G Y^T)",
                "The inverse of a lower triangular matrix; what stands above the diagonal is not read.",
                "下三角行列の逆行列。対角より上は読まない。"),
    samples=matrix_samples, refuses=square_refusals(),
))  # fmt: skip


# cholesky. Rule: I. Murray, "Differentiation of the Cholesky decomposition" (2016), equations 8 to 10.


def _cholesky_infer(x: Type) -> Type:
    square("cholesky", x)
    return Type(x.shape, matrix_dtype("cholesky", x))


def _cholesky_vjp(g: Any, y: Any, x: Any) -> Any:
    inverse = tril_inv(y)
    inner = matmul(adjoint(y), g) * triangle(y.shape[-1], y, True)
    return folded(sandwich(adjoint(inverse), inner, inverse), True)


def _cholesky_jvp(t: Any, y: Any, x: Any) -> Any:
    inverse = tril_inv(y)
    inner = sandwich(inverse, mirrored(t, True), adjoint(inverse))
    return matmul(y, inner * triangle(y.shape[-1], y, True))


def _positive() -> list[Sample]:
    a, b = well_conditioned(3, 3), well_conditioned(2, 2, 2)
    c = a + 0.3j * a[::-1]
    products = [a @ a.T, b @ np.swapaxes(b, -1, -2), c @ c.conj().T, np.zeros((0, 0))]
    return [Sample((x,)) for x in products]


cholesky = register(Op(
    "cholesky", np.linalg.cholesky, _cholesky_infer,
    vjp=(_cholesky_vjp,), jvp=(_cholesky_jvp,), batch=matrix_batch,
    words=Words("Y = cholesky(A), A = Y Y^T",
                "dE/dA = low(S + S^T), S = Y^-T low(Y^T G) Y^-1, low(X) = tril(X) - (X ∘ I)/2",
                "The square root of a positive definite matrix as a triangle; only A's lower triangle is read, "
                "so it receives all of the gradient.",
                "正定値行列の三角分解。A の下三角だけを読むので、勾配もすべて下三角に入る。"),
    samples=_positive, refuses=square_refusals(),
))  # fmt: skip


# pinv. Rule: Golub and Pereyra, "The differentiation of pseudo-inverses" (1973), equation 4.12.


def _pinv_infer(x: Type, *, rcond: float | None) -> Type:
    m, n = at_least_matrix("pinv", x)
    return Type((*x.shape[:-2], n, m), matrix_dtype("pinv", x))


def _pinv_vjp(g: Any, y: Any, x: Any, *, rcond: float | None) -> Any:
    m, n = x.shape[-2:]
    yh, gh = adjoint(y), adjoint(g)
    left = eye(m, x) - matmul(x, y)
    right = eye(n, x) - matmul(y, x)
    through = -sandwich(yh, g, yh)
    return through + matmul(sandwich(left, gh, y), yh) + matmul(yh, sandwich(y, gh, right))


def _pinv_jvp(t: Any, y: Any, x: Any, *, rcond: float | None) -> Any:
    m, n = x.shape[-2:]
    yh, th = adjoint(y), adjoint(t)
    left = eye(m, x) - matmul(x, y)
    right = eye(n, x) - matmul(y, x)
    through = -sandwich(y, t, y)
    return through + matmul(y, sandwich(yh, th, left)) + matmul(sandwich(right, th, yh), y)


pinv = register(Op(
    "pinv", lambda x, *, rcond: np.linalg.pinv(x) if rcond is None else np.linalg.pinv(x, rcond=rcond), _pinv_infer,
    vjp=(_pinv_vjp,), jvp=(_pinv_jvp,), batch=matrix_batch,
    words=Words("Y = pinv(A)", "dE/dA = -Y^T G Y^T + (I - A Y) G^T Y Y^T + Y^T Y G^T (I - Y A)",
                "The Moore-Penrose inverse: the least-squares solution as a matrix.",
                "ムーア・ペンローズ逆行列(最小二乗解を与える行列)。ランクが変わらないかぎり微分できる。"),
    samples=lambda: [Sample((a,), {"rcond": None}) for a in
                     (*arrays((2, 3), (3, 2), (2, 3, 2)), arrays((3, 2))[0] + 1j * arrays((3, 2), seed=1)[0])],
    refuses=lambda: [Refusal((np.ones(3),), {"rcond": None}, MatrixError, "expected a matrix")],
))  # fmt: skip
