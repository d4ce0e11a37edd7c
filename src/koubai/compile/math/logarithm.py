"""Logarithms: x = 2^n m with m between sqrt(1/2) and sqrt(2), then ln x = n ln 2 + ln m."""

from __future__ import annotations

from koubai.compile.llvm.builder import Function, Value
from koubai.compile.math import coefficients
from koubai.compile.math.exponential import LN2
from koubai.compile.math.kit import Kit
from koubai.compile.math.record import VectorFunction

SQRT_HALF_BITS = {"float": 0x3F3504F3, "double": 0x3FE6A09E667F3BCD}


def _split(k: Kit, x: Value) -> tuple[Value, Value]:
    """n and m - 1 for positive finite x."""
    f, form = k.f, k.format
    lift = form.fraction + 1
    subnormal = f.compare("olt", x, k.c(2.0 ** (1 - form.bias)))
    x = f.select(subnormal, f.mul(x, k.c(2.0**lift)), x)
    # The exponent as counted from sqrt(1/2); its integer becomes a number in the fraction of 2^fraction.
    bits = f.sub(k.bits(x), k.i(SQRT_HALF_BITS[k.element] - (form.bias << form.fraction)))
    anchor = 1 << form.fraction
    exponent = f.binary("lshr", bits, k.i(form.fraction))
    n = f.sub(
        k.real(f.binary("or", exponent, k.bits(k.c(anchor)))),
        f.select(subnormal, k.c(anchor + form.bias + lift), k.c(anchor + form.bias)),
    )
    m = f.add(f.binary("and", bits, k.i(anchor - 1)), k.i(SQRT_HALF_BITS[k.element]))
    return n, f.sub(k.real(m), k.c(1.0))


def _log_specials(k: Kit, x: Value, y: Value) -> Value:
    """-inf at 0, NaN below, infinity and NaN as they are."""
    f = k.f
    y = f.select(f.compare("olt", x, k.c(float("inf"))), y, x)
    edge = f.select(f.compare("olt", x, k.c(0.0)), k.c(float("nan")), k.c(float("-inf")))
    return f.select(f.compare("ole", x, k.c(0.0)), edge, y)


def log(f: Function, x: Value) -> Value:
    """With u = m - 1: u - u^2/2 + u^3 P(u) in float32; in float64 as 2 artanh s of s = u/(2 + u)."""
    k = Kit(f, x.type)
    n, u = _split(k, x)
    high, low = (k.c(part) for part in LN2[k.element])
    tail = coefficients.LOG[k.element]
    square = f.mul(u, u)
    if k.double:
        # 2 artanh s = u - s (u - R), and u = u^2/2 + s u^2/2: what is rounded is small beside u.
        s = f.div(u, f.add(u, k.c(2.0)))
        half = f.mul(square, k.c(0.5))
        z = f.mul(s, s)
        rest = f.muladd(z, k.polynomial(z, tail), half)
        y = f.sub(f.muladd(s, rest, f.mul(n, low)), half)
    else:
        y = f.mul(square, f.muladd(u, k.polynomial(u, tail), k.c(-0.5)))
        y = f.muladd(n, low, y)
    return _log_specials(k, x, f.muladd(n, high, f.add(u, y)))


RECORDS = (
    VectorFunction("log", log, 1.0, 1.0, "best polynomial in m - 1 (float32), in ((m - 1)/(m + 1))^2 (float64)"),
)
