"""What the vector functions are measured against, and where: shared by the tests and benchmarks/ulp.py."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from koubai.compile.llvm import Machine, Module, host, vector
from koubai.compile.llvm.engine import Code
from koubai.compile.math import functions

ELEMENTS = {"float32": "float", "float64": "double"}


@dataclass(frozen=True)
class Case:
    """A function's exact values, computed in a wider type, and the interval in which it is not trivial.

    For a function of two numbers the interval is that of the first one, and `second` that of the other.
    """

    exact: Callable[..., Any]
    low: float
    high: float
    second: tuple[float, float] | None = None


def erf(x: Any) -> Any:
    """For long doubles by e^(-x^2) times a series of positive terms; beyond 8 the result is 1 in float64."""
    if x.dtype == np.float64:
        return special.erf(x)
    a = np.minimum(np.abs(x), 8)
    term = total = 2 / np.sqrt(np.longdouble(np.pi) + np.longdouble(1.2246467991473532e-16)) * a
    for n in range(1, 260):
        term = term * (2 * a * a) / (2 * n + 1)
        total = total + term
    return np.copysign(np.exp(-a * a) * total, x)


def erfc(x: Any) -> Any:
    """For long doubles beyond 2 by its continued fraction."""
    if x.dtype == np.float64:
        return special.erfc(x)
    a = np.clip(x, 2, 30)
    fraction = a
    for n in range(180, 0, -1):
        fraction = a + n / 2 / fraction
    pi = np.longdouble(np.pi) + np.longdouble(1.2246467991473532e-16)
    far = np.exp(-a * a) / fraction / np.sqrt(pi)
    return np.where(np.isnan(x), x, np.where(x > 2, far, 1 - erf(x)))


def softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


CASES = {
    "exp": Case(np.exp, -746.0, 710.0),
    "exp2": Case(np.exp2, -1075.0, 1024.0),
    "expm1": Case(np.expm1, -40.0, 10.0),
    "log": Case(np.log, 0.0, 4.0),
    "log2": Case(np.log2, 0.0, 4.0),
    "log10": Case(np.log10, 0.0, 4.0),
    "log1p": Case(np.log1p, -1.0, 3.0),
    "expit": Case(lambda x: 1.0 / (1.0 + np.exp(-x)), -746.0, 40.0),
    "tanh": Case(np.tanh, -20.0, 20.0),
    "softplus": Case(softplus, -110.0, 40.0),
    "log_expit": Case(lambda x: -softplus(-x), -40.0, 110.0),
    "cosh": Case(np.cosh, -711.0, 711.0),
    "sinh": Case(np.sinh, -20.0, 20.0),
    "asinh": Case(np.arcsinh, -20.0, 20.0),
    "acosh": Case(np.arccosh, 1.0, 20.0),
    "atanh": Case(np.arctanh, -1.0, 1.0),
    "sin": Case(np.sin, -40.0, 40.0),
    "cos": Case(np.cos, -40.0, 40.0),
    "tan": Case(np.tan, -40.0, 40.0),
    "atan": Case(np.arctan, -4.0, 4.0),
    "asin": Case(np.arcsin, -1.0, 1.0),
    "acos": Case(np.arccos, -1.0, 1.0),
    "erf": Case(erf, -7.0, 7.0),
    "erfc": Case(erfc, -7.0, 28.0),
    "cbrt": Case(np.cbrt, -10.0, 10.0),
    "atan2": Case(np.arctan2, -4.0, 4.0, (-4.0, 4.0)),
    "pow": Case(np.power, 0.0, 8.0, (-300.0, 300.0)),
    "hypot": Case(np.hypot, -4.0, 4.0, (-4.0, 4.0)),
}


def emitted(name: str, dtype: str, lanes: int, machine: Machine) -> str:
    """A module with ``run(x, ..., y, n)``, which applies a function to n elements, a multiple of the lanes."""
    arity, element = functions[name].arity, ELEMENTS[dtype]
    module = Module(machine.triple, fma=machine.fma)
    f = module.function("run", [*(("ptr", f"p{k}") for k in range(arity + 1)), ("i64", "n")])
    *sources, target, n = f.arguments
    with f.loop(0, n, lanes) as i:
        xs = [f.load(f.offset(p, i, element), vector(element, lanes)) for p in sources]
        f.store(functions[name](f, *xs), f.offset(target, i, element))
    f.ret()
    return module.text()


class Compiled:
    """A vector function as a function of arrays of any length."""

    def __init__(self, name: str, dtype: str, lanes: int | None = None, machine: Machine | None = None) -> None:
        self.dtype, self.arity = np.dtype(dtype), functions[name].arity
        self.lanes = lanes or (machine or host()).lanes(self.dtype.itemsize)
        self.code = Code(emitted(name, dtype, self.lanes, machine or host()), machine)
        self.run = self.code.function("run", *[ctypes.c_void_p] * (self.arity + 1), ctypes.c_int64)

    def __call__(self, *xs: Any) -> Any:
        size = xs[0].size
        padded = [np.pad(x, (0, -size % self.lanes)) for x in xs]
        y = np.empty_like(padded[0])
        self.run(*(x.ctypes.data for x in padded), y.ctypes.data, y.size)
        return y[:size]


def exact(name: str, *xs: Any) -> Any:
    """The values in float64 for float32, in NumPy's long double for float64."""
    wide = np.float64 if xs[0].dtype == np.float32 else np.longdouble
    with np.errstate(all="ignore"):
        return CASES[name].exact(*(x.astype(wide) for x in xs))


def errors(y: Any, exact: Any) -> Any:
    """In units in the last place of the exact value; infinite where NaN, an infinity or a zero's sign is wrong."""
    info = np.finfo(y.dtype)
    largest = np.ldexp(exact.dtype.type(1), int(info.maxexp))
    with np.errstate(all="ignore"):
        _, exponent = np.frexp(exact)
        unit = np.ldexp(exact.dtype.type(1), np.maximum(exponent - 1, info.minexp) - info.nmant)
        gap = np.abs(np.clip(y.astype(exact.dtype), -largest, largest) - np.clip(exact, -largest, largest)) / unit
        right = np.where(np.isnan(exact), np.isnan(y), ~np.isnan(y))
        right &= ~np.isinf(exact) | (y == exact)
        right &= (exact != 0) | (np.signbit(y) == np.signbit(exact))
        beyond = (np.abs(exact) >= largest) & np.isinf(y) & (np.signbit(y) == np.signbit(exact))
        gap = np.where(np.isnan(exact) | np.isinf(exact) | beyond, 0.0, gap)
    return np.where(right, gap, np.inf)


EDGES = (
    0.0, np.inf, np.nan, 0.5, 1.0, 2.0, 3.0, 1e-3, np.pi / 2, np.log(2.0), 1e6, 1e30,
    87.3, 88.72283, 103.28, 708.4, 709.78271289338, 745.13,
)  # fmt: skip


def edges(case: Case, dtype: str) -> Any:
    info = np.finfo(dtype)
    middle = np.array([*EDGES, info.max, info.tiny, info.smallest_subnormal, case.low, case.high], dtype)
    with np.errstate(all="ignore"):
        sides = [np.nextafter(middle, middle.dtype.type(to)) for to in (-np.inf, np.inf)]
    return np.concatenate([x for y in (middle, *sides) for x in (y, -y)])


def points(name: str, dtype: str, count: int, seed: int = 0) -> tuple[Any, ...]:
    """Numbers of every exponent, numbers where the function is not trivial, and both sides of special ones."""
    case, rng = CASES[name], np.random.default_rng(seed)
    integer = np.dtype(f"u{np.dtype(dtype).itemsize}")
    special = edges(case, dtype)
    if case.second is None:
        step = 2 ** (8 * integer.itemsize) // (count // 2)
        start = rng.integers(step, dtype=np.uint64)
        everywhere = (np.arange(count // 2, dtype=np.uint64) * np.uint64(step) + start).astype(integer).view(dtype)
        inside = rng.uniform(case.low, case.high, count // 2).astype(dtype)
        return (np.concatenate([everywhere, inside, special]),)
    drawn = rng.integers(np.iinfo(integer).max, size=(2, count // 2), dtype=integer).view(dtype)
    inside = [rng.uniform(*ends, count // 2).astype(dtype) for ends in ((case.low, case.high), case.second)]
    pairs = [x.ravel() for x in np.meshgrid(special, special)]
    return tuple(np.concatenate(parts) for parts in zip(drawn, inside, pairs))
