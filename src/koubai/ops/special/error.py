"""The error function, its complement, their inverses, and the normal distribution function.

erf on [-1, 1] is x times a polynomial in x^2. Beyond, erfc(x) = e^(-x^2) r(t)/(1 + 2x) with a polynomial r
in t = (x - 3.75)/(x + 3.75), the variable of M. M. Shepherd and J. G. Laframboise, "Chebyshev approximation
of (1 + 2x) exp(x^2) erfc x in 0 <= x < inf", Math. Comp. 36 (1981). The coefficients are interpolations at
Chebyshev nodes computed with 60 digits, with errors below 1e-17. Relative error of the values: at most
4 units in the last place of float64, in the tail of erfc as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.graph import Sample, Words
from koubai.ops.define import arrays, elementwise, unary
from koubai.ops.elementwise import exp
from koubai.ops.lowering import Scalar
from koubai.ops.special.kernel import kernel, pieces, polynomial

__all__ = ["erf", "erfc", "erfcinv", "erfcx_values", "erfinv", "ndtr"]

ERF_SMALL = (
    1.1283791670955126, -0.37612638903183543, 0.11283791670945006, -0.02686617064323777,
    0.0052239776071164225, -0.0008548325975389692, 0.00012055294904839707, -1.492473690741966e-05,
    1.6447424703317362e-06, -1.6208483801871705e-07, 1.3720064546777686e-08, -7.795898827002142e-10,
)  # fmt: skip
ERFC_LARGE = (
    1.2375126308378275, -0.14024059858554702, 0.003585415485463367, 0.08227673849015155,
    -0.10880393014168702, 0.09230432116016081, -0.0586933985910498, 0.028362277422526547,
    -0.009746579541383386, 0.0017556258186400841, 0.00029371355088848313, -0.0002901538702697881,
    5.164959001061358e-05, 2.238337577009186e-05, -1.1445475445508328e-05, -9.711585302910651e-07,
    1.7538460873594971e-06, -6.168061397517599e-08, -2.606523977388044e-07, 2.8559768124792098e-08,
    3.912404498574977e-08, -7.367743757919043e-09, -4.497772869804887e-09, 1.3966141183837307e-09,
)  # fmt: skip
SLOPE = 2.0 / np.sqrt(np.pi)  # of erf at 0
SQRT_HALF = float(np.sqrt(0.5))
SQRT_HALF_REST = -4.833646656726457e-17  # what the number above lacks
SQRT_2PI = float(np.sqrt(2.0 * np.pi))


def _bell(x: Any, a: float = 1.0) -> Any:
    """e^(-a x^2); the rounding of x^2 alone would cost x^2 units in the last place."""
    high = x.astype(np.float32).astype(np.float64)
    return np.exp(-a * high * high) * np.exp(-a * (x - high) * (x + high))


def _erf_near(x: Any) -> Any:
    return x * polynomial(ERF_SMALL, x * x)


def erfcx_values(x: Any) -> Any:
    """e^(x^2) erfc(x) for x >= 0.5."""
    return polynomial(ERFC_LARGE, 1.0 - 7.5 / (x + 3.75)) / (1.0 + 2.0 * x)


def _erfc_far(x: Any) -> Any:
    x = np.minimum(x, 30.0)  # where it has long been zero
    return _bell(x) * erfcx_values(x)


@kernel("erf")
def erf_values(x: Any) -> Any:
    size = np.abs(x)
    return pieces(
        x,
        (size <= 1.0, _erf_near),
        (size > 1.0, lambda v: np.copysign(1.0 - _erfc_far(np.abs(v)), v)),
    )


@kernel("erfc")
def erfc_values(x: Any) -> Any:
    return pieces(
        x,
        (x > 0.5, _erfc_far),
        (np.abs(x) <= 0.5, lambda v: 1.0 - _erf_near(v)),
        (x < -0.5, lambda v: 2.0 - _erfc_far(-v)),
    )


def _inverse_of_tail(q: Any) -> Any:
    """The x > 0 with erfc(x) = q, for 0 < q <= 1/2: Newton's method on ln erfc, which is nearly a parabola."""
    x = np.sqrt(-np.log(q))
    for _ in range(6):
        x = np.maximum(x, 0.4)
        scaled = np.where(x > 0.5, erfcx_values(np.maximum(x, 0.5)), np.exp(x * x) * (1.0 - _erf_near(x)))
        x = x + (np.log(scaled) - x * x - np.log(q)) * scaled / SLOPE
    # One step on erfc itself, whose rounding is smaller than its logarithm's.
    return x + (erfc_values(x) / q - 1.0) * q / (SLOPE * _bell(x))


def _inverse_of_middle(p: Any) -> Any:
    """The x with erf(x) = p for |p| <= 1/2: Halley's method, whose error after each step is cubed."""
    x = p / SLOPE
    for _ in range(4):
        error = (_erf_near(x) - p) / (SLOPE * np.exp(-x * x))
        x = x - error / (1.0 + x * error)
    return x


@kernel("erfinv")
def erfinv_values(p: Any) -> Any:
    size = np.abs(p)
    return pieces(
        p,
        (size <= 0.5, _inverse_of_middle),
        ((size > 0.5) & (size < 1.0), lambda v: np.copysign(_inverse_of_tail(1.0 - np.abs(v)), v)),
        (size == 1.0, lambda v: np.copysign(np.inf, v)),
    )


@kernel("erfcinv")
def erfcinv_values(q: Any) -> Any:
    return pieces(
        q,
        ((q > 0.0) & (q < 0.5), _inverse_of_tail),
        ((q >= 0.5) & (q <= 1.5), lambda v: _inverse_of_middle(1.0 - v)),
        ((q > 1.5) & (q < 2.0), lambda v: -_inverse_of_tail(2.0 - v)),
        (q == 0.0, lambda v: np.full_like(v, np.inf)),
        (q == 2.0, lambda v: np.full_like(v, -np.inf)),
    )


def _normal_tail(u: Any) -> Any:
    """The probability above u, for u > 0.75: by the scaled function, which does not feel the rounding of u/sqrt 2."""
    u = np.minimum(u, 50.0)
    return 0.5 * _bell(u, 0.5) * erfcx_values(u * SQRT_HALF)


@kernel("ndtr")
def ndtr_values(x: Any) -> Any:
    return pieces(
        x,
        (x < -0.75, lambda v: _normal_tail(-v)),
        (np.abs(x) <= 0.75, lambda v: 0.5 + 0.5 * _erf_near(v * SQRT_HALF)),
        (x > 0.75, lambda v: 1.0 - _normal_tail(v)),
    )


def _ndtr_of(e: Any, x: Any) -> Any:
    """erfc(-x/sqrt 2)/2, with what the argument's rounding d changes: erfc(a + d) = erfc(a) (1 - d h(a)) nearly.

    In the tail a relative error of a costs 2 a^2 times as much. h(a) = -erfc'(a)/erfc(a) lies between
    a + sqrt(a^2 + 4/pi) and a + sqrt(a^2 + 2). The rounding is found by multiplying in halves.
    """
    double = x.dtype == np.float64
    bound = e.number(40 if double else 16, x)  # where the result has long been 0 or 1
    x = e.select(e.gt(x, bound), bound, e.select(e.lt(x, e.neg(bound)), e.neg(bound), x))
    mask = -(2**27) if double else -(2**12)
    word = np.dtype(np.int64 if double else np.int32)

    def halves(v: Any) -> tuple[Any, Any]:
        high = e.bits(e.both(e.bits(v, word), e.constant(mask, word)), x.dtype)
        return high, e.sub(v, high)

    factor = e.number(-SQRT_HALF, x)
    rest = e.number(-SQRT_HALF_REST if double else float(np.float32(SQRT_HALF)) - SQRT_HALF, x)
    a = e.mul(x, factor)
    (x1, x0), (f1, f0) = halves(x), halves(factor)
    d = e.add(e.add(e.sub(e.mul(x1, f1), a), e.mul(x1, f0)), e.mul(x0, f1))
    d = e.add(e.add(d, e.mul(x0, f0)), e.mul(x, rest))
    slope = e.add(a, e.sqrt(e.add(e.mul(a, a), e.number(1.6, x))))
    return e.mul(e.mul(e.number(0.5, x), e.erfc(a)), e.sub(e.number(1, x), e.mul(d, slope)))


erf = elementwise(
    "erf", erf_values, lambda y, x: SLOPE * exp(-x * x),
    lower=Scalar(lambda e, x: e.erf(x)),
    words=Words("y = erf(x)", "dy/dx = 2 e^(-x^2)/sqrt(pi)",
                "The error function; its slope is the bell curve.", "誤差関数。傾きは釣鐘型の e^(-x²) に比例する。"),
    samples=unary(complex=False),
)  # fmt: skip
erfc = elementwise(
    "erfc", erfc_values, lambda y, x: -SLOPE * exp(-x * x),
    lower=Scalar(lambda e, x: e.erfc(x)),
    words=Words("y = 1 - erf(x)", "dy/dx = -2 e^(-x^2)/sqrt(pi)",
                "The complementary error function, exact in the tail.", "相補誤差関数。裾でも桁落ちしない。"),
    samples=unary(complex=False),
)  # fmt: skip
erfinv = elementwise(
    "erfinv", erfinv_values, lambda y, x: exp(y * y) / SLOPE,
    words=Words("y = erfinv(x), erf(y) = x", "dy/dx = sqrt(pi) e^(y^2)/2",
                "The inverse of the error function.", "誤差関数の逆関数。"),
    samples=unary(-0.9, 0.9, complex=False),
)  # fmt: skip
erfcinv = elementwise(
    "erfcinv", erfcinv_values, lambda y, x: -exp(y * y) / SLOPE,
    words=Words("y = erfcinv(x), erfc(y) = x", "dy/dx = -sqrt(pi) e^(y^2)/2",
                "The inverse of the complementary error function.",
                "相補誤差関数の逆関数。"),
    samples=unary(0.1, 1.9, complex=False),
)  # fmt: skip
ndtr = elementwise(
    "ndtr", ndtr_values, lambda y, x: exp(-0.5 * x * x) / SQRT_2PI,
    lower=Scalar(_ndtr_of),
    words=Words("y = erfc(-x/sqrt(2))/2", "dy/dx = e^(-x^2/2)/sqrt(2 pi)",
                "The normal distribution function; its slope is the normal density.",
                "標準正規分布の累積分布関数。傾きは正規分布の密度。"),
    samples=lambda: [*unary(complex=False)(), Sample(arrays((2,), low=-9.0, high=-6.0))],
)  # fmt: skip
