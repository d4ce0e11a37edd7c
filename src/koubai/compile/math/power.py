"""Powers, the cube root and the length of the hypotenuse. In float32 they compute in float64 and round at the end."""

from __future__ import annotations

from koubai.compile.llvm import Function, Value, element_of, lanes_of, vector
from koubai.compile.math import coefficients
from koubai.compile.math.exponential import scaled
from koubai.compile.math.kit import Kit
from koubai.compile.math.logarithm import split
from koubai.compile.math.record import VectorFunction

INFINITY = float("inf")
# 2/ln 2 and 2/(3 ln 2), and what they lack.
LOG2_FIRST = (2.8853900817779268, 4.0710547481862066e-17)
LOG2_SECOND = (0.9617966939259756, 5.0577616648125907e-17)


def _double(f: Function, x: Value) -> Kit:
    """The kit of as many lanes of float64."""
    return Kit(f, vector("double", lanes_of(x.type)))


def _log2_short(k: Kit, x: Value) -> Value:
    """log2 x to 2^-37 of its value."""
    f = k.f
    n, m = split(k, x, subnormals=False)
    s = f.div(f.sub(m, k.c(1.0)), f.add(m, k.c(1.0)))
    return f.muladd(s, k.polynomial(f.mul(s, s), coefficients.LOG2_SHORT["double"]), n)


def _log2_long(k: Kit, x: Value) -> tuple[Value, Value]:
    """log2 x as a sum of two numbers: n + s (a + z (b + z C(z))) with s = (m - 1)/(m + 1), z = s^2."""
    f = k.f
    n, m = split(k, x)
    u, below = f.sub(m, k.c(1.0)), f.add(m, k.c(1.0))
    below_rest = f.sub(m, f.sub(below, k.c(1.0)))
    inverse = f.div(k.c(1.0), below)
    s = f.mul(u, inverse)
    back = f.mul(s, below)
    left = f.sub(f.sub(f.sub(u, back), k.product_error(s, below, back)), f.mul(s, below_rest))
    s_rest = f.mul(left, inverse)
    z = f.mul(s, s)
    z_rest = f.muladd(f.add(s, s), s_rest, k.product_error(s, s, z))
    tail = f.mul(z, k.polynomial(z, coefficients.LOG2_LONG["double"]))
    inner, inner_rest = _sum(k, k.c(LOG2_SECOND[0]), tail, k.c(LOG2_SECOND[1]))
    middle = f.mul(z, inner)
    lost = f.muladd(z, inner_rest, f.muladd(z_rest, inner, k.product_error(z, inner, middle)))
    outer, outer_rest = _sum(k, k.c(LOG2_FIRST[0]), middle, f.add(lost, k.c(LOG2_FIRST[1])))
    y = f.mul(s, outer)
    lost = f.muladd(s, outer_rest, f.muladd(s_rest, outer, k.product_error(s, outer, y)))
    return _sum(k, n, y, lost)


def _sum(k: Kit, large: Value, small: Value, rest: Value) -> tuple[Value, Value]:
    """large + small + rest as a sum of two numbers; `large` is 0 or the largest."""
    f = k.f
    total = f.add(large, small)
    return total, f.add(f.add(f.sub(large, total), small), rest)


def _whole(k: Kit, size: Value) -> Value:
    """Whether a number that is not negative is an integer."""
    f, edge = k.f, 2.0**k.format.fraction
    rounded = f.sub(f.add(size, k.c(edge)), k.c(edge))
    return f.binary("or", f.compare("oge", size, k.c(edge)), f.compare("oeq", rounded, size))


def _exponent_of_power(k: Kit, x: Value, y: Value, *, short: bool) -> tuple[Value, Value]:
    """y log2 x for x > 0 as a sum of two numbers, infinite where x is 0 or infinite."""
    f = k.f
    if short:
        logarithm, rest = _log2_short(k, x), k.c(0.0)
    else:
        logarithm, rest = _log2_long(k, x)
    logarithm = f.select(f.compare("olt", x, k.c(INFINITY)), logarithm, x)
    logarithm = f.select(f.compare("oeq", x, k.c(0.0)), k.c(-INFINITY), logarithm)
    product = f.mul(y, logarithm)
    if short:
        return product, rest
    # Where the power is 0 or infinite anyway, what the product has lost may be anything.
    lost = f.muladd(y, rest, k.product_error(y, logarithm, product))
    return product, f.select(f.compare("olt", k.abs(product), k.c(2000.0)), lost, k.c(0.0))


def _exp2_of_sum(k: Kit, x: Value, rest: Value, name: str) -> Value:
    f, bias = k.f, k.format.bias
    rounder = k.c(k.rounder + bias - 1)
    x = k.at_most(k.at_least(x, -(bias + k.format.fraction + 2)), bias + 1.25)
    rounded = f.add(x, rounder)
    r = f.add(f.sub(x, f.sub(rounded, rounder)), rest)
    y = k.polynomial(r, [2.0, *(2.0 * c for c in getattr(coefficients, name)["double"])])
    return scaled(k, x, y, rounded, 2 - bias)


def power(f: Function, x: Value, y: Value) -> Value:
    """2^(y log2 |x|) with a logarithm of more digits, and C's rules for the special cases."""
    k, type = _double(f, x), x.type
    short = element_of(type) == "float"
    if short:
        x, y = f.convert("fpext", x, k.type), f.convert("fpext", y, k.type)
    size, steps = k.abs(x), k.abs(y)
    # Beyond 2^65 every power but that of 1 is 0 or infinite.
    bounded = k.at_most(k.at_least(y, -(2.0**65)), 2.0**65)
    exponent, rest = _exponent_of_power(k, size, bounded, short=short)
    result = _exp2_of_sum(k, exponent, rest, "EXP2_SHORT" if short else "EXP2")
    whole = _whole(k, steps)
    odd = f.binary("and", whole, f.opposite(_whole(k, f.mul(steps, k.c(0.5)))))
    negative = f.compare("slt", k.bits(x), k.i(0))
    result = f.select(f.binary("and", negative, odd), f.neg(result), result)
    finite = f.binary("and", f.compare("olt", x, k.c(0.0)), f.compare("ogt", x, k.c(-INFINITY)))
    fraction = f.binary("and", finite, f.opposite(whole))
    result = f.select(fraction, k.c(float("nan")), result)
    result = f.select(f.compare("uno", x, y), k.c(float("nan")), result)
    one = f.binary("or", f.compare("oeq", y, k.c(0.0)), f.compare("oeq", x, k.c(1.0)))
    result = f.select(one, k.c(1.0), result)
    return f.convert("fptrunc", result, type) if short else result


def cbrt(f: Function, x: Value) -> Value:
    """A guess from a third of the exponent, a polynomial in its error, and a step of Newton's with an exact square."""
    k, type = _double(f, x), x.type
    short = element_of(type) == "float"
    wide = f.convert("fpext", x, k.type) if short else x
    size = k.abs(wide)
    tiny = f.compare("olt", size, k.c(2.0**-1022))
    a = f.select(tiny, f.mul(size, k.c(2.0**54)), size)
    lanes = lanes_of(k.type)
    words, floats = vector("i32", lanes), vector("float", lanes)
    top = f.convert("sitofp", f.convert("trunc", f.binary("lshr", k.bits(a), k.i(32)), words), floats)
    third = f.muladd(top, f.constant(1.0 / 3.0, floats), f.constant(CBRT_GUESS, floats))
    guess = f.convert("zext", f.convert("fptosi", third, words), k.integers)
    t = k.real(f.binary("shl", guess, k.i(32)))
    ratio = f.muladd(f.mul(t, t), f.div(t, a), k.c(-1.0))
    t = f.mul(t, k.polynomial(ratio, coefficients.CBRT["double"]))
    # Half of the digits, so that the square is exact.
    t = k.real(f.binary("and", f.add(k.bits(t), k.i(1 << 26)), k.i(-(1 << 27))))
    quotient = f.div(a, f.mul(t, t))
    t = f.muladd(t, f.div(f.sub(quotient, t), f.add(f.add(t, t), quotient)), t)
    y = k.copysign(f.select(tiny, f.mul(t, k.c(2.0**-18)), t), wide)
    regular = f.binary("and", f.compare("ogt", size, k.c(0.0)), f.compare("olt", size, k.c(INFINITY)))
    y = f.convert("fptrunc", y, type) if short else y
    return f.select(regular, y, x)


# Two thirds of the bias, in units of the upper word's last bit, less what makes the largest error least.
CBRT_GUESS = (1023 * 2 / 3 - 0.034825) * 2.0**20


def hypot(f: Function, x: Value, z: Value) -> Value:
    """sqrt(x^2 + z^2), scaled by a power of two where squares may overflow or vanish."""
    k, type = _double(f, x), x.type
    short = element_of(type) == "float"
    if short:
        x, z = f.convert("fpext", x, k.type), f.convert("fpext", z, k.type)
    a, b = k.abs(x), k.abs(z)
    larger = f.compare("ogt", a, b)
    a, b = f.select(larger, a, b), f.select(larger, b, a)
    huge, small = f.compare("ogt", a, k.c(2.0**500)), f.compare("olt", a, k.c(2.0**-500))
    down = f.select(huge, k.c(2.0**-600), f.select(small, k.c(2.0**600), k.c(1.0)))
    up = f.select(huge, k.c(2.0**600), f.select(small, k.c(2.0**-600), k.c(1.0)))
    a, b = f.mul(a, down), f.mul(b, down)
    y = f.mul(f.intrinsic("sqrt", f.muladd(a, a, f.mul(b, b))), up)
    y = f.select(f.compare("uno", x, z), k.c(float("nan")), y)
    infinite = f.binary("or", f.compare("oeq", k.abs(x), k.c(INFINITY)), f.compare("oeq", k.abs(z), k.c(INFINITY)))
    y = f.select(infinite, k.c(INFINITY), y)
    return f.convert("fptrunc", y, type) if short else y


RECORDS = (
    VectorFunction("pow", power, 0.55, 1.25, "2^(y log2 x), in float64 and in twice its digits", shared=True, arity=2),
    VectorFunction(
        "cbrt", cbrt, 0.51, 0.7, "best polynomial after a third of the exponent; Newton's step", shared=True
    ),
    VectorFunction("hypot", hypot, 0.51, 1.25, "in float64, scaled", shared=True, arity=2),
)
