"""The record of a vector function: how it is emitted, and how far its result may be from the exact one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from koubai.compile.llvm import Function, Value, element_of, lanes_of

__all__ = ["VectorFunction"]


@dataclass(frozen=True, slots=True)
class VectorFunction:
    """A function of floating-point numbers, scalar or in lanes; calling it emits it.

    Attributes
    ----------
    name : str
        As the ops' lowerings call it.
    body : callable
        ``body(f, *xs)`` emits the formula and returns the result, of the type of the xs.
    ulp32, ulp64 : float
        The bound of the error in units in the last place of the exact result, over all arguments, with and
        without a fused multiply-add. A subnormal result counts in units of the smallest number.
    derivation : str
        Where the formula and its coefficients come from.
    shared : bool
        Long formulas are emitted once a module, as a function of their own that is called; short ones
        stand where they are used.
    arity : int
    """

    name: str
    body: Callable[..., Value]
    ulp32: float
    ulp64: float
    derivation: str
    shared: bool = False
    arity: int = 1

    def __call__(self, f: Function, *xs: Value) -> Value:
        if not self.shared:
            return self.body(f, *xs)
        type, module = xs[0].type, f.module
        name = f"{self.name}.{lanes_of(type)}.{element_of(type)}"
        if name not in module.functions:
            arguments = [(type, f"x{i}") for i in range(len(xs))]
            made = module.function(name, arguments, type, "noinline nounwind", "internal")
            made.ret(self.body(made, *made.arguments))
        return f.call(name, type, *xs)
