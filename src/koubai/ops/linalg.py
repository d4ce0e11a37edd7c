"""Inverses, linear systems, determinants and Cholesky factors.

Rules after M. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008), section 2, with conjugates for complex matrices; sources of the others at their place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from koubai.errors import DTypeError
from koubai.graph import Op, Refusal, Sample, Type, Words, register
from koubai.ops.define import arrays, conjugated
from koubai.ops.elementwise import imag, real
from koubai.ops.matmul import adjoint, matmul
from koubai.ops.matrices import (
    MatrixError,
    at_least_matrix,
    eye,
    folded,
    matrix_batch,
    matrix_dtype,
    mirrored,
    real_dtype,
    sandwich,
    scaled,
    square,
    trace_of_product,
    triangle,
)  # fmt: skip
from koubai.ops.shape import tril
from koubai.ops.structure import outputs_of

__all__ = ["adjugate", "adjugate_slope", "cholesky", "det", "inv", "pinv", "slogdet", "solve", "tril_inv"]


def well_conditioned(*shape: int, seed: int = 0) -> Any:
    """A sample matrix, or a stack, with a dominant diagonal; with a gap between all of its eigenvalues."""
    (a,) = arrays(shape, low=-0.5, high=0.5, seed=seed)
    return a + np.diag(np.arange(1.0, shape[-1] + 1))


def _square_refusals(*rest: Any, **params: Any) -> Any:
    return lambda: [
        Refusal((*arrays((2, 3)), *rest), params, MatrixError, "square matrix"),
        Refusal((np.ones((2, 2), np.float16), *rest), params, DTypeError, "single or double precision"),
    ]


def _matrices() -> list[Sample]:
    a = well_conditioned(3, 3)
    stacks = [Sample((well_conditioned(2, 2, 2),)), Sample((np.zeros((0, 2, 2)),)), Sample((np.zeros((0, 0)),))]
    return [Sample((a,)), Sample((a + 0.3j * a[::-1],)), Sample((np.array([[2.0]]),)), *stacks]


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
    samples=_matrices, refuses=_square_refusals(),
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
    words=Words("X = A^-1 B", "dE/dB = A^-T G, dE/dA = -(dE/dB) X^T",
                "The solution of A X = B; the gradient solves the transposed system.",
                "連立一次方程式 A X = B の解。勾配は転置した方程式の解になる。"),
    samples=_solve_samples,
    refuses=lambda: [Refusal(arrays((2, 3), (2, 1)), {}, MatrixError, "square matrix"),
                     Refusal(arrays((2, 2), (3, 1)), {}, MatrixError, "right side of shape"),
                     Refusal(arrays((2, 2, 2), (3, 2, 1)), {}, MatrixError, "leading axes")],
))  # fmt: skip


# det, with its first derivative (the adjugate) and its second as ops of their own, right at singular matrices too


def _det_infer(x: Type) -> Type:
    square("det", x)
    return Type(x.shape[:-2], matrix_dtype("det", x))


def _det_samples(second_order: bool = True) -> list[Sample]:
    singular = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]])
    hard = [Sample((x,), second_order=second_order) for x in (singular, np.zeros((2, 2)))]
    return [*_matrices()[:4], Sample((np.eye(3),)), Sample((np.zeros((0, 0)),)), *hard]


det = register(Op(
    "det", lambda x: np.linalg.det(x)[()], _det_infer,
    vjp=(lambda g, y, x: scaled(g, adjoint(adjugate(x))),),
    jvp=(lambda t, y, x: trace_of_product(adjugate(x), t),),
    batch=matrix_batch,
    words=Words("y = det A", "dy/dA = adj(A)^T, the cofactors; y A^-T where A has an inverse",
                "The determinant; each element's derivative is its cofactor, also where the matrix is singular.",
                "行列式。各要素の微分は余因子で、特異行列でも正しい。"),
    samples=_det_samples, refuses=_square_refusals(),
))  # fmt: skip


def _split_by_condition(easy: Callable[..., Any], hard: Callable[..., Any], x: Any, *others: Any) -> Any:
    """``easy(inverse, x, *others)`` for the matrices of a stack whose inverse is known to nearly full precision,
    ``hard(x, *others)`` for the rest."""
    with np.errstate(all="ignore"):
        regular = np.linalg.det(x) != 0
        try:
            inverse = np.linalg.inv(np.where(regular[..., None, None], x, np.eye(x.shape[-1], dtype=x.dtype)))
        except np.linalg.LinAlgError:
            return hard(x, *others)
        condition = np.abs(x).sum(-1).max(-1, initial=0) * np.abs(inverse).sum(-1).max(-1, initial=0)
    good = regular & (condition < np.finfo(x.real.dtype).eps ** -0.25)
    if np.all(good):
        return easy(inverse, x, *others)
    if not np.any(good):
        return hard(x, *others)
    y = np.empty(x.shape, np.result_type(x, *others))
    y[good] = easy(inverse[good], x[good], *(other[good] for other in others))
    y[~good] = hard(x[~good], *(other[~good] for other in others))
    return y


def _products_without(s: Any) -> tuple[Any, Any]:
    """Products of all singular values but i, and of all but i and j. By logarithms, zeros counted apart."""
    zero = (s == 0).astype(s.dtype)
    logs = np.log(np.where(s == 0, 1, s))
    all_logs, zeros = logs.sum(-1, keepdims=True), zero.sum(-1, keepdims=True)
    one = np.exp(all_logs - logs) * (zeros - zero == 0)
    rest = zeros[..., None] - zero[..., None] - zero[..., None, :]
    two = np.exp(all_logs[..., None] - logs[..., None] - logs[..., None, :]) * (rest == 0)
    return one, two * (1 - np.eye(s.shape[-1], dtype=s.dtype))


def _turned(u: Any, vh: Any) -> tuple[Any, Any, Any]:
    """det(U) det(V^H), V and U^H, with which adj(U S V^H) = det(U) det(V^H) V adj(S) U^H."""
    phase = (np.linalg.det(u) * np.linalg.det(vh))[..., None, None]
    return phase, np.conj(np.swapaxes(vh, -1, -2)), np.conj(np.swapaxes(u, -1, -2))


def _adjugate(x: Any) -> Any:
    return _split_by_condition(_regular_adjugate, _singular_adjugate, x)


def _regular_adjugate(inverse: Any, x: Any) -> Any:
    return np.linalg.det(x)[..., None, None] * inverse


def _singular_adjugate(x: Any) -> Any:
    u, s, vh = np.linalg.svd(x)
    phase, v, uh = _turned(u, vh)
    return phase * (v * _products_without(s)[0][..., None, :]) @ uh


def _adjugate_slope(x: Any, t: Any) -> Any:
    return _split_by_condition(_regular_slope, _singular_slope, *np.broadcast_arrays(x, t))


def _regular_slope(inverse: Any, x: Any, t: Any) -> Any:
    turned = inverse @ t
    size = np.trace(turned, axis1=-2, axis2=-1)[..., None, None]
    return np.linalg.det(x)[..., None, None] * (size * inverse - turned @ inverse)


def _singular_slope(x: Any, t: Any) -> Any:
    u, s, vh = np.linalg.svd(x)
    phase, v, uh = _turned(u, vh)
    change = uh @ t @ v
    others = _products_without(s)[1]
    on_diagonal = (others @ np.diagonal(change, axis1=-2, axis2=-1)[..., None])[..., 0]
    core = on_diagonal[..., None] * np.eye(s.shape[-1], dtype=s.dtype) - others * change
    return phase * (v @ core @ uh)


def _adjugate_infer(x: Type) -> Type:
    square("adjugate", x)
    return Type(x.shape, matrix_dtype("adjugate", x))


adjugate = register(Op(
    "adjugate", _adjugate, _adjugate_infer,
    vjp=(lambda g, y, x: adjoint(adjugate_slope(x, adjoint(g))),),
    jvp=(lambda t, y, x: adjugate_slope(x, t),),
    batch=matrix_batch,
    words=Words("Y = adj A, the transposed cofactors", "det(A) (tr(B T) B - B T B) with B = A^-1, for a change T",
                "The matrix with A adj(A) = det(A) I, which exists for singular matrices too.",
                "余因子行列。A adj(A) = det(A) I を満たし、特異行列でも定義される。"),
    samples=lambda: _det_samples(second_order=False), refuses=_square_refusals(),
))  # fmt: skip


def _adjugate_bend(x: Any, t: Any, r: Any) -> Any:
    """The second derivative of the adjugate in the directions t and r: needs an inverse."""
    b = inv(x)
    bt, br = matmul(b, t), matmul(b, r)
    one = eye(x.shape[-1], x)
    trace_t, trace_r = trace_of_product(bt, one), trace_of_product(br, one)
    straight = scaled(trace_t * trace_r - trace_of_product(bt, br), b)
    once = scaled(trace_r, matmul(bt, b)) + scaled(trace_t, matmul(br, b))
    twice = matmul(matmul(br, bt) + matmul(bt, br), b)
    return scaled(det(x), straight - once + twice)


def _slope_infer(x: Type, t: Type) -> Type:
    n = square("adjugate_slope", x)
    if square("adjugate_slope", t) != n:
        raise MatrixError(f"adjugate_slope: expected two matrices of one size, got shapes {x.shape} and {t.shape}")
    stack = np.broadcast_shapes(x.shape[:-2], t.shape[:-2])
    return Type((*stack, n, n), matrix_dtype("adjugate_slope", x, t))


adjugate_slope = register(Op(
    "adjugate_slope", _adjugate_slope, _slope_infer,
    vjp=(lambda g, y, x, t: adjoint(_adjugate_bend(x, t, adjoint(g))),
         lambda g, y, x, t: adjoint(adjugate_slope(x, adjoint(g)))),
    jvp=(lambda r, y, x, t: _adjugate_bend(x, t, r), lambda r, y, x, t: adjugate_slope(x, r)),
    batch=matrix_batch,
    words=Words("Y = change of adj A when A changes by T", "linear in T; in A by A^-1",
                "The derivative of the adjugate: the second derivative of the determinant.",
                "余因子行列の微分。行列式の2階微分にあたる。"),
    samples=lambda: [Sample((well_conditioned(3, 3), *arrays((3, 3)))),
                     Sample((well_conditioned(2, 2, 2), *arrays((2, 2))))],
    refuses=lambda: [Refusal(arrays((2, 2), (3, 3)), {}, MatrixError, "of one size")],
))  # fmt: skip


# slogdet


def _slogdet_infer(x: Type) -> tuple[Type, Type]:
    square("slogdet", x)
    dtype = matrix_dtype("slogdet", x)
    return Type(x.shape[:-2], dtype), Type(x.shape[:-2], real_dtype(dtype))


def _slogdet_vjp(g: Any, y: Any, x: Any) -> Any:
    sign, _ = outputs_of(y)
    g_sign, g_log = g
    if x.dtype.kind == "c":
        g_log = g_log - imag(conjugated(g_sign) * sign) * 1j
    return scaled(g_log, adjoint(inv(x)))


def _slogdet_jvp(t: Any, y: Any, x: Any) -> tuple[Any, Any]:
    sign, _ = outputs_of(y)
    change = trace_of_product(inv(x), t)
    if x.dtype.kind != "c":
        return 0.0 * sign, change
    return sign * imag(change) * 1j, real(change)


slogdet = register(Op(
    "slogdet", lambda x: tuple(v[()] for v in np.linalg.slogdet(x)), _slogdet_infer,
    vjp=(_slogdet_vjp,), jvp=(_slogdet_jvp,), batch=matrix_batch,
    words=Words("(sign, ln |det A|)", "d ln|det A|/dA = A^-T",
                "Sign and logarithm of the determinant; the logarithm's gradient is the transposed inverse.",
                "行列式の符号と絶対値の対数。対数の勾配は逆行列の転置になる。"),
    samples=lambda: _matrices()[:4], refuses=_square_refusals(),
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
    words=Words("Y = L^-1, L the lower triangle of A", "dE/dA = -(lower triangle of Y^T G Y^T)",
                "The inverse of a lower triangular matrix; what stands above the diagonal is not read.",
                "下三角行列の逆行列。対角より上は読まない。"),
    samples=_matrices, refuses=_square_refusals(),
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
    words=Words("A = L L^T, L lower triangular",
                "dE/dA = L^-T (lower half of L^T G) L^-1, folded to the lower triangle",
                "The square root of a positive definite matrix as a triangle; only A's lower triangle is read, "
                "so it receives all of the gradient.",
                "正定値行列の三角分解。A の下三角だけを読むので、勾配もすべて下三角に入る。"),
    samples=_positive, refuses=_square_refusals(),
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
    words=Words("Y = A^+", "dY = -Y T Y + Y Y^T T^T (I - A Y) + (I - Y A) T^T Y^T Y for a change T of constant rank",
                "The Moore-Penrose inverse: the least-squares solution as a matrix.",
                "ムーア・ペンローズ逆行列(最小二乗解を与える行列)。ランクが変わらないかぎり微分できる。"),
    samples=lambda: [Sample((a,), {"rcond": None}) for a in
                     (*arrays((2, 3), (3, 2), (2, 3, 2)), arrays((3, 2))[0] + 1j * arrays((3, 2), seed=1)[0])],
    refuses=lambda: [Refusal((np.ones(3),), {"rcond": None}, MatrixError, "expected a matrix")],
))  # fmt: skip
