"""Matrix products of a program, stacks of them included."""

from __future__ import annotations

from typing import Any

from koubai.compile.index import Counter, Index, affine
from koubai.compile.llvm import Machine, Module, Value
from koubai.compile.native.nests import ALONE, Written
from koubai.compile.native.scalars import element
from koubai.compile.nest import Product
from koubai.compile.product import write_product

__all__ = ["SCRATCH", "write_products"]


SCRATCH = -1  # stands for a thread's own memory among the slots


def write_products(module: Module, machine: Machine, nest: Product, name: str) -> tuple[list[Written], int]:
    """Functions ``void f(a, b, c, scratch, i64 first, i64 last)``, and the bytes of scratch memory they need."""
    n, k, m = nest.sizes
    made = write_product(module, machine, name, n, k, m, nest.c.buffer.type.dtype, *nest.strides)
    for phase in made.phases:
        module.functions[phase.name].linkage = "internal"  # so that programs can be linked together
    slots = [nest.a.buffer.slot, nest.b.buffer.slot, nest.c.buffer.slot, SCRATCH]
    cost = 2 * n * k * m / 1e5  # microseconds, at 100 operations in a nanosecond
    bases = _base(nest.a.at, nest), _base(nest.b.at, nest), _base(nest.c.at, nest)
    if not nest.stack and not any(bases):
        return [Written(p.name, slots, p.first, p.last, cost) for p in made.phases], made.scratch
    wrapper = _stacked(module, f"{name}s", made, nest, bases)
    size = nest.stack[0].extent if nest.stack else 1
    for counter in nest.stack:
        cost *= counter.extent
    return [Written(wrapper, slots, 0, size, cost)], made.scratch


def _base(at: Index, nest: Product) -> Index:
    """The part of an address that the product's own counters leave."""
    at = affine(at)
    own = set(nest.counters)
    left = tuple((atom, c) for atom, c in at.terms if atom not in own)
    return type(at)(left, at.constant) if left else at.constant


def _stacked(module: Module, name: str, made: Any, nest: Product, bases: Any) -> str:
    """A function that does one product after the other; its units are the stack's first axis."""
    arguments = [("ptr", "a"), ("ptr", "b"), ("ptr", "c"), ("ptr", "scratch"), ("i64", "first"), ("i64", "last")]
    f = module.function(name, arguments, attributes=ALONE, linkage="internal")
    a, b, c, scratch, first, last = f.arguments
    kind = element(nest.c.buffer.type.dtype)
    counters: dict[Counter, Value] = {}

    def address(pointer: Value, base: Index) -> Value:
        base = affine(base)
        for atom, step in base.terms:
            pointer = f.offset(pointer, f.mul(counters[atom], f.integer(step)), kind)
        return f.offset(pointer, base.constant, kind)

    def loops(stack: list[Counter], outermost: bool) -> None:
        if not stack:
            given = [address(p, base) for p, base in zip((a, b, c), bases)]
            for phase in made.phases:
                f.call(phase.name, "void", *given, scratch, f.integer(phase.first), f.integer(phase.last))
            return
        counter, *others = stack
        with f.loop(first if outermost else 0, last if outermost else counter.extent) as i:
            counters[counter] = i
            loops(others, False)

    loops(list(nest.stack), True)
    f.ret()
    return name
