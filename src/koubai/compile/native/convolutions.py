"""Convolutions of a program."""

from __future__ import annotations

from koubai.compile.llvm import Machine, Module
from koubai.compile.native.nests import ALONE, Written
from koubai.compile.native.scalars import element
from koubai.compile.nest import Convolution
from koubai.compile.window import Problem, write_convolution

__all__ = ["write_convolutions"]


def write_convolutions(module: Module, machine: Machine, nest: Convolution, name: str) -> Written:
    """``void f(ptr x, ptr w, ptr y, i64 first, i64 last)``."""
    regions = (nest.x, nest.w, nest.y)
    kind = element(nest.written.buffer.type.dtype)
    problem = Problem(
        module, machine, name, kind, nest.windows, nest.groups,
        nest.x.shape[0], nest.w.shape[0] // nest.groups, nest.w.shape[1], *(r.strides for r in regions),
    )  # fmt: skip
    made = write_convolution(problem, nest.result)
    slots = [r.buffer.slot for r in regions]
    cost = 2 * made.terms / 1e5  # microseconds, at 100 operations in a nanosecond
    if not any(r.start for r in regions):
        return Written(made.name, slots, 0, made.units, cost)
    f = module.function(f"{name}s", [("ptr", r) for r in "xwy"] + [("i64", "first"), ("i64", "last")],
                        attributes=ALONE, linkage="internal")  # fmt: skip
    *pointers, first, last = f.arguments
    f.call(made.name, "void", *(f.offset(p, r.start, kind) for p, r in zip(pointers, regions)), first, last)
    f.ret()
    return Written(f.name, slots, 0, made.units, cost)
