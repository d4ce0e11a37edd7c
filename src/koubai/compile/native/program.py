"""A list of nests as one LLVM function, with the memory that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from koubai.compile.llvm.builder import Function, Module, Value
from koubai.compile.llvm.machine import Machine
from koubai.compile.native.nests import Written, write_check, write_nest
from koubai.compile.native.products import write_products
from koubai.compile.nest import Apply, Buffer, Call, Check, Nest, Product, touched
from koubai.ops.lowering import Fold

__all__ = ["ALIGNMENT", "arena_layout", "write_program"]

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register


@dataclass(slots=True)
class Assembled:
    """A program's module, and how it uses its arena.

    Attributes
    ----------
    module : Module
    offsets : dict
        slot -> bytes from the start of the arena, for the buffers that lie there.
    arena : int
        Bytes.
    """

    module: Module
    offsets: dict[int, int]
    arena: int


def write_program(
    nests: Sequence[Any], temporaries: Sequence[Buffer], machine: Machine, name: str = "program"
) -> Assembled:
    """``i32 program(ptr table, ptr arena, ptr callback)``: 0, or 1 where a callback failed.

    Parameters
    ----------
    nests : what to run, in order
    temporaries : the buffers that lie in the arena
    machine : Machine
    """
    module = Module(machine.triple, fma=machine.fma)
    written, scratch = [], {}
    for k, nest in enumerate(nests):
        functions, needed = _written(module, machine, nest, f"k{k}", -1 - k)
        written.append(functions)
        if needed:
            scratch[-1 - k] = (k, needed)
    offsets, arena_size = arena_layout(nests, temporaries, scratch)
    main = module.function(name, [("ptr", "table"), ("ptr", "arena"), ("ptr", "callback")], result="i32")
    table, arena, callback = main.arguments
    pointers = _Pointers(main, table, arena, offsets)
    for nest, functions in zip(nests, written):
        if isinstance(nest, Call):
            _call(main, callback, table, nest.number)
        elif isinstance(nest, Check):
            (check,) = functions
            fits = main.call(check.name, "i1", *(pointers[s] for s in check.slots))
            with main.when(main.binary("xor", fits, Value("true", "i1"))):
                _call(main, callback, table, nest.number)
        else:
            for function in functions:
                if function.last > function.first:
                    arguments = [pointers[s] for s in function.slots]
                    units = main.integer(function.first), main.integer(function.last)
                    main.call(function.name, "void", *arguments, *units)
    main.ret(main.integer(0, "i32"))
    return Assembled(module, offsets, arena_size)


def _written(module: Module, machine: Machine, nest: Any, name: str, scratch: int) -> tuple[list[Written], int]:
    """The functions that do a nest's work, one after the other, and the bytes of scratch memory they need."""
    if isinstance(nest, Call):
        return [], 0
    if isinstance(nest, Check):
        return [write_check(module, machine, nest, name)], 0
    if isinstance(nest, Product):
        if nest.c.buffer.type.dtype.kind == "f" and nest.c.buffer.bytes and nest.sizes[1]:
            return write_products(module, machine, nest, name, scratch)
        nest = _as_fold(nest)
    return [write_nest(module, machine, nest, name)], 0


def _as_fold(product: Product) -> Nest:
    i, p, j = product.counters
    counters = product.a.counters | product.b.counters
    dtype = product.c.buffer.type.dtype
    value = Apply(lambda e, x, z: e.mul(x, z), (product.a, product.b), (dtype, dtype), dtype, "mul", counters)
    store = type(product.c)(product.c.buffer, product.c.at, value)
    total = Fold(lambda dtype: 0, lambda e, y, x: e.add(y, x))
    kept = [c for c in (*product.stack, i, j) if c.extent != 1]
    return Nest(kept, [store], product.title, total, [p])


def _call(main: Function, callback: Value, table: Value, number: int) -> None:
    """Hand a step to Python; leave at once if it failed."""
    failed = main.call_pointer(callback, "i32", main.integer(number, "i32"), table)
    stop, go_on = main.new_block("failed"), main.new_block("go_on")
    main.branch(main.compare("ne", failed, main.integer(0, "i32")), stop, go_on)
    main.start(stop)
    main.ret(main.integer(1, "i32"))
    main.start(go_on)


class _Pointers(dict[int, Value]):
    """slot -> address, computed at first use in the entry."""

    def __init__(self, main: Function, table: Value, arena: Value, offsets: dict[int, int]) -> None:
        super().__init__()
        self.main, self.table, self.arena, self.offsets = main, table, arena, offsets

    def __missing__(self, slot: int) -> Value:
        with self.main.at(self.main.entry):
            if slot in self.offsets:
                made = self.main.offset(self.arena, self.offsets[slot], "i8")
            elif slot < 0:  # scratch memory that is not needed
                made = Value("null", "ptr")
            else:
                made = self.main.load(self.main.offset(self.table, slot, "ptr"), "ptr")
        self[slot] = made
        return made


def arena_layout(
    nests: Sequence[Any], temporaries: Sequence[Buffer], scratch: dict[int, tuple[int, int]]
) -> tuple[dict[int, int], int]:
    """slot -> offset in one block of memory, shared by values that are never needed at the same time.

    First fit, the largest first among those that begin together. `scratch` gives for a slot the one nest
    that uses it and its bytes.
    """
    lives = _lives(nests, {b.slot for b in temporaries}) | {s: (k, k) for s, (k, _) in scratch.items()}
    needed = {b.slot: b.bytes for b in temporaries} | {s: size for s, (_, size) in scratch.items()}
    sizes = {slot: -(-max(size, 1) // ALIGNMENT) * ALIGNMENT for slot, size in needed.items()}
    offsets: dict[int, int] = {}
    placed: list[tuple[int, int, int, int]] = []  # (offset, end, first nest, last nest)
    for slot in sorted(lives, key=lambda s: (lives[s][0], -sizes[s])):
        first, last = lives[slot]
        busy = sorted((a, b) for a, b, start, stop in placed if start <= last and first <= stop)
        at = 0
        for a, b in busy:
            if a - at >= sizes[slot]:
                break
            at = max(at, b)
        offsets[slot] = at
        placed.append((at, at + sizes[slot], first, last))
    return offsets, max((end for _, end, _, _ in placed), default=0)


def _lives(nests: Sequence[Any], slots: set[int]) -> dict[int, tuple[int, int]]:
    lives: dict[int, tuple[int, int]] = {}
    for k, nest in enumerate(nests):
        for buffer in touched(nest):
            if buffer.slot in slots:
                lives[buffer.slot] = (lives.get(buffer.slot, (k, k))[0], k)
    return lives
