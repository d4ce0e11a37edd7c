"""The error function and its complement."""

from __future__ import annotations

from koubai.compile.llvm import Function, Value, lanes_of, vector
from koubai.compile.math import coefficients
from koubai.compile.math.exponential import EXP_RANGE, exp_of_rest, reduce, scaled
from koubai.compile.math.kit import Kit
from koubai.compile.math.record import VectorFunction

# Up to here erf x is x times a polynomial in x^2.
NEAR = {"float": 0.875, "double": 1.0}
# From here on erf x rounds to 1, and from here on erfc x to 0.
ERF_END = {"float": 4.0, "double": 6.0}
ERFC_END = 27.5


def _near(k: Kit, x: Value) -> Value:
    """erf x - x where |x| is small."""
    return k.f.mul(x, k.polynomial(k.f.mul(x, x), coefficients.ERF[k.element]))


def erf(f: Function, x: Value) -> Value:
    """1 - e^P(|x|) for larger |x|, where P approximates ln erfc."""
    k = Kit(f, x.type)
    size = k.abs(x)
    end, start = ERF_END[k.element], NEAR[k.element]
    log_erfc = k.polynomial(f.sub(k.at_most(size, end), k.c(start)), coefficients.LOG_ERFC[k.element])
    rounded, r = reduce(k, log_erfc, k.format.bias)
    far = f.sub(k.c(1.0), f.mul(exp_of_rest(k, r, 1.0), k.power_of_two(rounded)))
    return f.select(f.compare("olt", size, k.c(start)), f.add(x, _near(k, x)), k.copysign(far, x))


def erfc(f: Function, x: Value) -> Value:
    """e^(-x^2) P(t)/(x + 3) for larger x, t being linear in 1/(x + 3); x^2 with its rounding error.

    The many roundings would show in float32, which computes in float64.
    """
    type, k = x.type, Kit(f, vector("double", lanes_of(x.type)))
    if type != k.type:
        return f.convert("fptrunc", erfc(f, f.convert("fpext", x, k.type)), type)
    size = k.at_most(k.abs(x), ERFC_END)
    square = f.mul(size, size)
    lost = k.product_error(size, size, square)
    minus = f.neg(square)
    rounded, r = reduce(k, minus, k.format.bias - 1)
    below = f.add(size, k.c(3.0))
    t = f.add(f.div(k.c(-9.25), below), k.c(1.3125))
    y = f.mul(exp_of_rest(k, f.sub(r, lost), 2.0), k.polynomial(t, coefficients.ERFC["double"]))
    far = scaled(k, minus, f.div(y, below), rounded, EXP_RANGE["double"][2])
    far = f.select(f.compare("olt", x, k.c(0.0)), f.sub(k.c(2.0), far), far)
    near = f.sub(k.c(0.5), f.add(f.sub(x, k.c(0.5)), _near(k, x)))
    return f.select(f.compare("olt", size, k.c(NEAR["double"])), near, far)


RECORDS = (
    VectorFunction("erf", erf, 1.125, 1.5, "best polynomials of erf x/x and of ln erfc x", shared=True),
    VectorFunction("erfc", erfc, 0.51, 5.5, "best polynomials of erf x/x and of e^(x^2) erfc x", shared=True),
)
