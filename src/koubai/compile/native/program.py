"""A list of nests as one LLVM function, with the memory that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from koubai.compile.aligned import aligned
from koubai.compile.llvm import Function, Machine, Module, Value
from koubai.compile.native.convolutions import write_convolutions
from koubai.compile.native.nests import Written, write_check, write_nest
from koubai.compile.native.products import SCRATCH, write_products
from koubai.compile.nest import Apply, Buffer, Call, Check, Convolution, Loop, Nest, Product, flattened, touched
from koubai.compile.team.sharing import COUNTER_WORDS, shared_parts
from koubai.ops.lowering import Fold

__all__ = ["arena_layout", "write_program"]

SHARING = ("thread", "threads", "run")


@dataclass(slots=True)
class Assembled:
    """A program's module, and how it uses its arena.

    Attributes
    ----------
    module : Module
    offsets : dict
        slot -> bytes from the start of the arena, for the buffers that lie there.
    arena : int
        Bytes that all threads share; behind them each thread has its own.
    scratch : int
        Bytes of each thread.
    parallel : bool
        Whether several threads have something to do.
    """

    module: Module
    offsets: dict[int, int]
    arena: int
    scratch: int
    parallel: bool


def write_program(
    nests: Sequence[Any], temporaries: Sequence[Buffer], machine: Machine, name: str = "program"
) -> Assembled:
    """``i32 program(table, arena, callback, thread, threads, run, shared)``: 0, or 1 if a callback failed.

    The threads of a team call it with their numbers and the number of the run (see `team.sharing`); alone,
    a thread is number 0 of 1.

    Parameters
    ----------
    nests : what to run, in order
    temporaries : the buffers that lie in the arena
    machine : Machine
    """
    module = Module(machine.triple, fma=machine.fma)
    written: dict[Any, list[Written]] = {}
    scratch = 0
    for k, nest in enumerate(flattened(nests)):
        written[id(nest)], needed = _written(module, machine, nest, f"k{k}")
        scratch = max(scratch, aligned(needed))
    offsets, arena_size = arena_layout(nests, temporaries)
    shared = sum(f.parallel for nest in nests for f in written[id(nest)])
    main = _Main(module, name, offsets, shared, written)
    main.own_memory(arena_size, scratch)
    for nest in nests:
        main.add(nest)
    main.finish()
    return Assembled(module, offsets, arena_size + shared * COUNTER_WORDS * 8, scratch, main.parallel)


def _written(module: Module, machine: Machine, nest: Any, name: str) -> tuple[list[Written], int]:
    """The functions that do a nest's work, one after the other, and the bytes of scratch memory they need."""
    if isinstance(nest, (Call, Loop)):
        return [], 0
    if isinstance(nest, Check):
        return [write_check(module, machine, nest, name)], 0
    if isinstance(nest, Convolution):
        return [write_convolutions(module, machine, nest, name)], 0
    if isinstance(nest, Product):
        if nest.c.buffer.type.dtype.kind == "f" and nest.c.buffer.bytes and nest.sizes[1]:
            return write_products(module, machine, nest, name)
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


class _Main:
    """The function that runs the nests in order.

    What is worth sharing is dealt out in parts; the thread that leads (number 0) does the rest.
    """

    def __init__(
        self, module: Module, name: str, offsets: dict[int, int], shared: int, written: dict[int, list[Written]]
    ) -> None:
        arguments = [*(("ptr", a) for a in ("table", "arena", "callback")), *(("i64", a) for a in SHARING)]
        self.f = module.function(name, [*arguments, ("ptr", "shared")], result="i32")
        self.table, arena, self.callback, self.thread, self.threads, self.run, self.shared = self.f.arguments
        self.pointers = _Pointers(self.f, self.table, arena, offsets)
        self.parallel = shared > 0
        self._counters = iter(range(shared))
        self._shared = shared
        self._written = written  # id of a nest -> the functions that do its work
        self._steps = 0  # loops around
        self.leading: Any = None  # the branch of thread 0 that is open

    def own_memory(self, start: int, size: int) -> None:
        """Behind the arena: the counters of shared work, then each thread's own scratch memory."""
        with self.f.at(self.f.entry):
            self.shelf = self.f.offset(self.pointers.arena, start, "i8")
            behind = self.f.integer(start + self._shared * COUNTER_WORDS * 8)
            mine = self.f.add(self.f.mul(self.thread, self.f.integer(size)), behind)
            self.pointers[SCRATCH] = self.f.offset(self.pointers.arena, mine, "i8")

    def add(self, nest: Any) -> None:
        functions = self._written[id(nest)]
        if isinstance(nest, Loop):
            self._loop(nest)
        elif isinstance(nest, Call):
            self._lead()
            self._call(nest.number)
        elif isinstance(nest, Check):
            self._lead()
            (check,) = functions
            fits = self.f.call(check.name, "i1", *(self.pointers[s] for s in check.slots))
            with self.f.when(self.f.opposite(fits)):
                self._call(nest.number)
        else:
            for function in functions:
                self._run(function)

    def finish(self) -> None:
        self._together()
        self.f.ret(self.f.integer(0, "i32"))

    def _loop(self, loop: Loop) -> None:
        """The nests of the body, once a step, with the addresses of that step's rows."""
        f = self.f
        self._lead()
        asks = any(isinstance(nest, (Call, Check)) for nest in flattened(loop.nests))
        bases = [self.pointers[array.slot] for _, array, _ in loop.rows]
        self._steps += 1
        with f.loop(0, loop.length) as turn:
            step = f.sub(f.integer(loop.length - 1), turn) if loop.reverse else turn
            for (slot, _, size), base in zip(loop.rows, bases):
                self.pointers[slot] = f.offset(base, f.mul(step, f.integer(size)), "i8")
                if asks:  # in NumPy the table says where buffers lie
                    f.store(self.pointers[slot], f.offset(self.table, slot, "ptr"))
            for nest in loop.nests:
                self.add(nest)
        self._steps -= 1

    def _run(self, function: Written) -> None:
        f = self.f
        if function.last <= function.first:
            return
        arguments = [self.pointers[s] for s in function.slots]
        first, last = f.integer(function.first), f.integer(function.last)
        if not function.parallel or self._steps:
            self._lead()
            f.call(function.name, "void", *arguments, first, last)
            return
        self._together()
        alone = f.compare("eq", self.threads, f.integer(1))
        with f.when(alone):
            f.call(function.name, "void", *arguments, first, last)
        with f.when(f.opposite(alone)):
            counter = f.offset(self.shelf, next(self._counters) * COUNTER_WORDS, "i64")
            units = f.integer(function.last - function.first)
            with shared_parts(f, counter, self.thread, self.threads, self.run, self.shared) as part:
                ends = []
                for number in (part, f.add(part, f.integer(1))):
                    share = f.binary("udiv", f.mul(number, units), self.threads)
                    ends.append(f.add(share, first))
                f.call(function.name, "void", *arguments, *ends)

    def _lead(self) -> None:
        """From here on only thread 0 works."""
        if self.parallel and self.leading is None:
            self.leading = self.f.when(self.f.compare("eq", self.thread, self.f.integer(0)))
            self.leading.__enter__()

    def _together(self) -> None:
        """From here on all threads work."""
        if self.leading is not None:
            self.leading.__exit__(None, None, None)
            self.leading = None

    def _call(self, number: int) -> None:
        """Hand a step to Python; leave at once if it failed."""
        failed = self.f.call_pointer(self.callback, "i32", self.f.integer(number, "i32"))
        with self.f.when(self.f.compare("ne", failed, self.f.integer(0, "i32"))):
            self.f.ret(self.f.integer(1, "i32"))
            self.f.start(self.f.new_block("never"))


class _Pointers(dict[int, Value]):
    """slot -> address, computed at first use in the entry."""

    def __init__(self, main: Function, table: Value, arena: Value, offsets: dict[int, int]) -> None:
        super().__init__()
        self.main, self.table, self.arena, self.offsets = main, table, arena, offsets

    def __missing__(self, slot: int) -> Value:
        with self.main.at(self.main.entry):
            if slot in self.offsets:
                made = self.main.offset(self.arena, self.offsets[slot], "i8")
            else:
                made = self.main.load(self.main.offset(self.table, slot, "ptr"), "ptr")
        self[slot] = made
        return made


def arena_layout(nests: Sequence[Any], temporaries: Sequence[Buffer]) -> tuple[dict[int, int], int]:
    """slot -> offset in one block of memory, shared by values that are never needed at the same time.

    First fit, the largest first among those that begin together.
    """
    lives = _lives(nests, {b.slot for b in temporaries})
    sizes = {b.slot: aligned(max(b.bytes, 1)) for b in temporaries}
    inside: dict[int, dict[int, int]] = {}  # what the steps of loops need for themselves, each in one piece
    for k, nest in enumerate(nests):
        if isinstance(nest, Loop):
            within, size = arena_layout(nest.nests, nest.temporaries)
            if size:
                piece = -1 - k
                lives[piece], sizes[piece], inside[piece] = (k, k), size, within
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
    for piece, within in inside.items():
        start = offsets.pop(piece)
        offsets.update((slot, start + at) for slot, at in within.items())
    return offsets, max((end for _, end, _, _ in placed), default=0)


def _lives(nests: Sequence[Any], slots: set[int]) -> dict[int, tuple[int, int]]:
    lives: dict[int, tuple[int, int]] = {}
    for k, nest in enumerate(nests):
        for buffer in touched(nest):
            if buffer.slot in slots:
                lives[buffer.slot] = (lives.get(buffer.slot, (k, k))[0], k)
    return lives
