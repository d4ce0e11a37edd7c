"""The emitter that the records' bodies are handed: arithmetic on numbers, or on vectors of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from koubai.compile.llvm import Function, Value, element_of, lanes_of, vector
from koubai.compile.math import functions
from koubai.compile.philox import philox

__all__ = ["Emitter", "Number", "element", "memory"]

# LLVM's intrinsics of these names; the others are functions of the C library.
INTRINSICS = ("sqrt", "floor", "ceil", "trunc", "rint", "fabs", "copysign")
LIBRARY = (
    "exp", "exp2", "log", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh",
    "asinh", "acosh", "atanh", "expm1", "log1p", "cbrt", "erf", "erfc", "atan2", "hypot", "fmod", "pow",
)  # fmt: skip
PREDICATES = {"eq": ("oeq", "eq"), "ne": ("une", "ne"), "lt": ("olt", "lt"), "le": ("ole", "le"),
              "gt": ("ogt", "gt"), "ge": ("oge", "ge")}  # fmt: skip


class Number:
    """A value in the emitted code and the dtype that it stands for."""

    __slots__ = ("dtype", "value")

    def __init__(self, value: Value, dtype: Any) -> None:
        self.value = value
        self.dtype = np.dtype(dtype)


def element(dtype: Any) -> str:
    """The LLVM type of a value: truth values are single bits; what is only copied is an integer of its size."""
    if dtype.kind == "f" and dtype.itemsize in (4, 8):
        return "float" if dtype.itemsize == 4 else "double"
    return "i1" if dtype.kind == "b" else f"i{8 * dtype.itemsize}"


def memory(dtype: Any) -> str:
    """The LLVM type of an element in memory."""
    return "i8" if dtype.kind == "b" else element(dtype)


class Emitter:
    """Arithmetic by name on `Number`s; where a scalar meets a vector, it goes to every lane.

    Integers wrap around as NumPy's do; nothing assumes that a number is finite.
    """

    def __init__(self, function: Function) -> None:
        self.f = function
        self._words: dict[Any, tuple[Value, ...]] = {}

    def _alike(self, *xs: Number) -> tuple[list[Value], int]:
        lanes = max(lanes_of(x.value.type) for x in xs)
        return [self.f.splat(x.value, lanes) if lanes_of(x.value.type) < lanes else x.value for x in xs], lanes

    # Constants and conversions

    def constant(self, value: Any, dtype: Any) -> Number:
        dtype = np.dtype(dtype)
        with np.errstate(all="ignore"):
            number = np.asarray(value).astype(dtype).item()
        return Number(self.f.constant(number, element(dtype)), dtype)

    def number(self, value: Any, like: Number) -> Number:
        """A constant in the dtype of another value."""
        return self.constant(value, like.dtype)

    def cast(self, x: Number, dtype: Any) -> Number:
        dtype = np.dtype(dtype)
        if x.dtype == dtype:
            return x
        source, f = x.dtype, self.f
        target = vector(element(dtype), lanes_of(x.value.type))
        if dtype.kind == "b":
            return self.ne(x, self.constant(0, source))
        if source.kind == "f" and dtype.kind == "f":
            how = "fpext" if dtype.itemsize > source.itemsize else "fptrunc"
        elif source.kind == "f":
            return self._truncated(x, dtype)
        elif dtype.kind == "f":
            how = "sitofp" if source.kind == "i" else "uitofp"
        elif element_of(x.value.type) == element(dtype):
            return Number(x.value, dtype)
        elif source.kind == "b" or source.itemsize < dtype.itemsize:
            how = "sext" if source.kind == "i" else "zext"
        else:
            how = "trunc"
        return Number(f.convert(how, x.value, target), dtype)

    def _truncated(self, x: Number, dtype: Any) -> Number:
        """A real number without its fraction as an integer, by way of the widths in which NumPy converts it.

        So -1.0 is 255 as uint8 here as well.
        """
        if dtype == np.uint64:
            half = self.constant(2.0**63, x.dtype)
            above = self.ge(x, half)
            low = self._converted(self.select(above, self.sub(x, half), x), np.dtype(np.int64))
            high = self.differ(low, self.constant(-(2**63), np.int64))
            return self.bits(self.select(above, high, low), dtype)
        wide = np.dtype(np.int64 if dtype.itemsize == 8 or dtype == np.uint32 else np.int32)
        return self.cast(self._converted(x, wide), dtype)

    def _converted(self, x: Number, dtype: Any) -> Number:
        """A signed integer of 32 or 64 bits; the least one for NaN and what is out of range, as on x86-64.

        LLVM leaves it open what comes of those, to the point that code on the way there may vanish.
        """
        least = int(np.iinfo(dtype).min)
        inside = self.both(self.ge(x, self.constant(least, x.dtype)), self.lt(x, self.constant(-least, x.dtype)))
        target = vector(element(dtype), lanes_of(x.value.type))
        whole = Number(self.f.convert("fptosi", x.value, target), dtype)
        return self.select(inside, whole, self.constant(least, dtype))

    def bits(self, x: Number, dtype: Any) -> Number:
        """The same bits read as another dtype of the same size."""
        dtype = np.dtype(dtype)
        return Number(self.f.convert("bitcast", x.value, vector(element(dtype), lanes_of(x.value.type))), dtype)

    # Arithmetic

    def _binary(self, real: str, integer: str, x: Number, z: Number) -> Number:
        (a, b), _ = self._alike(x, z)
        return Number(self.f.binary(real if x.dtype.kind == "f" else integer, a, b), x.dtype)

    def add(self, x: Number, z: Number) -> Number:
        return self._binary("fadd", "or" if x.dtype.kind == "b" else "add", x, z)

    def sub(self, x: Number, z: Number) -> Number:
        return self._binary("fsub", "sub", x, z)

    def mul(self, x: Number, z: Number) -> Number:
        return self._binary("fmul", "and" if x.dtype.kind == "b" else "mul", x, z)

    def div(self, x: Number, z: Number) -> Number:
        return self._binary("fdiv", "fdiv", x, z)

    def neg(self, x: Number) -> Number:
        return Number(self.f.neg(x.value), x.dtype)

    def both(self, x: Number, z: Number) -> Number:
        """And, of truth values or of the bits of integers."""
        return self._binary("and", "and", x, z)

    def either(self, x: Number, z: Number) -> Number:
        return self._binary("or", "or", x, z)

    def differ(self, x: Number, z: Number) -> Number:
        """Exclusive or."""
        return self._binary("xor", "xor", x, z)

    def opposite(self, x: Number) -> Number:
        """Not, of truth values or of the bits of integers."""
        return self.differ(x, self.number(1 if x.dtype.kind == "b" else -1, x))

    def shifted(self, x: Number, places: int) -> Number:
        """The bits of an unsigned integer moved to the left, or with a negative number to the right."""
        how = "shl" if places >= 0 else "lshr"
        return self._binary(how, how, x, self.number(abs(places), x))

    def shift_left(self, x: Number, places: Number) -> Number:
        """The bits of an integer moved to the left; all gone where `places` is negative or too large."""
        return self._shift("shl", x, places, self.number(0, x))

    def shift_right(self, x: Number, places: Number) -> Number:
        """The bits of an integer moved to the right, the sign kept."""
        if x.dtype.kind == "u":
            return self._shift("lshr", x, places, self.number(0, x))
        zero = self.number(0, x)
        return self._shift("ashr", x, places, self.select(self.lt(x, zero), self.number(-1, x), zero))

    def _shift(self, how: str, x: Number, places: Number, gone: Number) -> Number:
        # LLVM leaves it open what comes of more places than there are bits.
        count = self.bits(places, f"u{x.dtype.itemsize}")
        fits = self.lt(count, self.number(8 * x.dtype.itemsize, count))
        return self.select(fits, self._binary(how, how, x, self.select(fits, places, self.number(0, x))), gone)

    def int_div(self, x: Number, z: Number) -> Number:
        """The quotient of integers without its fraction; 0 where z is 0."""
        y = self._binary("sdiv", "sdiv" if x.dtype.kind == "i" else "udiv", x, self._divisor(x, z))
        return self.select(self.eq(z, self.number(0, z)), self.number(0, x), y)

    def int_rem(self, x: Number, z: Number) -> Number:
        """What a quotient of integers without its fraction leaves, with x's sign; 0 where z is 0."""
        return self._binary("srem", "srem" if x.dtype.kind == "i" else "urem", x, self._divisor(x, z))

    def _divisor(self, x: Number, z: Number) -> Number:
        """z, or 1 where the processor would stop: for 0, and for -1 if the quotient overflows (to x again)."""
        bad = self.eq(z, self.number(0, z))
        if x.dtype.kind == "i":
            overflow = self.eq(x, self.number(np.iinfo(x.dtype).min, x))
            bad = self.either(bad, self.both(overflow, self.eq(z, self.number(-1, z))))
        return self.select(bad, self.number(1, z), z)

    def random_word(self, block: Number, stream: Number, key: Sequence[int], which: int) -> Number:
        """Word number `which` of a block of random words, of 32 bits."""
        name = block.value.text, stream.value.text, tuple(key)
        if name not in self._words:  # all four come of the same rounds
            (first, second), _ = self._alike(block, stream)
            self._words[name] = philox(self.f, first, second, key)
        return self.cast(Number(self._words[name][which], np.uint64), np.uint32)

    # Comparison and choice

    def _compare(self, name: str, x: Number, z: Number) -> Number:
        (a, b), _ = self._alike(x, z)
        real, integer = PREDICATES[name]
        if x.dtype.kind != "f":
            signed = "s" if x.dtype.kind == "i" else "u"
            real = integer if name in ("eq", "ne") else signed + integer
        return Number(self.f.compare(real, a, b), np.bool_)

    def eq(self, x: Number, z: Number) -> Number:
        return self._compare("eq", x, z)

    def ne(self, x: Number, z: Number) -> Number:
        return self._compare("ne", x, z)

    def lt(self, x: Number, z: Number) -> Number:
        return self._compare("lt", x, z)

    def le(self, x: Number, z: Number) -> Number:
        return self._compare("le", x, z)

    def gt(self, x: Number, z: Number) -> Number:
        return self._compare("gt", x, z)

    def ge(self, x: Number, z: Number) -> Number:
        return self._compare("ge", x, z)

    def select(self, c: Number, x: Number, z: Number) -> Number:
        (cc, a, b), _ = self._alike(c, x, z)
        return Number(self.f.select(cc, a, b), x.dtype)

    # Functions

    def call_function(self, name: str, *xs: Number) -> Number:
        """A function of one or two real numbers by its name in C; lane by lane where only the C library has it."""
        values, lanes = self._alike(*xs)
        dtype = xs[0].dtype
        if name in functions:
            return Number(functions[name](self.f, *values), dtype)
        if name in INTRINSICS:
            return Number(self.f.intrinsic(name, *values), dtype)
        symbol = name + ("f" if dtype.itemsize == 4 else "")
        one = element(dtype)
        if lanes == 1:
            return Number(self.f.call(symbol, one, *values), dtype)
        result = Value("poison", vector(one, lanes))
        for lane in range(lanes):
            y = self.f.call(symbol, one, *(self.f.extract(v, lane) for v in values))
            result = self.f.insert(result, y, lane)
        return Number(result, dtype)

    def __getattr__(self, name: str) -> Any:
        if name in functions or name in INTRINSICS or name in LIBRARY:
            return lambda *xs: self.call_function(name, *xs)
        raise AttributeError(name)
