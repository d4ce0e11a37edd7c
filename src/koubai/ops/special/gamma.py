"""The gamma function, its logarithm, and the derivatives of that: digamma and polygamma; the beta function.

Large arguments by Stirling's series; the others are brought by recurrence to an interval of length one, where
a polynomial (interpolated at Chebyshev nodes with 60 digits, error below 1e-16) takes the zeros of the function
out as factors; negative ones by reflection. Polygamma is a Hurwitz zeta function, summed by Euler and
Maclaurin's formula. Relative errors of a few units in the last place of float64, absolute ones near the zeros
on the negative axis.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from koubai.graph import Op, Sample, Words
from koubai.ops.define import Through, arrays, binary, elementwise, unary
from koubai.ops.special.kernel import kernel, pieces, polynomial

__all__ = ["beta", "betaln", "digamma", "gamma", "gammaln", "polygamma"]

# ln Gamma(2 + d)/d on [-1/2, 1/2].
LN_GAMMA = (
    0.42278433509846713, 0.32246703342411326, -0.0673523010531981, 0.02058080842778038,
    -0.0073855510286719986, 0.002890510331034267, -0.0011927539118428156, 0.0005096695154115458,
    -0.00022315475400520507, 9.945767355819498e-05, -4.49263133791557e-05, 2.0505590755833454e-05,
    -9.438715099211532e-06, 4.38470440459836e-06, -2.0439048107029907e-06, 9.200527894968101e-07,
    -4.3252393445604814e-07, 2.78740805211359e-07, -1.3219945666117874e-07,
)  # fmt: skip
# psi(3/2 + d)/(3/2 + d - root) on [-1/2, 1/2], with psi's positive root as a sum of two numbers.
PSI = (
    0.951055876031833, -0.4236274212814605, 0.2405424842407742, -0.14840492305390884,
    0.09498872445494122, -0.061922133273064534, 0.04076083381242074, -0.02697579675613825,
    0.0179072524394512, -0.011908218001568644, 0.007926944646403797, -0.005279964873257405,
    0.003519006401502276, -0.002345267632540769, 0.0015566317474486838, -0.0010376374098418604,
    0.0007233266279287554, -0.0004821990530566789, 0.0002272331660987376, -0.00015148586836773365,
    0.00025968482126430747, -0.00017312261802727394,
)  # fmt: skip
PSI_ROOT, PSI_ROOT_REST = 1.4616321449683622, 9.549995429965697e-17
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)
STIRLING = tuple(b / (2 * k * (2 * k - 1)) for k, b in enumerate(BERNOULLI[:9], 1))
PSI_TAIL = tuple(-b / (2 * k) for k, b in enumerate(BERNOULLI[:9], 1))
HALF_LN_2PI = 0.5 * math.log(2.0 * math.pi)
LARGE = 10.0  # from here on Stirling's series


def _correction(x: Any) -> Any:
    """What Stirling's formula lacks of ln Gamma(x), for x >= 10."""
    return polynomial(STIRLING, 1.0 / (x * x)) / x


def _off_integer(x: Any) -> Any:
    """x minus the nearest integer: sin(pi x) and cot(pi x) depend on it only, and it is exact."""
    return x - np.rint(x)


def _cot_pi(x: Any) -> Any:
    """cot(pi x), exactly 0 half-way between the poles."""
    r = _off_integer(x)
    size = np.abs(r)
    return np.copysign(np.where(size > 0.25, np.tan(np.pi * (0.5 - size)), 1.0 / np.tan(np.pi * size)), r)


# ln |Gamma|


def _ln_gamma_stirling(x: Any) -> Any:
    return (x - 0.5) * (np.log(x) - 1.0) + (HALF_LN_2PI - 0.5) + _correction(x)


def _near_two(x: Any) -> tuple[Any, Any, Any, Any]:
    """x >= -1/2 brought near 2 by the recurrence Gamma(y) = (y - 1) Gamma(y - 1).

    Returns d, product, small and least: Gamma(x) is product Gamma(2 + d), divided by 1 + d where small, and by d
    where least. There, below 3/2 and 1/2, the argument goes up instead of down.
    """
    y, product = x.copy(), np.ones_like(x)
    while (high := y > 2.5).any():
        product = np.where(high, product * (y - 1.0), product)
        y = np.where(high, y - 1.0, y)
    small, least = y < 1.5, y < 0.5
    return np.where(least, y, np.where(small, y - 1.0, y - 2.0)), product, small, least


def _ln_gamma_middle(x: Any) -> Any:
    """For 0 < x < 10."""
    d, product, small, least = _near_two(x)
    value = d * polynomial(LN_GAMMA, d) - np.where(small, np.log1p(np.where(small, d, 0.0)), 0.0)
    return value - np.log(np.where(least, d, 1.0)) + np.log(product)


def _ln_gamma_negative(x: Any) -> Any:
    sine = np.abs(np.sin(np.pi * _off_integer(x)))
    return np.log(np.pi / sine) - gammaln_values(1.0 - x)


@kernel("gammaln")
def gammaln_values(x: Any) -> Any:
    return pieces(
        x,
        ((x > 0) & (x < LARGE), _ln_gamma_middle),
        ((x >= LARGE) & (x < np.inf), _ln_gamma_stirling),
        ((x <= 0) & (x == np.floor(x)) | np.isinf(x), lambda v: np.full_like(v, np.inf)),
        ((x < 0) & (x != np.floor(x)), _ln_gamma_negative),
    )


# Gamma


def _gamma_factors(x: Any) -> tuple[Any, Any]:
    """Gamma(x) for x >= 10 as two factors, neither of which overflows before their product does."""
    power = np.power(x, 0.5 * x)
    return power, power * np.exp(-x) * (np.exp(HALF_LN_2PI + _correction(x)) / np.sqrt(x))


def _gamma_middle(x: Any) -> Any:
    """For -1/2 <= x < 25, by the recurrence, exact at the integers as far as float64 is."""
    d, product, small, least = _near_two(x)
    value = np.exp(d * polynomial(LN_GAMMA, d)) / np.where(small, 1.0 + d, 1.0)
    return product * value / np.where(least, d, 1.0)


def _gamma_negative(x: Any) -> Any:
    y = 1.0 - x
    rounded = (1.0 - y) - x  # what 1 - x lost; the slope of ln Gamma, about ln y, puts it back
    large, rest = _gamma_factors(np.clip(y, LARGE, 200.0))  # beyond, the result is 0
    near = _gamma_middle(np.minimum(y, 24.0))
    is_near = y < 24.0
    rest = rest * (1.0 + rounded * np.log(y))
    sine = np.sin(np.pi * _off_integer(x)) * np.where(np.rint(x) % 2 == 0, 1.0, -1.0)
    return np.pi / sine / np.where(is_near, near, large) / np.where(is_near, 1.0, rest)


@kernel("gamma")
def gamma_values(x: Any) -> Any:
    def large(v: Any) -> Any:
        a, b = _gamma_factors(np.minimum(v, 200.0))
        return np.where(v > 180.0, np.inf, a * b)

    return pieces(
        x,
        (x == 0, lambda v: np.copysign(np.inf, v)),
        ((x >= -0.5) & (x < 24.0) & (x != 0), _gamma_middle),
        (x >= 24.0, large),
        ((x < -0.5) & (x != np.floor(x)), _gamma_negative),
    )


# Digamma and polygamma


def _psi_large(x: Any) -> Any:
    z = 1.0 / (x * x)
    return np.log(x) - 0.5 / x + z * polynomial(PSI_TAIL, z)


def _psi_middle(x: Any) -> Any:
    """For 0 < x < 10: from [1, 2] by psi(x + 1) = psi(x) + 1/x."""
    y, rest = x.copy(), np.zeros_like(x)
    while (high := y > 2.0).any():
        rest = np.where(high, rest + 1.0 / (y - 1.0), rest)
        y = np.where(high, y - 1.0, y)
    low = y < 1.0
    rest = np.where(low, -1.0 / y, rest)
    d = np.where(low, y - 0.5, y - 1.5)
    from_root = np.where(low, y + 1.0, y) - PSI_ROOT - PSI_ROOT_REST
    return from_root * polynomial(PSI, d) + rest


@kernel("digamma")
def digamma_values(x: Any) -> Any:
    return pieces(
        x,
        ((x > 0) & (x < LARGE), _psi_middle),
        (x >= LARGE, _psi_large),
        (x == 0, lambda v: np.copysign(np.inf, -v)),
        ((x < 0) & (x != np.floor(x)), lambda v: digamma_values(1.0 - v) - np.pi * _cot_pi(v)),
    )


def _zeta(s: int, q: Any) -> Any:
    """Hurwitz' zeta, the sum of (q + k)^-s over k >= 0, for q > 0: Euler and Maclaurin's formula."""
    terms = 12 + s // 2
    y = np.zeros_like(q)
    for k in range(terms):
        y += (q + k) ** -s
    end = q + terms
    power = end**-s
    y += end ** (1 - s) / (s - 1) + 0.5 * power
    factor = power * s / end
    for j, b in enumerate(BERNOULLI, 1):
        y += b / math.factorial(2 * j) * factor
        factor = factor * (s + 2 * j - 1) * (s + 2 * j) / (end * end)
    return y


def _cotangent_slope(s: int) -> tuple[float, ...]:
    """The derivative of order s - 1 of -cot as a polynomial in c = cot, over (s - 1)!, up to its sign.

    A derivative of c is -(1 + c^2); without the signs no two terms cancel.
    """
    q = [0, 1]
    for _ in range(s - 1):
        slope = [k * c for k, c in enumerate(q)][1:]
        q = [low + high for low, high in zip([*slope, 0, 0], [0, 0, *slope])]
    return tuple(c / math.factorial(s - 1) for c in q)


def _zeta_negative(s: int, x: Any) -> Any:
    """The same for x < 0: the sum over all integers is a slope of the cotangent, less the terms below x."""
    everything = np.pi**s * polynomial(_cotangent_slope(s), _cot_pi(x))
    return everything - (-1.0) ** s * _zeta(s, 1.0 - x)


def polygamma_values(x: Any, *, n: int) -> Any:
    scale = (-1.0) ** (n + 1) * math.factorial(n)

    @kernel("polygamma")
    def values(x: Any) -> Any:
        if n == 0:
            return digamma_values(x)
        return pieces(
            x,
            ((x > 0) & (x < np.inf), lambda v: scale * _zeta(n + 1, v)),
            (x == np.inf, lambda v: scale * np.zeros_like(v)),
            ((x <= 0) & (x == np.floor(x)), lambda v: np.full_like(v, scale * np.inf)),
            ((x < 0) & (x != np.floor(x)), lambda v: scale * _zeta_negative(n + 1, v)),
        )

    return values(x)


# Beta


def _ln_ratio(a: Any, b: Any) -> Any:
    """ln Gamma(b) - ln Gamma(a + b) for b >= 10, in which the large terms cancel on paper."""
    stirling = a * (1.0 - np.log(b)) - (a + b - 0.5) * np.log1p(a / b)
    return stirling + _correction(b) - _correction(a + b)


@kernel("betaln")
def betaln_values(a: Any, b: Any) -> Any:
    a, b = np.minimum(a, b), np.maximum(a, b)
    y = gammaln_values(a) + (gammaln_values(b) - gammaln_values(a + b))
    large = (b >= LARGE) & (a + b >= LARGE) & (a > 0)
    y[large] = gammaln_values(a[large]) + _ln_ratio(a[large], b[large])
    both = a >= LARGE
    u, v = a[both], b[both]
    share = u / v
    corrections = _correction(u) + _correction(v) - _correction(u + v)
    logs = (u - 0.5) * np.log(share / (1.0 + share)) - v * np.log1p(share)
    y[both] = logs - 0.5 * np.log(v) + HALF_LN_2PI + corrections
    y[(a == 0) & (b >= 0)] = np.inf
    y[(a > 0) & (b == np.inf)] = -np.inf
    return np.where(np.isnan(a) | np.isnan(b), np.nan, y)


@kernel("beta")
def beta_values(a: Any, b: Any) -> Any:
    moderate = (np.maximum(np.abs(a), np.abs(b)) < 80.0) & (a != 0) & (b != 0) | (np.minimum(a, b) < 0)
    total = a + b
    pole = (total <= 0) & (total == np.floor(total))
    direct = gamma_values(a) * np.where(pole, 0.0, 1.0 / gamma_values(total)) * gamma_values(b)
    return np.where(moderate, direct, np.exp(betaln_values(a, b)))


def _polygamma_samples() -> list[Sample]:
    return [Sample((x,), {"n": n}) for n in (0, 1, 2, 4) for x in arrays((3,), (2, 2), (), low=0.3, high=4.0)] + [
        Sample((-arrays((3,), low=0.2, high=0.8)[0],), {"n": 1}),
        Sample((arrays((2,), low=12.0, high=30.0)[0],), {"n": 3}),
    ]


gammaln = elementwise(
    "gammaln", gammaln_values, lambda y, x: digamma(x),
    words=Words("y = ln(|Gamma(x)|)", "dy/dx = psi(x)", "The logarithm of the gamma function; its slope is digamma.",
                "ガンマ関数の絶対値の対数。傾きはディガンマ関数。"),
    samples=unary(0.3, 4.0, complex=False),
)  # fmt: skip
gamma = elementwise(
    "gamma", gamma_values, lambda y, x: y * digamma(x),
    words=Words("y = Gamma(x)", "dy/dx = y psi(x)", "The gamma function: (n - 1)! at a positive integer n.",
                "ガンマ関数。正の整数 n では (n-1)! になる。"),
    samples=unary(0.3, 4.0, complex=False),
)  # fmt: skip
digamma = elementwise(
    "digamma", digamma_values, lambda y, x: polygamma(x, n=1),
    words=Words("y = psi(x)", "dy/dx = polygamma(1, x)", "The slope of the logarithm of the gamma function.",
                "ガンマ関数の対数の微分(ディガンマ関数)。"),
    samples=unary(0.3, 4.0, complex=False),
)  # fmt: skip
polygamma: Op = elementwise(
    "polygamma", polygamma_values, Through(lambda g, y, x, *, n: g * polygamma(x, n=n + 1)),
    words=Words("y = polygamma(n, x)", "dy/dx = polygamma(n + 1, x)",
                "The derivatives of digamma; each is the slope of the one before.",
                "ディガンマ関数の n 階微分。傾きは次の階数のもの。", symbols=("x",)),
    samples=_polygamma_samples,
)  # fmt: skip
betaln = elementwise(
    "betaln", betaln_values, lambda y, a, b: digamma(a) - digamma(a + b), lambda y, a, b: digamma(b) - digamma(a + b),
    words=Words("y = ln(|B(a, b)|)", "dy/da = psi(a) - psi(a + b), dy/db = psi(b) - psi(a + b)",
                "The logarithm of the beta function.",
                "ベータ関数の絶対値の対数。"),
    samples=binary(0.4, 3.0, complex=False),
)  # fmt: skip
beta = elementwise(
    "beta", beta_values,
    lambda y, a, b: y * (digamma(a) - digamma(a + b)), lambda y, a, b: y * (digamma(b) - digamma(a + b)),
    words=Words("y = Gamma(a) Gamma(b)/Gamma(a + b)",
                "dy/da = y (psi(a) - psi(a + b)), dy/db = y (psi(b) - psi(a + b))",
                "The beta function.",
                "ベータ関数。"),
    samples=binary(0.4, 3.0, complex=False),
)  # fmt: skip
