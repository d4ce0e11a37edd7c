"""What the formulas need of a floating-point type: constants, the bits of a number, polynomials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from koubai.compile.llvm import Function, Value, element_of, lanes_of, vector

__all__ = ["Kit"]


@dataclass(frozen=True, slots=True)
class Format:
    """The layout of an IEEE number."""

    bits: int
    fraction: int
    bias: int


FORMATS = {"float": Format(32, 23, 127), "double": Format(64, 52, 1023)}


class Kit:
    """A function under construction and the type, scalar or vector, in which a formula computes."""

    def __init__(self, f: Function, type: str) -> None:
        self.f, self.type = f, type
        self.element = element_of(type)
        self.format = FORMATS[self.element]
        self.integers = vector(f"i{self.format.bits}", lanes_of(type))
        # Adding and subtracting it rounds to an integer, which then stands in the lowest bits.
        self.rounder = 1.5 * 2.0**self.format.fraction

    @property
    def double(self) -> bool:
        return self.element == "double"

    def c(self, value: float) -> Value:
        """A constant in every lane."""
        return self.f.constant(value, self.type)

    def i(self, value: int) -> Value:
        """An integer constant in every lane, as wide as the type."""
        return self.f.constant(value, self.integers)

    def bits(self, x: Value) -> Value:
        return self.f.convert("bitcast", x, self.integers)

    def real(self, bits: Value) -> Value:
        """The number with these bits."""
        return self.f.convert("bitcast", bits, self.type)

    def abs(self, x: Value) -> Value:
        return self.f.intrinsic("fabs", x)

    def copysign(self, x: Value, sign: Value) -> Value:
        return self.f.intrinsic("copysign", x, sign)

    def at_most(self, x: Value, bound: float) -> Value:
        """min(x, bound); NaN stays."""
        return self.f.select(self.f.compare("ogt", x, self.c(bound)), self.c(bound), x)

    def at_least(self, x: Value, bound: float) -> Value:
        """max(x, bound); NaN stays."""
        return self.f.select(self.f.compare("olt", x, self.c(bound)), self.c(bound), x)

    def polynomial(self, x: Value, coefficients: Sequence[float]) -> Value:
        """Lowest power first, by Horner's rule; the high powers of long ones in pairs.

        Pairs do not wait for each other, but cost a few more instructions. They round a little more, where it
        does not show.
        """
        f = self.f
        terms = [self.c(c) for c in coefficients]
        kept = 3 if len(terms) > 8 else len(terms) - 1
        first, rest, power = terms[:kept], terms[kept:], x
        while len(rest) > 1:
            pairs = [f.muladd(b, power, a) for a, b in zip(rest[::2], rest[1::2])]
            rest = pairs + rest[2 * len(pairs) :]
            if len(rest) > 1:
                power = f.mul(power, power)
        (y,) = rest
        for c in reversed(first):
            y = f.muladd(y, x, c)
        return y

    def odd_polynomial(self, x: Value, tail: Sequence[float]) -> Value:
        """x + x^3 P(x^2)."""
        f = self.f
        z = f.mul(x, x)
        return f.muladd(f.mul(x, z), self.polynomial(z, tail), x)

    def tiny(self, x: Value, y: Value) -> Value:
        """y, but x itself where x is so small that a function x (1 + O(x^2)) rounds to it: zeros keep their sign."""
        bound = 2.0 ** (-(self.format.fraction + 1) // 2)
        return self.f.select(self.f.compare("olt", self.abs(x), self.c(bound)), x, y)

    def product_error(self, x: Value, z: Value, product: Value) -> Value:
        """What rounding x z to `product` has lost, exactly (T. J. Dekker, Numer. Math. 18, 1971, without fma)."""
        f = self.f
        if f.module.fma:
            return f.fma(x, z, f.neg(product))
        (a, b), (c, d) = self.halves(x), self.halves(z)
        lost = f.add(f.sub(f.mul(a, c), product), f.add(f.mul(a, d), f.mul(b, c)))
        return f.add(lost, f.mul(b, d))

    def halves(self, x: Value) -> tuple[Value, Value]:
        """x as a sum of two numbers with half of the digits, whose products are exact."""
        f = self.f
        keep = (self.format.fraction + 2) // 2
        mask = self.i(-(1 << keep))
        high = self.real(f.binary("and", self.bits(x), mask))
        return high, f.sub(x, high)

    def power_of_two(self, rounded: Value, shift: Value | None = None) -> Value:
        """2^(n - bias) from n + `rounder`, as the sum left n in the lowest bits; it must be a normal number.

        What `rounder` is raised by goes to n, so that no instruction is spent on the bias.
        """
        bits = self.bits(rounded)
        if shift is not None:
            bits = self.f.add(bits, shift)
        return self.real(self.f.binary("shl", bits, self.i(self.format.fraction)))
