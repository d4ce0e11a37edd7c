"""What the vector functions are measured against, and where: shared by the tests and benchmarks/ulp.py."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from koubai.compile.llvm import Machine, Module, host
from koubai.compile.llvm.builder import vector
from koubai.compile.llvm.engine import Code
from koubai.compile.math import functions

ELEMENTS = {"float32": "float", "float64": "double"}


@dataclass(frozen=True)
class Case:
    """A function's exact values, computed in a wider type, and the interval in which it is not trivial."""

    exact: Callable[..., Any]
    low: float
    high: float


CASES = {
    "exp": Case(np.exp, -746.0, 710.0),
    "expit": Case(lambda x: 1.0 / (1.0 + np.exp(-x)), -746.0, 40.0),
    "tanh": Case(np.tanh, -20.0, 20.0),
    "log": Case(np.log, 0.0, 4.0),
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
        self.lanes = lanes or host().lanes(self.dtype.itemsize)
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
        gap = np.where(np.isnan(exact) | np.isinf(exact) | (np.abs(exact) >= largest) & np.isinf(y), 0.0, gap)
    return np.where(right, gap, np.inf)


EDGES = (
    0.0, np.inf, np.nan, 1.0, 0.5, 2.0, np.pi / 2, np.log(2.0), 1e-3,
    87.3, 88.72283, 103.28, 708.4, 709.78271289338, 745.13,
)  # fmt: skip


def points(name: str, dtype: str, count: int) -> Any:
    """Numbers of every exponent, numbers where the function is not trivial, and both sides of special ones."""
    integer = np.dtype(f"u{np.dtype(dtype).itemsize}")
    case, rng = CASES[name], np.random.default_rng(len(name))
    step = 2 ** (8 * integer.itemsize) // (count // 2)
    everywhere = (np.arange(count // 2, dtype=np.uint64) * step + rng.integers(step)).astype(integer).view(dtype)
    inside = rng.uniform(case.low, case.high, count // 2)
    info = np.finfo(dtype)
    edges = np.array([*EDGES, info.max, info.tiny, info.smallest_subnormal, 1 + info.eps, case.low, case.high], dtype)
    with np.errstate(all="ignore"):
        sides = [np.nextafter(edges, edges.dtype.type(to)) for to in (-np.inf, np.inf)]
        return np.concatenate([everywhere, inside.astype(dtype), edges, -edges, *sides, *(-x for x in sides)])
