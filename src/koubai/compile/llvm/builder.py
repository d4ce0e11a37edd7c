"""LLVM IR written as text: a few microseconds an instruction, where objects for each would cost more.

Every instruction works on scalars and on vectors alike: a value's type says which.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

__all__ = ["Function", "Module", "Value", "element_of", "lanes_of", "vector"]

FLOATS = ("float", "double")
BITS = {"float": 32, "double": 64}
# Addresses are full of constants; folded here they need no line.
FOLDED: dict[str, Callable[[int, int], int]] = {"add": operator.add, "sub": operator.sub, "mul": operator.mul}
NEUTRAL = {"add": "0", "sub": "0", "mul": "1"}


class Value:
    """An operand: its text (a register or a constant) and its LLVM type."""

    __slots__ = ("text", "type")

    def __init__(self, text: str, type: str) -> None:
        self.text = text
        self.type = type

    def __repr__(self) -> str:
        return f"{self.type} {self.text}"


def vector(element: str, lanes: int) -> str:
    """The type of that many lanes; the element's own type for one.

    Examples
    --------
    >>> vector("float", 8), vector("i1", 1)
    ('<8 x float>', 'i1')
    """
    return element if lanes == 1 else f"<{lanes} x {element}>"


def element_of(type: str) -> str:
    """The type of one lane."""
    return type[type.index("x") + 2 : -1] if type[0] == "<" else type


def lanes_of(type: str) -> int:
    """How many lanes a type has; 1 for a scalar."""
    return int(type[1 : type.index(" ")]) if type[0] == "<" else 1


def number(value: float, element: str) -> str:
    """A constant of an element type as LLVM writes it; floats as the bits of a double."""
    if element in FLOATS:
        if element == "float":
            value = struct.unpack("f", struct.pack("f", value))[0] if abs(value) < 3.5e38 else value
        return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
    return str(int(value))


class Block:
    """A basic block: a label and lines, to which can be added until the function is written."""

    __slots__ = ("label", "lines")

    def __init__(self, label: str) -> None:
        self.label = label
        self.lines: list[str] = []


class Module:
    """Functions, the external functions that they call, and constant tables.

    Parameters
    ----------
    triple : str, optional
        The target as LLVM names it.
    fma : bool
        Whether the target rounds x z + y once in one instruction; without it formulas that need the exact
        error of a product take a longer way, right on every target.
    """

    def __init__(self, triple: str | None = None, *, fma: bool = False) -> None:
        self.triple, self.fma = triple, fma
        self.functions: dict[str, Function] = {}
        self.declared: dict[str, str] = {}
        self.globals: dict[str, str] = {}

    def function(
        self,
        name: str,
        arguments: Sequence[tuple[str, str]],
        result: str = "void",
        attributes: str = "",
        linkage: str = "",
    ) -> Function:
        """A new function; the arguments as (type with attributes, name); ``"internal"`` for none but this module."""
        made = Function(self, name, arguments, result, attributes, linkage)
        self.functions[name] = made
        return made

    def table(self, name: str, values: Sequence[float], element: str) -> Value:
        """The address of an array of constants."""
        if name not in self.globals:
            body = ", ".join(f"{element} {number(v, element)}" for v in values)
            self.globals[name] = (
                f"@{name} = private unnamed_addr constant [{len(values)} x {element}] [{body}], align 64"
            )
        return Value(f"@{name}", "ptr")

    def zeros(self, count: int, element: str) -> Value:
        """The address of that many zeros."""
        name = f"zeros_{element}_{count}"
        self.globals[name] = f"@{name} = private unnamed_addr constant [{count} x {element}] zeroinitializer, align 64"
        return Value(f"@{name}", "ptr")

    def text(self) -> str:
        """The whole module as LLVM IR."""
        head = [f'target triple = "{self.triple}"'] if self.triple else []
        bodies = [function.text() for function in self.functions.values()]
        return "\n".join([*head, *self.globals.values(), *self.declared.values(), *bodies, ""])


class Function:
    """A function under construction; methods emit one instruction each and return its result.

    Attributes
    ----------
    arguments : list of Value
    entry : Block
        Where addresses and variables are prepared, once a call.
    block : Block
        Where instructions go.
    """

    def __init__(
        self,
        module: Module,
        name: str,
        arguments: Sequence[tuple[str, str]],
        result: str,
        attributes: str,
        linkage: str = "",
    ) -> None:
        self.module, self.name, self.result = module, name, result
        self.attributes, self.linkage = attributes, linkage
        self._signature = ", ".join(f"{kind} %{label}" for kind, label in arguments)
        self.arguments = [Value(f"%{label}", _type_of(kind)) for kind, label in arguments]
        self._counter = 0
        self.entry = Block("entry")
        self.block = Block("body")
        self._blocks = [self.entry, self.block]

    def text(self) -> str:
        lines = [f"define {self.linkage} {self.result} @{self.name}({self._signature}) {self.attributes} {{"]
        for block in self._blocks:
            lines.append(f"{block.label}:")
            lines += block.lines
            if block is self.entry:
                lines.append("  br label %body")
        return "\n".join([*lines, "}"])

    def argument(self, name: str) -> Value:
        """An argument by its name."""
        return next(x for x in self.arguments if x.text == f"%{name}")

    # Blocks and control flow

    def fresh(self, stem: str = "") -> str:
        """A name that no other register or block of the function has."""
        self._counter += 1
        return f"{stem or 'v'}{self._counter}"

    def new_block(self, stem: str) -> Block:
        """A block that is not yet reached from anywhere."""
        return Block(self.fresh(stem))

    def start(self, block: Block) -> None:
        """Go on in a block, placed after those that there are."""
        self._blocks.append(block)
        self.block = block

    @contextmanager
    def at(self, block: Block) -> Iterator[None]:
        """Emit into another block for a while (one that has no terminator yet, or the entry)."""
        before, self.block = self.block, block
        yield
        self.block = before

    def line(self, text: str) -> None:
        """Any instruction without a result."""
        self.block.lines.append("  " + text)

    def comment(self, text: str) -> None:
        self.block.lines.append("  ; " + text)

    def jump(self, to: Block) -> None:
        self.line(f"br label %{to.label}")

    def branch(self, condition: Value, yes: Block, no: Block) -> None:
        self.line(f"br i1 {condition.text}, label %{yes.label}, label %{no.label}")

    def ret(self, value: Value | None = None) -> None:
        self.line("ret void" if value is None else f"ret {value}")

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """What is emitted inside happens only if the condition (an i1) is true."""
        before, yes, after = self.block, self.new_block("then"), self.new_block("after")
        self.start(yes)
        yield
        self.jump(after)
        with self.at(before):
            self.branch(condition, yes, after)
        self.start(after)

    @contextmanager
    def while_equal(self, pointer: Value, value: Value) -> Iterator[None]:
        """Again and again, as long as other threads leave a word in memory at a value."""
        with self._watching("eq", pointer, value):
            yield

    @contextmanager
    def until_equal(self, pointer: Value, value: Value) -> Iterator[None]:
        """Again and again, until other threads bring a word in memory to a value."""
        with self._watching("ne", pointer, value):
            yield

    @contextmanager
    def _watching(self, predicate: str, pointer: Value, value: Value) -> Iterator[None]:
        head, body, after = self.new_block("wait"), self.new_block("waiting"), self.new_block("over")
        self.jump(head)
        self.start(head)
        self.branch(self.compare(predicate, self.atomic_load(pointer, value.type), value), body, after)
        self.start(body)
        yield
        self.jump(head)
        self.start(after)

    @contextmanager
    def loop(
        self, start: Value | int, stop: Value | int, step: Value | int = 1, unroll: bool = False
    ) -> Iterator[Value]:
        """Count from start to stop (excluded) in i64, stop being at least start; yields the counter.

        Tested at its head, so it may run zero times. LLVM does not unroll it unless told to.
        """
        start, stop, step = (self.integer(x) if isinstance(x, int) else x for x in (start, stop, step))
        head, body, after = self.new_block("loop"), self.new_block("do"), self.new_block("done")
        before = self.block  # stays open until the loop is closed, so that what is invariant can still be put there
        self.start(head)
        counter = Value(f"%{self.fresh('i')}", "i64")
        place = len(head.lines)
        more = self._op(f"icmp slt i64 {counter.text}, {stop.text}", "i1")
        self.branch(more, body, after)
        self.start(body)
        yield counter
        following = self._op(f"add nsw i64 {counter.text}, {step.text}", "i64")
        tail = self.block
        self.jump(head)
        if not unroll:
            tail.lines[-1] += ", !llvm.loop !0"
        incoming = f"[ {start.text}, %{before.label} ], [ {following.text}, %{tail.label} ]"
        head.lines.insert(place, f"  {counter.text} = phi i64 {incoming}")
        with self.at(before):
            self.jump(head)
        self.start(after)

    def fold(
        self,
        start: Value | int,
        stop: Value | int,
        step: int,
        values: Sequence[Value],
        body: Callable[..., list[Value]],
    ) -> list[Value]:
        """Count from start to stop (excluded; at least one turn), carrying values in registers from turn to turn.

        ``body(counter, values)`` emits a turn and returns the values for the next one.
        """
        start, stop = (self.integer(x) if isinstance(x, int) else x for x in (start, stop))
        before, turn, after = self.block, self.new_block("turn"), self.new_block("done")
        self.jump(turn)
        self.start(turn)
        carried = [Value(f"%{self.fresh('c')}", x.type) for x in (start, *values)]
        following = body(carried[0], carried[1:])
        count = self._op(f"add nsw i64 {carried[0].text}, {step}", "i64")
        more = self._op(f"icmp slt i64 {count.text}, {stop.text}", "i1")
        tail = self.block
        self.line(f"br i1 {more.text}, label %{turn.label}, label %{after.label}, !llvm.loop !0")
        turn.lines[:0] = [
            f"  {c.text} = phi {c.type} [ {x.text}, %{before.label} ], [ {y.text}, %{tail.label} ]"
            for c, x, y in zip(carried, (start, *values), (count, *following))
        ]
        self.start(after)
        return following

    # Values

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

    def freeze(self, x: Value) -> Value:
        """x, or where LLVM leaves it undefined some number, the same one for every use."""
        return self._op(f"freeze {x}", x.type)

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

    # Memory

    def offset(self, pointer: Value, index: Value | int, element: str, *, inside: bool = True) -> Value:
        """The address of an element, counted in elements; `inside`: within the array or just behind it."""
        if isinstance(index, int):
            index = self.integer(index)
        if index.text == "0":
            return pointer
        how = "getelementptr inbounds" if inside else "getelementptr"
        return self._op(f"{how} {element}, ptr {pointer.text}, i64 {index.text}", "ptr")

    def load(self, pointer: Value, type: str, align: int | None = None) -> Value:
        """Aligned to the element unless said otherwise."""
        return self._op(f"load {type}, ptr {pointer.text}, align {align or _size(type)}", type)

    def store(self, value: Value, pointer: Value, align: int | None = None) -> None:
        self.line(f"store {value}, ptr {pointer.text}, align {align or _size(value.type)}")

    def masked_load(self, pointer: Value, type: str, mask: Value) -> Value:
        """Zero in the lanes that the mask (bits) leaves out, which are not read."""
        name, align = f"llvm.masked.load.{_overload(type)}.p0", _size(type)
        self.module.declared[name] = f"declare {type} @{name}(ptr, {mask.type}, {type})"
        return self._op(f"call {type} @{name}(ptr align {align} {pointer.text}, {mask}, {type} zeroinitializer)", type)

    def masked_store(self, value: Value, pointer: Value, mask: Value) -> None:
        name, align = f"llvm.masked.store.{_overload(value.type)}.p0", _size(value.type)
        self.module.declared[name] = f"declare void @{name}({value.type}, ptr, {mask.type})"
        self.line(f"call void @{name}({value}, ptr align {align} {pointer.text}, {mask})")

    def atomic_add(self, pointer: Value, value: Value) -> Value:
        """Add to memory that other threads see; the value before."""
        return self._op(f"atomicrmw add ptr {pointer.text}, {value} seq_cst, align 8", value.type)

    def atomic_load(self, pointer: Value, type: str) -> Value:
        return self._op(f"load atomic {type}, ptr {pointer.text} seq_cst, align 8", type)

    def atomic_store(self, value: Value, pointer: Value) -> None:
        self.line(f"store atomic {value}, ptr {pointer.text} seq_cst, align 8")

    def pause(self) -> None:
        """Let the processor rest for some cycles while it waits for another one."""
        kind = (self.module.triple or "").partition("-")[0]
        if kind == "x86_64":
            self.call("llvm.x86.sse2.pause", "void")
        elif kind in ("aarch64", "arm64"):
            # Its own hint to rest ends at once on most processors; emptying the pipeline takes some cycles.
            self.call("llvm.aarch64.isb", "void", self.integer(15, "i32"))

    def compare_exchange(self, pointer: Value, old: Value, new: Value) -> Value:
        """Write `new` if memory still holds `old`; whether it did (an i1)."""
        both = self._op(f"cmpxchg ptr {pointer.text}, {old}, {new} seq_cst seq_cst", f"{{ {old.type}, i1 }}")
        return self._op(f"extractvalue {both}, 1", "i1")

    def offsets(self, pointer: Value, indices: Value, element: str) -> Value:
        """The addresses of the elements that a vector of indices names."""
        type = vector("ptr", lanes_of(indices.type))
        return self._op(f"getelementptr inbounds {element}, ptr {pointer.text}, {indices}", type)

    def gather(self, pointers: Value, type: str, mask: Value) -> Value:
        """A load from another address in each lane; zero where the mask is."""
        name, align = f"llvm.masked.gather.{_overload(type)}.v{lanes_of(type)}p0", _size(type)
        self.module.declared[name] = f"declare {type} @{name}({pointers.type}, {mask.type}, {type})"
        return self._op(
            f"call {type} @{name}({pointers.type} align {align} {pointers.text}, {mask}, {type} zeroinitializer)", type
        )

    def scatter(self, value: Value, pointers: Value, mask: Value) -> None:
        """A store to another address from each lane that the mask lets through, in the lanes' order."""
        type = value.type
        name, align = f"llvm.masked.scatter.{_overload(type)}.v{lanes_of(type)}p0", _size(type)
        self.module.declared[name] = f"declare void @{name}({type}, {pointers.type}, {mask.type})"
        self.line(f"call void @{name}({value}, {pointers.type} align {align} {pointers.text}, {mask})")

    def copy(self, source: Value, target: Value, count: Value) -> None:
        """So many bytes, between places that do not overlap."""
        name = "llvm.memcpy.p0.p0.i64"
        self.module.declared[name] = f"declare void @{name}(ptr, ptr, i64, i1)"
        self.line(f"call void @{name}({target}, {source}, {count}, i1 false)")

    @staticmethod
    def first_lanes(count: int, lanes: int) -> Value:
        """The mask of the first `count` lanes."""
        body = ", ".join(f"i1 {'true' if k < count else 'false'}" for k in range(lanes))
        return Value(f"<{body}>", vector("i1", lanes))

    def variable(self, start: Value) -> Value:
        """A place on the stack that LLVM turns into a register; read and set by `load` and `store`."""
        with self.at(self.entry):
            place = self._op(f"alloca {start.type}", "ptr")
        self.store(start, place)
        return place


def _type_of(argument: str) -> str:
    """An argument's type without the attributes after it."""
    return argument[: argument.index(">") + 1] if argument[0] == "<" else argument.split(" ")[0]


def _size(type: str) -> int:
    element = element_of(type)
    if element == "ptr":
        return 8
    return BITS[element] // 8 if element in FLOATS else max(1, int(element[1:]) // 8)


def _overload(type: str) -> str:
    element, lanes = element_of(type), lanes_of(type)
    return f"v{lanes}{f'f{BITS[element]}' if element in FLOATS else element}"
