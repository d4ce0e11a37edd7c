"""Logarithms: x = 2^n m with m between sqrt(1/2) and sqrt(2), then ln x = n ln 2 + ln m."""

from __future__ import annotations

from koubai.compile.llvm import Function, Value
from koubai.compile.math import coefficients
from koubai.compile.math.exponential import LN2, LOG2_E
from koubai.compile.math.kit import Kit
from koubai.compile.math.record import VectorFunction

LOG10_E = 0.4342944819032518
LOG10_2 = {
    "float": (0.301025390625, 4.605039066518657e-06),
    "double": (0.30102999566383914, 1.42050232272661e-13),
}
SQRT_HALF_BITS = {"float": 0x3F3504F3, "double": 0x3FE6A09E667F3BCD}


def split(k: Kit, x: Value, *, subnormals: bool = True) -> tuple[Value, Value]:
    """n and m for positive finite x."""
    f, form = k.f, k.format
    anchor = 1 << form.fraction
    offset: Value = k.c(anchor + form.bias)
    if subnormals:
        lift = form.fraction + 1
        small = f.compare("olt", x, k.c(2.0 ** (1 - form.bias)))
        x = f.select(small, f.mul(x, k.c(2.0**lift)), x)
        offset = f.select(small, k.c(anchor + form.bias + lift), offset)
    # The exponent as counted from sqrt(1/2); its integer becomes a number in the fraction of 2^fraction.
    bits = f.sub(k.bits(x), k.i(SQRT_HALF_BITS[k.element] - (form.bias << form.fraction)))
    exponent = f.binary("lshr", bits, k.i(form.fraction))
    n = f.sub(k.real(f.binary("or", exponent, k.bits(k.c(anchor)))), offset)
    m = f.add(f.binary("and", bits, k.i(anchor - 1)), k.i(SQRT_HALF_BITS[k.element]))
    return n, k.real(m)


def _tail(k: Kit, u: Value) -> Value:
    """ln(1 + u) - u, which is small beside u: by a polynomial in u, or with s = u/(2 + u) from 2 artanh s."""
    f = k.f
    square = f.mul(u, u)
    tail = coefficients.LOG[k.element]
    if not k.double:
        return f.mul(square, f.muladd(u, k.polynomial(u, tail), k.c(-0.5)))
    half = f.mul(square, k.c(0.5))
    s = f.div(u, f.add(u, k.c(2.0)))
    z = f.mul(s, s)
    return f.sub(f.mul(s, f.muladd(z, k.polynomial(z, tail), half)), half)


def _specials(k: Kit, x: Value, y: Value) -> Value:
    """-inf at 0, NaN below, infinity and NaN as they are."""
    f = k.f
    y = f.select(f.compare("olt", x, k.c(float("inf"))), y, x)
    edge = f.select(f.compare("olt", x, k.c(0.0)), k.c(float("nan")), k.c(float("-inf")))
    return f.select(f.compare("ole", x, k.c(0.0)), edge, y)


def log(f: Function, x: Value) -> Value:
    k = Kit(f, x.type)
    n, m = split(k, x)
    u = f.sub(m, k.c(1.0))
    high, low = LN2[k.element]
    y = f.add(u, f.muladd(n, k.c(low), _tail(k, u)))
    return _specials(k, x, f.muladd(n, k.c(high), y))


def log2(f: Function, x: Value) -> Value:
    """u/ln 2 as u + 0.44 u, since u itself is exact."""
    k = Kit(f, x.type)
    n, m = split(k, x)
    u = f.sub(m, k.c(1.0))
    y = f.muladd(u, k.c(LOG2_E - 1.0), f.mul(_tail(k, u), k.c(LOG2_E)))
    return _specials(k, x, f.add(n, f.add(u, y)))


def log10(f: Function, x: Value) -> Value:
    """u/ln 10 as u/2 - 0.066 u, since u/2 is exact."""
    k = Kit(f, x.type)
    n, m = split(k, x)
    u = f.sub(m, k.c(1.0))
    high, low = LOG10_2[k.element]
    y = f.muladd(u, k.c(LOG10_E - 0.5), f.mul(_tail(k, u), k.c(LOG10_E)))
    y = f.muladd(u, k.c(0.5), f.muladd(n, k.c(low), y))
    return _specials(k, x, f.muladd(n, k.c(high), y))


def log1p(f: Function, x: Value) -> Value:
    """Of w = 1 + x, whose rounding error, divided by 2^n as w was, is added to m - 1."""
    k = Kit(f, x.type)
    w = f.add(x, k.c(1.0))
    lost = f.sub(x, f.sub(w, k.c(1.0)))
    n, m = split(k, w, subnormals=False)
    one = k.bits(k.c(1.0))
    scale = k.real(f.add(f.sub(k.bits(m), k.bits(w)), one))
    # Beyond, 1 is lost in x altogether, and 2^-n may be no number.
    lost = f.select(f.compare("olt", x, k.c(2.0**60)), f.mul(lost, scale), k.c(0.0))
    start = f.sub(m, k.c(1.0))
    u = f.add(start, lost)
    lost = f.sub(lost, f.sub(u, start))
    high, low = LN2[k.element]
    y = f.add(u, f.add(lost, f.muladd(n, k.c(low), _tail(k, u))))
    return k.copysign(_specials(k, w, f.muladd(n, k.c(high), y)), x)


RECORDS = (
    VectorFunction("log", log, 1.0, 1.0, "best polynomial in m - 1 (float32), in ((m - 1)/(m + 1))^2 (float64)"),
    VectorFunction("log2", log2, 1.625, 1.375, "as log", shared=True),
    VectorFunction("log10", log10, 1.25, 1.375, "as log", shared=True),
    VectorFunction("log1p", log1p, 1.125, 1.0, "as log, with the rounding of 1 + x put back", shared=True),
)
