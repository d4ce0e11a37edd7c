"""LLVM IR written as text: a few microseconds an instruction, where objects for each would cost more.

Every instruction works on scalars and on vectors alike: a value's type says which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from koubai.compile.llvm.memory import MemoryInstructions
from koubai.compile.llvm.values import Block, Value, number

__all__ = ["Function", "Module"]


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


class Function(MemoryInstructions):
    """A function under construction; blocks, and how they follow each other.

    Attributes
    ----------
    arguments : list of Value
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
        super().__init__(module)
        self.name, self.result = name, result
        self.attributes, self.linkage = attributes, linkage
        self._signature = ", ".join(f"{kind} %{label}" for kind, label in arguments)
        self.arguments = [Value(f"%{label}", _type_of(kind)) for kind, label in arguments]
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

    def new_block(self, stem: str) -> Block:
        """A block that is not yet reached from anywhere."""
        return Block(self.fresh(stem))

    def start(self, block: Block) -> None:
        """Go on in a block, placed after those that there are."""
        self._blocks.append(block)
        self.block = block

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


def _type_of(argument: str) -> str:
    """An argument's type without the attributes after it."""
    return argument[: argument.index(">") + 1] if argument[0] == "<" else argument.split(" ")[0]
