"""Functions between two limits, as one quotient of exponentials, and the logarithms of such."""

from __future__ import annotations

from koubai.compile.llvm import Function, Value
from koubai.compile.math import coefficients
from koubai.compile.math.exponential import EXP_RANGE, LOG2_E, exp, exp_of_rest, reduce
from koubai.compile.math.kit import Kit
from koubai.compile.math.logarithm import log1p
from koubai.compile.math.record import VectorFunction


def expit(f: Function, x: Value) -> Value:
    """e^r/(e^r + 2^-n), both scaled by 2^-c so that 2^-n does not overflow where the result is subnormal.

    The further factor does not change the quotient; it puts the roundings of both where they cost least.
    """
    k = Kit(f, x.type)
    low, _, _ = EXP_RANGE[k.element]
    scale = k.format.bits
    # 1 - 1/(1 + e^x) has long rounded to 1 at the upper bound.
    x = k.at_most(k.at_least(x, low), 0.75 * (k.format.fraction + 1))
    rounded, r = reduce(k, x, k.format.bias - scale, -LOG2_E)
    factor = 1.46875
    y = exp_of_rest(k, r, factor * 2.0**-scale)
    return f.div(y, f.muladd(k.power_of_two(rounded), k.c(factor), y))


def tanh(f: Function, x: Value) -> Value:
    """With t = tanh r, s = 2^n and |x| = n ln(2)/2 + r: ((s + 1) t + s - 1)/((s - 1) t + s + 1).

    For small x the denominator is 2 exactly and the error is that of t. For larger x it is computed as
    the numerator plus 2 (1 - t), so that the numerator's rounding nearly leaves the quotient. All is scaled by
    a factor that puts the roundings where they cost least.
    """
    k = Kit(f, x.type)
    # 1 - tanh x is below a quarter of a unit in the last place there.
    size = k.at_most(k.abs(x), 0.375 * (k.format.fraction + 2))
    rounded, r = reduce(k, size, k.format.bias, 2.0 * LOG2_E)
    square = f.mul(r, r)
    t = f.muladd(f.mul(r, square), k.polynomial(square, coefficients.TANH[k.element]), r)
    factor = k.c(1.25)
    s = k.power_of_two(rounded)
    plus = f.muladd(s, factor, factor)
    minus = f.muladd(s, factor, k.c(-1.25))
    above = f.muladd(plus, t, minus)
    far = f.add(above, f.muladd(t, k.c(-2.5), k.c(2.5)))
    below = f.select(f.compare("olt", size, k.c(0.5)), f.muladd(minus, t, plus), far)
    return k.copysign(f.div(above, below), x)


def softplus(f: Function, x: Value) -> Value:
    """ln(1 + e^x) as max(x, 0) + ln(1 + e^-|x|)."""
    k = Kit(f, x.type)
    rest = log1p(f, exp(f, f.neg(k.abs(x))))
    return f.add(k.at_least(x, 0.0), rest)


def log_expit(f: Function, x: Value) -> Value:
    """ln(1/(1 + e^-x)) as min(x, 0) - ln(1 + e^-|x|)."""
    return f.neg(softplus(f, f.neg(x)))


RECORDS = (
    VectorFunction("expit", expit, 2.5, 2.5, "as exp, in one quotient"),
    VectorFunction("tanh", tanh, 2.125, 2.5, "reduction by ln(2)/2; best odd polynomial; addition theorem"),
    VectorFunction("softplus", softplus, 1.75, 1.75, "by exp and log1p", shared=True),
    VectorFunction("log_expit", log_expit, 1.75, 1.75, "by exp and log1p", shared=True),
)
