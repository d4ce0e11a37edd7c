"""Decompositions: eigh, eig, svd, qr.

Eigenvectors and singular vectors are determined up to a sign (a phase for complex matrices), and inside the
space of a repeated eigenvalue up to any rotation. The rules follow the vectors that turn as little as possible:
no derivative along themselves. Where two values are equal to rounding, their vectors' mixing is taken as zero
instead of infinite. So gradients are right for whatever depends neither on signs and phases nor on the values'
multiplicity: at repeated values for symmetric functions of the values to first order, and for projectors on
whole spaces; other functions have no derivative there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.graph import Op, Refusal, Sample, Type, Words, register
from koubai.ops.define import arrays, conjugated
from koubai.ops.elementwise import imag, real
from koubai.ops.linalg import solve
from koubai.ops.matmul import adjoint, matmul
from koubai.ops.matrices import (
    MatrixError,
    as_diagonal,
    at_least_matrix,
    column,
    diagonal,
    folded,
    gap_inverses,
    matrix_batch,
    matrix_dtype,
    mirrored,
    part,
    real_dtype,
    row,
    safe_inverse,
    sandwich,
    square,
    triangle,
    well_conditioned,
)  # fmt: skip
from koubai.ops.shape import concatenate
from koubai.ops.structure import outputs_of

__all__ = ["eig", "eigh", "qr", "svd"]

ALL = slice(None)


# eigh


def _eigh_infer(x: Type, *, lower: bool) -> tuple[Type, Type]:
    square("eigh", x)
    dtype = matrix_dtype("eigh", x)
    return Type(x.shape[:-1], real_dtype(dtype)), Type(x.shape, dtype)


def _eigh_vjp(g: Any, y: Any, x: Any, *, lower: bool) -> Any:
    w, v = outputs_of(y)
    g_w, g_v = g
    vh = adjoint(v)
    core = as_diagonal(g_w) + gap_inverses(w) * matmul(vh, g_v)
    return folded(sandwich(v, core, vh), lower)


def _eigh_jvp(t: Any, y: Any, x: Any, *, lower: bool) -> tuple[Any, Any]:
    w, v = outputs_of(y)
    inner = sandwich(adjoint(v), mirrored(t, lower), v)
    return real(diagonal(inner)), matmul(v, gap_inverses(w) * inner)


eigh = register(Op(
    "eigh", lambda x, *, lower: tuple(np.linalg.eigh(x, "L" if lower else "U")), _eigh_infer,
    vjp=(_eigh_vjp,), jvp=(_eigh_jvp,), batch=matrix_batch,
    words=Words("(w, V) = eigh(A), A = V diag(w) V^T",
                "dE/dA = low(S + S^T), "
                "S = V (diag(g_w) + F ∘ (V^T G_V)) V^T, F[i, j] = 0 if i == j else 1/(w[j] - w[i]), "
                "low(X) = (tril(X) if lower else triu(X)) - (X ∘ I)/2",
                "Eigenvalues and eigenvectors of a symmetric matrix; only one triangle is read, so it receives "
                "all of the gradient.",
                "対称行列の固有値と固有ベクトル。片方の三角部分だけを読むので、勾配もそこに入る。"),
    samples=lambda: [Sample((well_conditioned(3, 3),), {"lower": True}),
                     Sample((well_conditioned(2, 3, 3),), {"lower": False}),
                     Sample((np.zeros((0, 0)),), {"lower": True})],
    refuses=lambda: [Refusal(arrays((2, 3)), {"lower": True}, MatrixError, "square matrix")],
))  # fmt: skip


# eig. Rule: Giles 2008, section 3.1, with vectors kept at length one and in phase.


def _eig_infer(x: Type) -> tuple[Type, Type]:
    square("eig", x)
    dtype = np.result_type(matrix_dtype("eig", x), np.complex64)
    return Type(x.shape[:-1], dtype), Type(x.shape, dtype)


def _eig(x: Any) -> tuple[Any, ...]:
    single = x.dtype.char in "fF"
    return tuple(v.astype(np.complex64 if single else np.complex128) for v in np.linalg.eig(x))


def _eig_vjp(g: Any, y: Any, x: Any) -> Any:
    w, v = outputs_of(y)
    g_w, g_v = g
    vh = adjoint(v)
    projected = matmul(vh, g_v)
    free = projected - matmul(vh, v) * row(diagonal(projected))
    core = as_diagonal(g_w) + conjugated(gap_inverses(w)) * free
    return matmul(solve(vh, core), vh)


def _eig_jvp(t: Any, y: Any, x: Any) -> tuple[Any, Any]:
    w, v = outputs_of(y)
    inner = solve(v, matmul(t, v))
    change = matmul(v, gap_inverses(w) * inner)
    along = diagonal(matmul(adjoint(v), change))
    return diagonal(inner), change - v * row(along)


eig = register(Op(
    "eig", _eig, _eig_infer,
    vjp=(_eig_vjp,), jvp=(_eig_jvp,), batch=matrix_batch,
    words=Words("(w, V) = eig(A), A = V diag(w) V^-1",
                "dE/dA = V^-T (diag(g_w) + conj(F) ∘ (P - V^T V (P ∘ I))) V^T, "
                "P = V^T G_V, F[i, j] = 0 if i == j else 1/(w[j] - w[i])",
                "Eigenvalues and eigenvectors of a general matrix, complex in general.",
                "一般の行列の固有値と固有ベクトル(一般に複素数)。"),
    samples=lambda: [Sample((well_conditioned(3, 3),)), Sample((well_conditioned(2, 2, 2),))],
    refuses=lambda: [Refusal(arrays((2, 3)), {}, MatrixError, "square matrix")],
))  # fmt: skip


# svd. Rules: J. Townsend, "Differentiating the singular value decomposition" (2016); for complex matrices
# Wan and Zhang, "Automatic differentiation for complex valued SVD" (2019).


def _svd_infer(x: Type, *, full: bool) -> tuple[Type, Type, Type]:
    m, n = at_least_matrix("svd", x)
    dtype, stack, k = matrix_dtype("svd", x), x.shape[:-2], min(m, n)
    u, vh = ((m, m), (n, n)) if full else ((m, k), (k, n))
    return Type((*stack, *u), dtype), Type((*stack, k), real_dtype(dtype)), Type((*stack, *vh), dtype)


def _leading(u: Any, k: int) -> Any:
    return u if u.shape[-1] == k else part(u, ALL, slice(k))


def _without_rest(g: Any, u: Any, k: int) -> Any:
    """The gradient of the first k columns, with what the other columns add, which follow them.

    Columns that complete a basis turn with it, and not among themselves: dU2 = -U1 dU1^H U2.
    """
    if u.shape[-1] == k:
        return g
    first, rest = part(u, ALL, slice(k)), part(u, ALL, slice(k, None))
    g_first, g_rest = part(g, ALL, slice(k)), part(g, ALL, slice(k, None))
    return g_first - matmul(rest, matmul(adjoint(g_rest), first))


def _with_rest(change: Any, u: Any, k: int) -> Any:
    """The change of all columns from the one of the first k."""
    if u.shape[-1] == k:
        return change
    first, rest = part(u, ALL, slice(k)), part(u, ALL, slice(k, None))
    return concatenate(change, -sandwich(first, adjoint(change), rest), axis=u.ndim - 1)


def _square_gaps(s: Any) -> Any:
    """1/(s_j^2 - s_i^2), 0 where equal."""
    sums = row(s) + column(s)
    gaps = gap_inverses(s)
    # where the sum is zero the gap is too, so that any other number will do for it
    return gaps / (sums + (gaps == 0))


def _svd_vjp(g: Any, y: Any, x: Any, *, full: bool) -> Any:
    u, s, vh = outputs_of(y)
    (m, n), k = x.shape[-2:], s.shape[-1]
    v = adjoint(vh)
    g_u, g_v = _without_rest(g[0], u, k), _without_rest(adjoint(g[2]), v, k)
    u, v = _leading(u, k), _leading(v, k)
    of_u, of_v = matmul(adjoint(u), g_u), matmul(adjoint(v), g_v)
    gaps = _square_gaps(s)
    straight = g[1]
    if x.dtype.kind == "c":
        straight = straight + 0.5j * imag(diagonal(of_u) - diagonal(of_v)) * safe_inverse(s)
    core = as_diagonal_of(straight, s)
    core = core + gaps * (of_u - adjoint(of_u)) * row(s) + column(s) * (gaps * (of_v - adjoint(of_v)))
    found = sandwich(u, core, adjoint(v))
    if m > k:
        found = found + matmul((g_u - matmul(u, of_u)) * row(safe_inverse(s)), adjoint(v))
    if n > k:
        found = found + matmul(u, adjoint((g_v - matmul(v, of_v)) * row(safe_inverse(s))))
    return found


def as_diagonal_of(values: Any, like: Any) -> Any:
    """Diagonal matrices in the real precision of `like`."""
    return column(values) * np.eye(like.shape[-1], dtype=like.dtype)


def _svd_jvp(t: Any, y: Any, x: Any, *, full: bool) -> tuple[Any, Any, Any]:
    u_all, s, vh = outputs_of(y)
    (m, n), k = x.shape[-2:], s.shape[-1]
    v_all = adjoint(vh)
    u, v = _leading(u_all, k), _leading(v_all, k)
    inner = sandwich(adjoint(u), t, v)
    gaps = _square_gaps(s)
    turn_u = gaps * (inner * row(s) + column(s) * adjoint(inner))
    turn_v = gaps * (column(s) * inner + adjoint(inner) * row(s))
    if x.dtype.kind == "c":
        phase = as_diagonal_of(0.5j * imag(diagonal(inner)) * safe_inverse(s), s)
        turn_u, turn_v = turn_u + phase, turn_v - phase
    d_u, d_v = matmul(u, turn_u), matmul(v, turn_v)
    if m > k:
        d_u = d_u + (matmul(t, v) - matmul(u, inner)) * row(safe_inverse(s))
    if n > k:
        d_v = d_v + (matmul(adjoint(t), u) - matmul(v, adjoint(inner))) * row(safe_inverse(s))
    return _with_rest(d_u, u_all, k), real(diagonal(inner)), adjoint(_with_rest(d_v, v_all, k))


svd = register(Op(
    "svd", lambda x, *, full: tuple(np.linalg.svd(x, full_matrices=full)), _svd_infer,
    vjp=(_svd_vjp,), jvp=(_svd_jvp,), batch=matrix_batch,
    words=Words("(U, s, V^T) = svd(A), A = U diag(s) V^T",
                "dE/dA = U (diag(g_s) + (F ∘ (P - P^T)) diag(s) + diag(s) (F ∘ (Q - Q^T))) V^T + (G_U - U P) "
                "diag(s)^-1 V^T + U diag(s)^-1 (G_V - V Q)^T, P = U^T G_U, "
                "Q = V^T G_V, F[i, j] = 0 if i == j else 1/(s[j]^2 - s[i]^2)",
                "Singular values and vectors; each singular value's gradient is the product of its two vectors.",
                "特異値分解。各特異値の勾配は、左右の特異ベクトルの積になる。"),
    samples=lambda: [Sample((arrays((3, 3))[0],), {"full": False}), Sample(arrays((2, 3)), {"full": False}),
                     Sample(arrays((2, 3, 2)), {"full": False}), Sample(arrays((3, 2)), {"full": True})],
    refuses=lambda: [Refusal((np.ones(3),), {"full": True}, MatrixError, "expected a matrix")],
))  # fmt: skip


# qr. Rule: Walter and Lehmann, "Algorithmic differentiation of linear algebra functions with application in
# optimum experimental design" (2010).


def _qr_infer(x: Type, *, full: bool) -> tuple[Type, Type]:
    m, n = at_least_matrix("qr", x)
    if m < n:
        raise MatrixError(f"qr: expected at least as many rows as columns, got shape {x.shape}")
    dtype, k = matrix_dtype("qr", x), m if full else n
    return Type((*x.shape[:-1], k), dtype), Type((*x.shape[:-2], k, n), dtype)


def _qr_vjp(g: Any, y: Any, x: Any, *, full: bool) -> Any:
    q, r = outputs_of(y)
    n = x.shape[-1]
    g_q = _without_rest(g[0], q, n)
    q, r, g_r = _leading(q, n), part(r, slice(n), ALL), part(g[1], slice(n), ALL)
    mirror = mirrored(matmul(g_r, adjoint(r)) - matmul(adjoint(q), g_q), False)
    total = g_q + matmul(q, mirror)
    return adjoint(solve(r, adjoint(total)))


def _qr_jvp(t: Any, y: Any, x: Any, *, full: bool) -> tuple[Any, Any]:
    q_all, r_all = outputs_of(y)
    m, n = x.shape[-2:]
    q, r = _leading(q_all, n), part(r_all, slice(n), ALL)
    turned = adjoint(solve(adjoint(r), adjoint(t)))
    inner = matmul(adjoint(q), turned)
    half = triangle(n, inner, False)
    stretch = inner * half + adjoint(adjoint(half) * inner)
    d_q = turned - matmul(q, stretch)
    d_r = matmul(stretch, r)
    if full and m > n:
        d_r = concatenate(d_r, 0.0 * part(r_all, slice(n, None), ALL), axis=r_all.ndim - 2)
    return _with_rest(d_q, q_all, n), d_r


qr = register(Op(
    "qr", lambda x, *, full: tuple(np.linalg.qr(x, "complete" if full else "reduced")), _qr_infer,
    vjp=(_qr_vjp,), jvp=(_qr_jvp,), batch=matrix_batch,
    words=Words("(Q, R) = qr(A), A = Q R",
                "dE/dA = (G_Q + Q (up(M) + up(M)^T)) R^-T, M = G_R R^T - Q^T G_Q, up(X) = triu(X) - (X ∘ I)/2",
                "An orthonormal basis of the columns and the triangle of their coordinates.",
                "QR分解。列空間の正規直交基底と、その座標の三角行列。"),
    samples=lambda: [Sample((well_conditioned(3, 3),), {"full": False}), Sample(arrays((4, 2)), {"full": False}),
                     Sample(arrays((2, 3, 2)), {"full": True})],
    refuses=lambda: [Refusal(arrays((2, 3)), {"full": False}, MatrixError, "as many rows")],
))  # fmt: skip
