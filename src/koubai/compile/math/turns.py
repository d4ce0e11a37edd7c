"""x = n pi/2 + r with |r| <= pi/4, in float64, for every finite x.

Up to `NEAR` n pi/2 is subtracted in parts of 33 bits, whose products with n are exact. Lanes beyond are rare; for
them, one by one, the mantissa is multiplied by those bits of 2/pi that matter (M. Payne and R. Hanek, "Radian
reduction for trigonometric functions", SIGNUM Newsletter 18, 1983).
"""

from __future__ import annotations

from koubai.compile.llvm import Module, Value, lanes_of
from koubai.compile.math.kit import Kit

__all__ = ["reduce_turns"]

NEAR = 1.6e6  # n stays below 2^20
TWO_OVER_PI = 0.6366197723675814
HALF_PI = (1.5707963267948966, 6.123233995736766e-17)
PARTS = (1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21, 8.4784276603689e-32)
TWO_PARTS = (1.5707963267341256, 6.077100506506192e-11)
# The bits of 2/pi, after 64 zeros.
BITS = (
    0x0000000000000000, 0xA2F9836E4E441529, 0xFC2757D1F534DDC0, 0xDB6295993C439041, 0xFE5163ABDEBBC561,
    0xB7246E3A424DD2E0, 0x06492EEA09D1921C, 0xFE1DEB1CB129A73E, 0xE88235F52EBB4484, 0xE99C7026B45F7E41,
    0x3991D639835339F4, 0x9C845F8BBDF9283B, 0x1FF897FFDE05980F, 0xEF2F118B5A0A6D1F, 0x6D367ECF27CB09B7,
    0x4F463F669E5FEA2D, 0x7527BAC7EBE5F17B, 0x3D0739F78A5292EA, 0x6BFB5FB11F8D5D08, 0x56033046FC7B6BAB,
)  # fmt: skip


def reduce_turns(k: Kit, x: Value, *, precise: bool) -> tuple[Value, Value, Value]:
    """n in the lowest bits of an integer, r, and what rounding r has lost; without `precise` r may be 2^-50 r off."""
    f = k.f
    rounded = f.muladd(x, k.c(TWO_OVER_PI), k.c(k.rounder))
    n = f.sub(rounded, k.c(k.rounder))
    if precise:
        r, rest = _subtract_parts(k, x, n)
    else:
        r, rest = f.muladd(n, k.c(-TWO_PARTS[1]), f.muladd(n, k.c(-TWO_PARTS[0]), x)), k.c(0.0)
    return _far_lanes(k, x, (k.bits(rounded), r, rest))


def _subtract_parts(k: Kit, x: Value, n: Value) -> tuple[Value, Value]:
    f = k.f
    r = f.muladd(n, k.c(-PARTS[0]), x)
    lost = k.c(0.0)
    for part in PARTS[1:3]:
        # Where the product is the larger of the two, the difference is exact.
        product = f.mul(n, k.c(part))
        less = f.sub(r, product)
        lost = f.add(lost, f.sub(f.sub(r, less), product))
        r = less
    rest = f.muladd(n, k.c(-PARTS[3]), lost)
    total = f.add(r, rest)
    return total, f.add(f.sub(r, total), rest)


def _far_lanes(k: Kit, x: Value, near: tuple[Value, Value, Value]) -> tuple[Value, Value, Value]:
    """The same, with the lanes beyond `NEAR` put right, if there are any."""
    f, lanes = k.f, lanes_of(k.type)
    size = k.abs(x)
    far = f.binary("and", f.compare("oge", size, k.c(NEAR)), f.compare("olt", size, k.c(float("inf"))))
    some = f.intrinsic("vector.reduce.or", far, result="i1") if lanes > 1 else far
    before, slow, after = f.block, f.new_block("far"), f.new_block("near")
    f.branch(some, slow, after)
    f.start(slow)
    _far_function(f.module)
    places = [f.variable(value) for value in (x, *near)]
    f.call("turns.far", "void", *places, f.integer(lanes))
    put_right = [f.load(place, value.type) for place, value in zip(places[1:], near)]
    slow = f.block
    f.jump(after)
    f.start(after)
    turns, r, rest = (f.phi([(value, before), (better, slow)]) for value, better in zip(near, put_right))
    return turns, r, rest


def _far_function(module: Module) -> None:
    """``void turns.far(ptr x, ptr n, ptr r, ptr rest, i64 lanes)``, which leaves near and infinite lanes alone."""
    if "turns.far" in module.functions:
        return
    arguments = [*(("ptr", name) for name in ("x", "n", "r", "rest")), ("i64", "lanes")]
    f = module.function("turns.far", arguments, "void", "noinline optnone nounwind cold", "internal")
    k = Kit(f, "double")
    *places, lanes = f.arguments
    with f.loop(0, lanes) as lane:
        x = f.load(f.offset(places[0], lane, "double"), "double")
        size = k.abs(x)
        far = f.binary("and", f.compare("oge", size, k.c(NEAR)), f.compare("olt", size, k.c(float("inf"))))
        with f.when(far):
            high, low = _product_with_bits(k, size)
            negative = f.compare("olt", x, k.c(0.0))
            for place, value in zip(places[1:], _from_fixed_point(k, high, low)):
                f.store(f.select(negative, f.neg(value), value), f.offset(place, lane, "double"))
    f.ret()


def _product_with_bits(k: Kit, size: Value) -> tuple[Value, Value]:
    """size 2/pi modulo 4 in units of 2^-126, as two words.

    With size = m 2^e, m an integer, bit i of 2/pi contributes m 2^(e-i); those of i <= e - 2 give multiples of 4.
    """
    f = k.f
    bits = k.bits(size)
    exponent = f.binary("lshr", bits, k.i(52))
    mantissa = f.binary("or", f.binary("and", bits, k.i((1 << 52) - 1)), k.i(1 << 52))
    start = f.sub(exponent, k.i(1075 - 62))
    table = f.offset(f.module.table("turns.bits", BITS, "i64"), f.binary("lshr", start, k.i(6)), "i64")
    shift = f.binary("and", start, k.i(63))
    words = [f.load(f.offset(table, j, "i64"), "i64") for j in range(4)]
    window = [f.intrinsic("fshl", words[j], words[j + 1], shift) for j in range(3)]
    wide = [f.binary("mul", f.convert("zext", mantissa, "i128"), f.convert("zext", w, "i128")) for w in window]
    halves = [
        (f.convert("trunc", f.binary("lshr", w, Value("64", "i128")), "i64"), f.convert("trunc", w, "i64"))
        for w in wide
    ]
    low = f.add(halves[1][1], halves[2][0])
    carry = f.convert("zext", f.compare("ult", low, halves[1][1]), "i64")
    return f.add(f.add(halves[0][1], halves[1][0]), carry), low


def _from_fixed_point(k: Kit, high: Value, low: Value) -> tuple[Value, Value, Value]:
    """The nearest integer, and pi/2 times the fraction as a sum of two numbers."""
    f = k.f
    turns = f.binary("lshr", f.add(high, k.i(1 << 61)), k.i(62))
    fraction = f.sub(high, f.binary("shl", turns, k.i(62)))
    # Pieces that are exact as numbers: the first is signed, the others are not.
    mask = k.i((1 << 32) - 1)
    pieces = [
        (f.binary("ashr", fraction, k.i(32)), -30),
        (f.binary("and", fraction, mask), -62),
        (f.binary("lshr", low, k.i(32)), -94),
        (f.binary("and", low, mask), -126),
    ]
    a, b, c, d = (f.mul(f.convert("sitofp", p, "double"), k.c(2.0**e)) for p, e in pieces)
    first = f.add(a, b)
    second = f.add(first, c)
    rest = f.add(f.add(f.sub(b, f.sub(first, a)), f.sub(c, f.sub(second, first))), d)
    r = f.mul(second, k.c(HALF_PI[0]))
    lost = k.product_error(second, k.c(HALF_PI[0]), r)
    lost = f.muladd(rest, k.c(HALF_PI[0]), f.muladd(second, k.c(HALF_PI[1]), lost))
    total = f.add(r, lost)
    return turns, total, f.add(f.sub(r, total), lost)
