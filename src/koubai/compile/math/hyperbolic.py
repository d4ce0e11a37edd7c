"""Hyperbolic sine and cosine, and the inverse hyperbolic functions as logarithms."""

from __future__ import annotations

from koubai.compile.llvm import Function, Value
from koubai.compile.math import coefficients
from koubai.compile.math.exponential import exp_of_rest, reduce
from koubai.compile.math.kit import Kit
from koubai.compile.math.logarithm import log1p
from koubai.compile.math.record import VectorFunction

LN2 = 0.6931471805599453
FAR = 2.0**60  # the square does not overflow, and 1 + x is x
OVERFLOW = {"float": 90.0, "double": 711.0}


def _half_exponentials(k: Kit, size: Value) -> tuple[Value, Value]:
    """e^size/2, which overflows no sooner than the result, and e^-size/2."""
    f = k.f
    rounded, r = reduce(k, k.at_most(size, OVERFLOW[k.element]), k.format.bias - 2)
    grows = f.mul(exp_of_rest(k, r, 2.0), k.power_of_two(rounded))
    return grows, f.div(k.c(0.25), grows)


def cosh(f: Function, x: Value) -> Value:
    k = Kit(f, x.type)
    return f.add(*_half_exponentials(k, k.abs(x)))


def sinh(f: Function, x: Value) -> Value:
    """By an odd polynomial up to 1, where the exponentials' difference would lose digits."""
    k = Kit(f, x.type)
    size = k.abs(x)
    far = f.sub(*_half_exponentials(k, size))
    near = k.odd_polynomial(x, coefficients.SINH[k.element])
    return f.select(f.compare("olt", size, k.c(1.0)), near, k.copysign(far, x))


def asinh(f: Function, x: Value) -> Value:
    """ln(1 + a + a^2/(1 + sqrt(1 + a^2))) with a = |x|; for large a ln a + ln 2."""
    k = Kit(f, x.type)
    size = k.abs(x)
    far = f.compare("ogt", size, k.c(FAR))
    a = f.select(far, k.c(1.0), size)
    square = f.mul(a, a)
    root = f.intrinsic("sqrt", f.add(square, k.c(1.0)))
    near = f.add(a, f.div(square, f.add(root, k.c(1.0))))
    return k.copysign(_log1p_or_log_2x(k, far, size, near), x)


def acosh(f: Function, x: Value) -> Value:
    """ln(1 + a + sqrt(2 a + a^2)) with a = x - 1; for large x ln x + ln 2."""
    k = Kit(f, x.type)
    far = f.compare("ogt", x, k.c(FAR))
    a = f.sub(f.select(far, k.c(1.0), x), k.c(1.0))
    near = f.add(a, f.intrinsic("sqrt", f.muladd(a, a, f.add(a, a))))
    y = _log1p_or_log_2x(k, far, x, near)
    return f.select(f.compare("olt", x, k.c(1.0)), k.c(float("nan")), y)


def _log1p_or_log_2x(k: Kit, far: Value, x: Value, near: Value) -> Value:
    """ln(1 + near), or ln 2x where x is so large that adding 1 changes nothing."""
    f = k.f
    return f.add(log1p(f, f.select(far, x, near)), f.select(far, k.c(LN2), k.c(0.0)))


def atanh(f: Function, x: Value) -> Value:
    """ln(1 + 2 a/(1 - a))/2 with a = |x|."""
    k = Kit(f, x.type)
    a = k.abs(x)
    y = f.mul(log1p(f, f.div(f.add(a, a), f.sub(k.c(1.0), a))), k.c(0.5))
    return k.copysign(k.tiny(x, y), x)


RECORDS = (
    VectorFunction("cosh", cosh, 1.5, 1.5, "as exp", shared=True),
    VectorFunction("sinh", sinh, 1.75, 1.75, "as exp; best odd polynomial up to 1", shared=True),
    VectorFunction("asinh", asinh, 1.875, 1.75, "by log1p", shared=True),
    VectorFunction("acosh", acosh, 2.125, 2.0, "by log1p", shared=True),
    VectorFunction("atanh", atanh, 2.25, 1.875, "by log1p", shared=True),
)
