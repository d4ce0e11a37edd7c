"""Instructions on numbers and on vectors of them, written as text."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from koubai.compile.llvm.values import BITS, FLOATS, Block, Value, element_of, lanes_of, number, vector

if TYPE_CHECKING:
    from koubai.compile.llvm.builder import Module

__all__ = ["Instructions"]

# Addresses are full of constants; folded here they need no line.
FOLDED: dict[str, Callable[[int, int], int]] = {"add": operator.add, "sub": operator.sub, "mul": operator.mul}
NEUTRAL = {"add": "0", "sub": "0", "mul": "1"}


class Instructions:
    """A block that takes instructions; a method emits one and returns its result.

    Attributes
    ----------
    module : Module
        Where what is called gets declared.
    entry : Block
        Where addresses and variables are prepared, once a call.
    block : Block
        Where instructions go.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self.entry, self.block = Block("entry"), Block("body")
        self._counter = 0

    def fresh(self, stem: str = "") -> str:
        """A name that no other register or block of the function has."""
        self._counter += 1
        return f"{stem or 'v'}{self._counter}"

    @contextmanager
    def at(self, block: Block) -> Iterator[None]:
        """Emit into another block for a while (one that has no terminator yet, or the entry)."""
        before, self.block = self.block, block
        yield
        self.block = before

    def line(self, text: str) -> None:
        """Any instruction without a result."""
        self.block.lines.append("  " + text)

    def _op(self, instruction: str, type: str) -> Value:
        self._counter += 1
        name = f"%v{self._counter}"
        self.block.lines.append(f"  {name} = {instruction}")
        return Value(name, type)

    @staticmethod
    def integer(value: int, type: str = "i64") -> Value:
        return Value(str(value), type)

    @staticmethod
    def constant(value: float, type: str) -> Value:
        """A number of the given type, in every lane of a vector type."""
        element = element_of(type)
        text = number(value, element)
        return Value(text if element == type else f"splat ({element} {text})", type)

    @staticmethod
    def lanes(values: Sequence[float], element: str) -> Value:
        """A constant vector with a number for each lane."""
        body = ", ".join(f"{element} {number(v, element)}" for v in values)
        return Value(f"<{body}>", vector(element, len(values)))

    @staticmethod
    def zero(type: str) -> Value:
        return Value("zeroinitializer" if type[0] == "<" else ("0.0" if type in FLOATS else "0"), type)

    def phi(self, incoming: Sequence[tuple[Value, Block]]) -> Value:
        pairs = ", ".join(f"[ {v.text}, %{b.label} ]" for v, b in incoming)
        return self._op(f"phi {incoming[0][0].type} {pairs}", incoming[0][0].type)

    def binary(self, instruction: str, x: Value, z: Value) -> Value:
        """Any instruction of two operands of one type with a result of that type: ``"fadd"``, ``"shl"``, ..."""
        if instruction in FOLDED and z.text.lstrip("-").isdigit():
            if x.text.lstrip("-").isdigit():
                return self.integer(FOLDED[instruction](int(x.text), int(z.text)), x.type)
            if z.text == NEUTRAL[instruction]:
                return x
        return self._op(f"{instruction} {x.type} {x.text}, {z.text}", x.type)

    def opposite(self, x: Value) -> Value:
        """Not, of truth values (i1)."""
        return self.binary("xor", x, self.constant(1, x.type))

    def add(self, x: Value, z: Value) -> Value:
        return self.binary("fadd" if element_of(x.type) in FLOATS else "add", x, z)

    def sub(self, x: Value, z: Value) -> Value:
        return self.binary("fsub" if element_of(x.type) in FLOATS else "sub", x, z)

    def mul(self, x: Value, z: Value) -> Value:
        return self.binary("fmul" if element_of(x.type) in FLOATS else "mul", x, z)

    def div(self, x: Value, z: Value) -> Value:
        """Of floating-point numbers."""
        return self.binary("fdiv", x, z)

    def neg(self, x: Value) -> Value:
        if element_of(x.type) in FLOATS:
            return self._op(f"fneg {x.type} {x.text}", x.type)
        return self.sub(self.zero(x.type), x)

    def fma(self, x: Value, z: Value, y: Value) -> Value:
        """x z + y, rounded once."""
        return self.intrinsic("fma", x, z, y)

    def muladd(self, x: Value, z: Value, y: Value) -> Value:
        """x z + y, rounded once where the processor has that in one instruction, otherwise twice."""
        return self.intrinsic("fmuladd", x, z, y)

    def compare(self, predicate: str, x: Value, z: Value) -> Value:
        """``"olt"``, ``"une"``, ... for floats, ``"slt"``, ``"eq"``, ... for integers; bits in as many lanes."""
        instruction = "fcmp" if element_of(x.type) in FLOATS else "icmp"
        return self._op(f"{instruction} {predicate} {x.type} {x.text}, {z.text}", vector("i1", lanes_of(x.type)))

    def select(self, condition: Value, x: Value, z: Value) -> Value:
        return self._op(f"select {condition.type} {condition.text}, {x}, {z}", x.type)

    def convert(self, instruction: str, x: Value, type: str) -> Value:
        """``"fpext"``, ``"sitofp"``, ``"bitcast"``, ``"zext"``, ... to another type."""
        return self._op(f"{instruction} {x} to {type}", type)

    def intrinsic(self, name: str, *xs: Value, result: str | None = None) -> Value:
        """An LLVM intrinsic that is overloaded on its first operand's type: ``"sqrt"``, ``"floor"``, ``"fma"``, ..."""
        type = xs[0].type
        element, lanes = element_of(type), lanes_of(type)
        suffix = f"f{BITS[element]}" if element in FLOATS else element
        full = f"llvm.{name}.{f'v{lanes}' if lanes > 1 else ''}{suffix}"
        return self.call(full, result or type, *xs)

    def call(self, name: str, result: str, *xs: Value) -> Value:
        """Call a function by name; declared if this module does not define it."""
        module = self.module
        if name not in module.functions and name not in module.declared:
            module.declared[name] = f"declare {result} @{name}({', '.join(x.type for x in xs)})"
        given = ", ".join(map(repr, xs))
        if result == "void":
            self.line(f"call void @{name}({given})")
            return Value("void", "void")
        return self._op(f"call {result} @{name}({given})", result)

    def call_pointer(self, function: Value, result: str, *xs: Value) -> Value:
        """Call a function by its address."""
        if result == "void":
            self.line(f"call void {function.text}({', '.join(map(repr, xs))})")
            return Value("void", "void")
        return self._op(f"call {result} {function.text}({', '.join(map(repr, xs))})", result)

    # Vectors

    def splat(self, x: Value, lanes: int) -> Value:
        """The same number in every lane."""
        if lanes == 1:
            return x
        type = vector(x.type, lanes)
        if x.text[0] != "%":
            return Value(f"splat ({x.type} {x.text})", type)
        first = self._op(f"insertelement {type} poison, {x}, i64 0", type)
        mask = f"<{lanes} x i32> zeroinitializer"
        return self._op(f"shufflevector {type} {first.text}, {type} poison, {mask}", type)

    def extract(self, x: Value, lane: int) -> Value:
        return self._op(f"extractelement {x}, i64 {lane}", element_of(x.type))

    def insert(self, x: Value, value: Value, lane: int) -> Value:
        return self._op(f"insertelement {x}, {value}, i64 {lane}", x.type)

    def shuffle(self, x: Value, z: Value, lanes: Sequence[int]) -> Value:
        """Lanes of x (from 0) and of z (counted on) in a new order."""
        mask = ", ".join(f"i32 {k}" for k in lanes)
        return self._op(
            f"shufflevector {x}, {z}, <{len(lanes)} x i32> <{mask}>", vector(element_of(x.type), len(lanes))
        )
