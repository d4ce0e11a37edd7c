"""The inverse trigonometric functions, from best odd polynomials."""

from __future__ import annotations

from koubai.compile.llvm import Function, Value
from koubai.compile.math import coefficients
from koubai.compile.math.kit import Kit
from koubai.compile.math.record import VectorFunction

# pi/2 and what it lacks, in the type.
HALF_PI = {"float": (1.5707963705062866, -4.371139000186241e-08), "double": (1.5707963267948966, 6.123233995736766e-17)}


def _odd_parts(k: Kit, x: Value, tail: tuple[float, ...]) -> Value:
    """x^3 P(x^2): an odd function without its first term."""
    f = k.f
    z = f.mul(x, x)
    return f.mul(f.mul(x, z), k.polynomial(z, tail))


def atan(f: Function, x: Value) -> Value:
    """pi/2 - atan 1/x beyond 1."""
    k = Kit(f, x.type)
    high, low = HALF_PI[k.element]
    size = k.abs(x)
    far = f.compare("ogt", size, k.c(1.0))
    t = f.div(f.select(far, k.c(-1.0), size), f.select(far, size, k.c(1.0)))
    rest = f.add(_odd_parts(k, t, coefficients.ATAN[k.element]), f.select(far, k.c(low), k.c(0.0)))
    return k.copysign(f.add(f.select(far, k.c(high), k.c(0.0)), f.add(t, rest)), x)


def atan2(f: Function, y: Value, x: Value) -> Value:
    """The angle of the smaller over the larger of |y| and |x|, and the octant."""
    k = Kit(f, x.type)
    high, low = HALF_PI[k.element]
    height, width = k.abs(y), k.abs(x)
    steep = f.compare("ogt", height, width)
    above, below = f.select(steep, width, height), f.select(steep, height, width)
    t = f.div(above, below)
    # 0/0 counts as 0, infinity over infinity as 1.
    t = f.select(f.compare("oeq", height, width), f.select(f.compare("oeq", height, k.c(0.0)), height, k.c(1.0)), t)
    left = f.compare("slt", k.bits(x), k.i(0))
    turned = f.binary("xor", steep, left)
    t = f.select(turned, f.neg(t), t)
    quarters = f.select(steep, k.c(1.0), f.select(left, k.c(2.0), k.c(0.0)))
    rest = f.muladd(quarters, k.c(low), _odd_parts(k, t, coefficients.ATAN[k.element]))
    angle = f.add(f.mul(quarters, k.c(high)), f.add(t, rest))
    return f.select(f.compare("uno", x, y), f.add(x, y), k.copysign(angle, y))


def _root(k: Kit, size: Value) -> tuple[Value, Value]:
    """s = sqrt((1 - size)/2) and asin s - s."""
    f = k.f
    z = f.muladd(size, k.c(-0.5), k.c(0.5))
    s = f.intrinsic("sqrt", z)
    return s, f.mul(f.mul(s, z), k.polynomial(z, coefficients.ASIN[k.element]))


def asin(f: Function, x: Value) -> Value:
    """pi/2 - 2 asin sqrt((1 - |x|)/2) beyond 1/2."""
    k = Kit(f, x.type)
    high, low = HALF_PI[k.element]
    size = k.abs(x)
    near = k.odd_polynomial(x, coefficients.ASIN[k.element])
    s, rest = _root(k, size)
    twice = f.add(s, s)
    most = f.sub(k.c(high), twice)
    lost = f.sub(f.sub(k.c(high), most), twice)
    far = f.add(most, f.add(lost, f.muladd(rest, k.c(-2.0), k.c(low))))
    return f.select(f.compare("ole", size, k.c(0.5)), near, k.copysign(far, x))


def acos(f: Function, x: Value) -> Value:
    """pi/2 - asin x up to 1/2; beyond, 2 asin sqrt((1 - x)/2), and for negative x pi minus that of -x."""
    k = Kit(f, x.type)
    high, low = HALF_PI[k.element]
    size = k.abs(x)
    near = f.sub(k.c(high), f.sub(x, f.sub(k.c(low), _odd_parts(k, x, coefficients.ASIN[k.element]))))
    s, rest = _root(k, size)
    half = f.add(s, rest)
    far = f.add(half, half)
    back = f.sub(k.c(2.0 * high), f.sub(far, k.c(2.0 * low)))
    far = f.select(f.compare("olt", x, k.c(0.0)), back, far)
    return f.select(f.compare("ole", size, k.c(0.5)), near, far)


RECORDS = (
    VectorFunction("atan", atan, 1.375, 1.375, "best odd polynomial on [-1, 1]", shared=True),
    VectorFunction("atan2", atan2, 1.625, 1.625, "as atan", shared=True, arity=2),
    VectorFunction("asin", asin, 1.25, 1.25, "best odd polynomial on [-1/2, 1/2]", shared=True),
    VectorFunction("acos", acos, 1.25, 1.25, "as asin", shared=True),
)
