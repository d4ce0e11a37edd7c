"""What the formulas need of a floating-point type: constants, the bits of a number, polynomials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from koubai.compile.llvm.builder import Function, Value, element_of, lanes_of, vector

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
        """Lowest power first, by Horner's rule."""
        y = self.c(coefficients[-1])
        for c in coefficients[-2::-1]:
            y = self.f.muladd(y, x, self.c(c))
        return y

    def power_of_two(self, rounded: Value, shift: Value | None = None) -> Value:
        """2^(n - bias) from n + `rounder`, as the sum left n in the lowest bits; it must be a normal number.

        What `rounder` is raised by goes to n, so that no instruction is spent on the bias.
        """
        bits = self.bits(rounded)
        if shift is not None:
            bits = self.f.add(bits, shift)
        return self.real(self.f.binary("shl", bits, self.i(self.format.fraction)))
