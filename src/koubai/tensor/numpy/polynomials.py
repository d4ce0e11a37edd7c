"""NumPy's polynomials: coefficients, the highest power first."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.errors import ShapeError
from koubai.ops import elementwise as e
from koubai.ops import reduce as r
from koubai.ops import shape as s
from koubai.tensor.numpy import linalg
from koubai.tensor.numpy.arguments import arrayed, concrete, like_numpy, operand
from koubai.tensor.numpy.join import concatenate
from koubai.tensor.numpy.products import convolve, matmul, outer
from koubai.tensor.numpy.shape import atleast_1d, vander

__all__ = [
    "poly", "polyadd", "polyder", "polydiv", "polyfit", "polyint", "polymul", "polysub", "polyval", "roots",
]  # fmt: skip

COMPANION = (
    "How many roots there are depends on which coefficients are 0: compute them outside of the traced function, or "
    "take kb.numpy.linalg.eigvals of the companion matrix"
)


@like_numpy
def polyval(p: Any, x: Any) -> Any:
    """The polynomial with coefficients p at x, by Horner's scheme. As `numpy.polyval`."""
    p, x = arrayed(p), operand(x)
    y = 0.0 * x
    for k in range(p.shape[0]):
        y = y * x + p[k]
    return y


def _sum_of(a1: Any, a2: Any, sign: float) -> Any:
    a, b = atleast_1d(arrayed(a1), arrayed(a2))
    n = max(a.shape[0], b.shape[0])
    a, b = (s.pad(x, width=((n - x.shape[0], 0),)) for x in (a, b))
    return a + b if sign > 0 else a - b


@like_numpy
def polyadd(a1: Any, a2: Any) -> Any:
    """The coefficients of a sum of polynomials. As `numpy.polyadd`."""
    return _sum_of(a1, a2, 1)


@like_numpy
def polysub(a1: Any, a2: Any) -> Any:
    """The coefficients of a difference of polynomials. As `numpy.polysub`."""
    return _sum_of(a1, a2, -1)


@like_numpy
def polymul(a1: Any, a2: Any) -> Any:
    """The coefficients of a product of polynomials. As `numpy.polymul`."""
    return convolve(*atleast_1d(arrayed(a1), arrayed(a2)))


@like_numpy
def polyder(p: Any, m: int = 1) -> Any:
    """The coefficients of the m-th derivative. As `numpy.polyder`."""
    p = arrayed(p)
    for _ in range(m):
        p = p[:-1] * np.arange(p.shape[0] - 1, 0, -1)
    return p


@like_numpy
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """The coefficients of the m-th antiderivative, with constants k. As `numpy.polyint`."""
    p = arrayed(p)
    constants = np.zeros(m) if k is None else k
    for j in range(m):
        c = constants if m == 1 and np.ndim(concrete("polyint", constants)) == 0 else constants[j]
        p = concatenate([p / np.arange(p.shape[0], 0, -1), s.reshape(arrayed(c), shape=(1,))])
    return p


@like_numpy
def polydiv(u: Any, v: Any) -> Any:
    """Quotient and remainder of polynomials. As `numpy.polydiv`."""
    u, v = (x * 1.0 for x in atleast_1d(arrayed(u), arrayed(v)))
    steps = u.shape[0] - v.shape[0] + 1
    quotient, rest = [], u
    for k in range(steps):
        quotient.append(rest[k : k + 1] / v[:1])
        rest = rest - s.pad(quotient[-1] * v, width=((k, steps - 1 - k),))
    value = np.asarray(concrete("polydiv", rest))
    start = 0
    while start < len(value) - 1 and np.allclose(value[start], 0, rtol=1e-14):
        start += 1
    return concatenate(quotient) if quotient else 0.0 * u[:1], rest[start:]


@like_numpy
def poly(seq_of_zeros: Any) -> Any:
    """The coefficients of the polynomial with these roots, or of a matrix's characteristic one. As `numpy.poly`."""
    zeros = atleast_1d(arrayed(seq_of_zeros))
    real = zeros.dtype.kind != "c"
    if zeros.ndim == 2 and zeros.shape[0] == zeros.shape[1] != 0:
        zeros = linalg.eigvals(zeros)
    elif zeros.ndim != 1:
        raise ShapeError(f"poly: expected roots in one axis or a square matrix, got shape {tuple(zeros.shape)}")
    if zeros.shape[0] == 0:
        return 1.0
    y: Any = np.ones(1, zeros.dtype)
    for k in range(zeros.shape[0]):
        y = convolve(y, concatenate([np.ones(1, zeros.dtype), -zeros[k : k + 1]]))
    return e.real(y) if real and y.dtype.kind == "c" else y


@like_numpy
def roots(p: Any) -> Any:
    """The roots of a polynomial: the eigenvalues of its companion matrix. As `numpy.roots`."""
    p = atleast_1d(arrayed(p))
    if p.ndim != 1:
        raise ShapeError(f"roots: expected coefficients in one axis, got shape {tuple(p.shape)}")
    places = np.nonzero(concrete("roots", p, COMPANION))[0]
    if places.size == 0:
        return 0.0 * p[:0]
    zeros = np.zeros(p.shape[0] - 1 - int(places[-1]))
    p = p[int(places[0]) : int(places[-1]) + 1] * 1.0
    n = p.shape[0] - 1
    if n == 0:
        return zeros
    below = np.eye(n - 1, n, dtype=p.dtype)
    found = linalg.eigvals(concatenate([s.reshape(-p[1:] / p[0], shape=(1, n)), below]))
    return concatenate([found, zeros]) if zeros.size else found


@like_numpy
def polyfit(x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None,
            cov: Any = False) -> Any:  # fmt: skip
    """The polynomial of a degree with the least sum of squared deviations, by `linalg.lstsq`. As `numpy.polyfit`."""
    x, y = arrayed(x) * 1.0, arrayed(y) * 1.0
    if x.ndim != 1 or y.ndim not in (1, 2) or x.shape[0] != y.shape[0] or x.shape[0] == 0:
        raise ShapeError(f"polyfit: expected n places and n values, got shapes {tuple(x.shape)} and {tuple(y.shape)}")
    rcond = x.shape[0] * np.finfo(x.dtype).eps if rcond is None else rcond
    a = vander(x, int(deg) + 1)
    if w is not None:
        w = arrayed(w) * 1.0
        a, y = a * s.reshape(w, shape=(-1, 1)), y * (w if y.ndim == 1 else s.reshape(w, shape=(-1, 1)))
    scale = e.sqrt(r.sum(e.square(a), axis=(0,), keepdims=False))
    a = a / scale
    c, residuals, rank, sizes = linalg.lstsq(a, y, rcond)
    c = c / (scale if c.ndim == 1 else s.reshape(scale, shape=(-1, 1)))
    if full:
        return c, residuals, rank, sizes, rcond
    if not cov:
        return c
    base = linalg.inv(matmul(s.transpose(a, axes=(1, 0)), a)) / outer(scale, scale)
    if y.ndim == 2:
        base = s.reshape(base, shape=(*base.shape, 1))
    if cov != "unscaled":
        if x.shape[0] <= a.shape[1]:
            raise ShapeError(f"polyfit: expected more than {a.shape[1]} points for a covariance, got {x.shape[0]}")
        base = base * (residuals / (x.shape[0] - a.shape[1]))
    return c, base
