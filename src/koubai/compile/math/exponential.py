"""Exponentials and what is made of one: x = n ln 2 + r with |r| <= ln(2)/2, then e^x = 2^n e^r.

n ln 2 is subtracted in two parts, the first of which has so few digits that its product with n is exact
(W. J. Cody and W. Waite, "Software Manual for the Elementary Functions", 1980).
"""

from __future__ import annotations

from koubai.compile.llvm.builder import Function, Value
from koubai.compile.math import coefficients
from koubai.compile.math.kit import Kit
from koubai.compile.math.record import VectorFunction

LOG2_E = 1.4426950408889634
LN2 = {
    "float": (0.693145751953125, 1.428606765330187e-06),
    "double": (0.6931471805598903, 5.497923018708371e-14),
}
# Beyond these e^x is 0 and infinite, and the smallest x with a normal e^x is above the third.
EXP_RANGE = {"float": (-104.0, 89.0, -86.0), "double": (-746.0, 710.0, -707.0)}


def _reduce(k: Kit, x: Value, bias: int, steps: float = LOG2_E) -> tuple[Value, Value]:
    """n + bias in the lowest bits of a number, and r = x - n/steps."""
    f = k.f
    rounder = k.rounder + bias
    rounded = f.muladd(x, k.c(steps), k.c(rounder))
    n = f.sub(rounded, k.c(rounder))
    high, low = (part * LOG2_E / steps for part in LN2[k.element])
    r = f.muladd(n, k.c(-high), x)
    return rounded, f.muladd(n, k.c(-low), r)


def _exp_of_rest(k: Kit, r: Value, scale: float) -> Value:
    """scale (1 + r + r^2 q(r))."""
    f = k.f
    one, tail = k.c(scale), [scale * c for c in coefficients.EXP[k.element]]
    if f.module.fma:
        return k.polynomial(r, [scale, scale, *tail])
    # r (1 + r q) would round the 1, which costs more than rounding r + r^2 q.
    return f.add(f.add(f.mul(f.mul(r, r), k.polynomial(r, tail)), f.mul(r, one)), one)


def exp(f: Function, x: Value) -> Value:
    """2^n e^r as 2 e^r times 2^(n-1), since 2^n may overflow alone, and in two steps where it may be subnormal."""
    k = Kit(f, x.type)
    low, high, normal = EXP_RANGE[k.element]
    x = k.at_most(k.at_least(x, low), high)
    rounded, r = _reduce(k, x, k.format.bias - 1)
    y = _exp_of_rest(k, r, 2.0)
    step = k.format.bits * 2
    tiny = f.compare("olt", x, k.c(normal))
    y = f.mul(y, k.power_of_two(rounded, f.select(tiny, k.i(step), k.i(0))))
    return f.select(tiny, f.mul(y, k.c(2.0**-step)), y)


def expit(f: Function, x: Value) -> Value:
    """e^r/(e^r + 2^-n), both scaled by 2^-c so that 2^-n does not overflow where the result is subnormal.

    The further factor does not change the quotient; it puts the roundings of both where they cost least.
    """
    k = Kit(f, x.type)
    low, _, _ = EXP_RANGE[k.element]
    scale = k.format.bits
    # 1 - 1/(1 + e^x) has long rounded to 1 at the upper bound.
    x = k.at_most(k.at_least(x, low), 0.75 * (k.format.fraction + 1))
    rounded, r = _reduce(k, x, k.format.bias - scale, -LOG2_E)
    factor = 1.46875
    y = _exp_of_rest(k, r, factor * 2.0**-scale)
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
    rounded, r = _reduce(k, size, k.format.bias, 2.0 * LOG2_E)
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


RECORDS = (
    VectorFunction("exp", exp, 1.0, 1.0, "Cody and Waite's reduction by ln 2; best polynomial"),
    VectorFunction("expit", expit, 2.0, 2.0, "as exp, in one quotient"),
    VectorFunction("tanh", tanh, 2.0, 2.2, "reduction by ln(2)/2; best odd polynomial; addition theorem"),
)
