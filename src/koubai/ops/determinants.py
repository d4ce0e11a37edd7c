"""Determinants, with the first derivative (the adjugate) and its own as ops, right at singular matrices too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from koubai.graph import Op, Refusal, Sample, Type, Words, register
from koubai.ops.define import arrays, conjugated
from koubai.ops.elementwise import imag, real
from koubai.ops.linalg import inv
from koubai.ops.matmul import adjoint, matmul
from koubai.ops.matrices import (
    MatrixError,
    eye,
    matrix_batch,
    matrix_dtype,
    matrix_samples,
    real_dtype,
    scaled,
    square,
    square_refusals,
    trace_of_product,
    well_conditioned,
)
from koubai.ops.structure import outputs_of

__all__ = ["adjugate", "adjugate_slope", "det", "slogdet"]

# det


def _det_infer(x: Type) -> Type:
    square("det", x)
    return Type(x.shape[:-2], matrix_dtype("det", x))


def _det_samples(second_order: bool = True) -> list[Sample]:
    singular = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]])
    hard = [Sample((x,), second_order=second_order) for x in (singular, np.zeros((2, 2)))]
    return [*matrix_samples()[:4], Sample((np.eye(3),)), Sample((np.zeros((0, 0)),)), *hard]


det = register(Op(
    "det", lambda x: np.linalg.det(x)[()], _det_infer,
    vjp=(lambda g, y, x: scaled(g, adjoint(adjugate(x))),),
    jvp=(lambda t, y, x: trace_of_product(adjugate(x), t),),
    batch=matrix_batch,
    words=Words("y = det(A)", "dE/dA = g adj(A)^T",
                "The determinant; each element's derivative is its cofactor, also where the matrix is singular.",
                "行列式。各要素の微分は余因子で、特異行列でも正しい。"),
    samples=_det_samples, refuses=square_refusals(),
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
    words=Words("Y = adj(A), A Y = det(A) I", "dE/dA = det(A) (tr(B G^T) B - B G^T B)^T, B = A^-1",
                "The matrix with A adj(A) = det(A) I, which exists for singular matrices too.",
                "余因子行列。A adj(A) = det(A) I を満たし、特異行列でも定義される。"),
    samples=lambda: _det_samples(second_order=False), refuses=square_refusals(),
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
    words=Words("Y = det(A) (tr(B C) B - B C B), B = A^-1",
                "dE/dA = det(A) (((tr(B C) tr(H) - tr(B C H)) I - tr(H) B C - tr(B C) H + H B C + B C H) B)^T, "
                "dE/dC = det(A) (tr(H) B - H B)^T, H = B G^T",
                "The derivative of the adjugate: the second derivative of the determinant.",
                "余因子行列の微分。行列式の2階微分にあたる。", symbols=("A", "C")),
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
    words=Words("(s, y) = (sign(det(A)), ln(|det(A)|))", "dE/dA = g_y A^-T",
                "Sign and logarithm of the determinant; the logarithm's gradient is the transposed inverse.",
                "行列式の符号と絶対値の対数。対数の勾配は逆行列の転置になる。"),
    samples=lambda: matrix_samples()[:4], refuses=square_refusals(),
))  # fmt: skip
