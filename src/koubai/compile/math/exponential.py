"""Exponentials and what is made of one: x = n ln 2 + r with |r| <= ln(2)/2, then e^x = 2^n e^r.

n ln 2 is subtracted in two parts, the first of which has so few digits that its product with n is exact
(W. J. Cody and W. Waite, "Software Manual for the Elementary Functions", 1980).
"""

from __future__ import annotations

from koubai.compile.llvm import Function, Value
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


def reduce(k: Kit, x: Value, bias: int, steps: float = LOG2_E) -> tuple[Value, Value]:
    """n + bias in the lowest bits of a number, and r = x - n/steps."""
    f = k.f
    rounder = k.rounder + bias
    rounded = f.muladd(x, k.c(steps), k.c(rounder))
    n = f.sub(rounded, k.c(rounder))
    high, low = (part * LOG2_E / steps for part in LN2[k.element])
    r = f.muladd(n, k.c(-high), x)
    return rounded, f.muladd(n, k.c(-low), r)


def exp_of_rest(k: Kit, r: Value, scale: float) -> Value:
    """scale (1 + r + r^2 q(r))."""
    f = k.f
    one, tail = k.c(scale), [scale * c for c in coefficients.EXP[k.element]]
    if f.module.fma:
        return k.polynomial(r, [scale, scale, *tail])
    # r (1 + r q) would round the 1, which costs more than rounding r + r^2 q.
    return f.add(f.add(f.mul(f.mul(r, r), k.polynomial(r, tail)), f.mul(r, one)), one)


def scaled(k: Kit, x: Value, y: Value, rounded: Value, normal: float) -> Value:
    """2^n y/2, which may be subnormal where x is below `normal`: then in two steps."""
    f = k.f
    step = k.format.bits * 2
    tiny = f.compare("olt", x, k.c(normal))
    y = f.mul(y, k.power_of_two(rounded, f.select(tiny, k.i(step), k.i(0))))
    return f.select(tiny, f.mul(y, k.c(2.0**-step)), y)


def exp(f: Function, x: Value) -> Value:
    """2^n e^r as 2 e^r times 2^(n-1), since 2^n alone may overflow."""
    k = Kit(f, x.type)
    low, high, normal = EXP_RANGE[k.element]
    x = k.at_most(k.at_least(x, low), high)
    rounded, r = reduce(k, x, k.format.bias - 1)
    return scaled(k, x, exp_of_rest(k, r, 2.0), rounded, normal)


def exp2(f: Function, x: Value) -> Value:
    k = Kit(f, x.type)
    bias = k.format.bias
    x = k.at_most(k.at_least(x, -(bias + k.format.fraction + 2)), bias + 1.25)
    rounder = k.c(k.rounder + bias - 1)
    rounded = f.add(x, rounder)
    r = f.sub(x, f.sub(rounded, rounder))
    y = k.polynomial(r, [2.0, *(2.0 * c for c in coefficients.EXP2[k.element])])
    return scaled(k, x, y, rounded, 2 - bias)


def expm1(f: Function, x: Value) -> Value:
    """2^n r + (2^n - 1), nearly exact, plus 2^n (e^r - 1 - r); all halved, since 2^n alone may overflow."""
    k = Kit(f, x.type)
    _, high, _ = EXP_RANGE[k.element]
    inside = k.at_most(k.at_least(x, -0.75 * (k.format.fraction + 2)), high)
    rounder = k.c(k.rounder + k.format.bias - 1)
    rounded = f.muladd(inside, k.c(LOG2_E), rounder)
    n = f.sub(rounded, rounder)
    ln2, low = LN2[k.element]
    start = f.muladd(n, k.c(-ln2), inside)
    r = f.muladd(n, k.c(-low), start)
    tail = f.muladd(n, k.c(-low), f.mul(f.mul(r, r), k.polynomial(r, coefficients.EXPM1[k.element])))
    half = k.power_of_two(rounded)
    y = f.muladd(half, tail, f.muladd(half, start, f.sub(half, k.c(0.5))))
    # Where x is its own value halving it may lose a bit, and the sign of zero is lost.
    return f.select(f.compare("olt", k.abs(x), k.c(2.0 ** -(k.format.fraction + 2))), x, f.add(y, y))


RECORDS = (
    VectorFunction("exp", exp, 1.0, 1.0, "Cody and Waite's reduction by ln 2; best polynomial"),
    VectorFunction("exp2", exp2, 1.125, 1.125, "the integer part goes to the exponent; best polynomial"),
    VectorFunction("expm1", expm1, 1.25, 1.25, "as exp, with the reduction's error kept"),
)
