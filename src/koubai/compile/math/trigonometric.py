"""Sine, cosine and tangent, from best polynomials on [-pi/4, pi/4]."""

from __future__ import annotations

from koubai.compile.llvm import Function, Value, lanes_of, vector
from koubai.compile.math import coefficients
from koubai.compile.math.kit import Kit
from koubai.compile.math.record import VectorFunction
from koubai.compile.math.turns import reduce_turns


class _Angle:
    """The quarter turns of x, and the sine and the cosine of what is left, a number and its rounding error.

    In float32 the rounding error can be left out, at the cost of half a unit in the last place.
    """

    def __init__(self, k: Kit, x: Value, *, rest: bool = False) -> None:
        self.k = k
        f = k.f
        self.rest: Value | None = None
        if k.double:
            self.turns, self.r, self.rest = reduce_turns(k, x, precise=True)
        else:
            wide = Kit(f, vector("double", lanes_of(k.type)))
            turns, r, _ = reduce_turns(wide, f.convert("fpext", x, wide.type), precise=False)
            self.turns, self.r = f.convert("trunc", turns, k.integers), f.convert("fptrunc", r, k.type)
            if rest:
                lost = f.sub(r, f.convert("fpext", self.r, wide.type))
                self.rest = f.convert("fptrunc", lost, k.type)
        self.square = f.mul(self.r, self.r)

    def sine(self) -> Value:
        f, k, z = self.k.f, self.k, self.square
        tail = k.polynomial(z, coefficients.SIN[k.element])
        cube = f.mul(self.r, z)
        if self.rest is None:
            return f.muladd(cube, tail, self.r)
        return f.add(self.r, f.muladd(cube, tail, self.rest))

    def cosine(self) -> Value:
        f, k, z = self.k.f, self.k, self.square
        tail = k.polynomial(z, coefficients.COS[k.element])
        if self.rest is None:
            return f.muladd(z, f.muladd(z, tail, k.c(-0.5)), k.c(1.0))
        half = f.mul(z, k.c(0.5))
        near = f.sub(k.c(1.0), half)
        lost = f.sub(f.sub(k.c(1.0), near), half)
        rest = f.sub(f.mul(f.mul(z, z), tail), f.mul(self.r, self.rest))
        return f.add(near, f.add(lost, rest))

    def odd(self) -> Value:
        """Whether the number of quarter turns is odd."""
        f, k = self.k.f, self.k
        return f.compare("ne", f.binary("and", self.turns, k.i(1)), k.i(0))

    def signed(self, y: Value, turns: Value) -> Value:
        """-y after a half turn."""
        f, k = self.k.f, self.k
        sign = f.binary("shl", f.binary("and", turns, k.i(2)), k.i(k.format.bits - 2))
        return k.real(f.binary("xor", k.bits(y), sign))


def sin(f: Function, x: Value) -> Value:
    k = Kit(f, x.type)
    angle = _Angle(k, x)
    y = angle.signed(f.select(angle.odd(), angle.cosine(), angle.sine()), angle.turns)
    return k.tiny(x, y)


def cos(f: Function, x: Value) -> Value:
    k = Kit(f, x.type)
    angle = _Angle(k, x)
    return angle.signed(f.select(angle.odd(), angle.sine(), angle.cosine()), f.add(angle.turns, k.i(1)))


def tan(f: Function, x: Value) -> Value:
    """sin/cos, or -cos/sin after an odd number of quarter turns."""
    k = Kit(f, x.type)
    angle = _Angle(k, x, rest=True)
    sine, cosine, odd = angle.sine(), angle.cosine(), angle.odd()
    y = f.div(f.select(odd, f.neg(cosine), sine), f.select(odd, sine, cosine))
    return k.tiny(x, y)


RECORDS = (
    VectorFunction(
        "sin", sin, 1.625, 1.0, "Cody and Waite's and Payne and Hanek's reduction; best polynomials", shared=True
    ),
    VectorFunction("cos", cos, 1.625, 1.0, "as sin", shared=True),
    VectorFunction("tan", tan, 2.625, 2.5, "as sin, in one quotient", shared=True),
)
