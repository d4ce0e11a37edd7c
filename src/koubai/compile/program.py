"""A compiled graph: native code, the memory that it works in, and the callbacks for what has no native form."""

from __future__ import annotations

import ctypes
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from inspect import GEN_CLOSED, getgeneratorstate
from typing import TYPE_CHECKING, Any

import numpy as np

from koubai.compile.aligned import aligned_bytes
from koubai.compile.cache import discard, fetch, store
from koubai.compile.forms import native
from koubai.compile.key import digest, key_of
from koubai.compile.llvm.engine import Code, object_code
from koubai.compile.nest import Buffer, c_strides
from koubai.compile.team import team
from koubai.errors import IndexingError, ShapeError
from koubai.graph import Node

if TYPE_CHECKING:
    from koubai.compile.source import Source

__all__ = ["Frame", "Program"]

Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)


class Program:
    """The outputs of a graph as a function of its inputs, in native code.

    Parameters
    ----------
    inputs : leaves of the graph, in the order of the arguments
    outputs : nodes
    updates : pairs (i, k), optional
        Output i is written where input k was read, so that the program can be run again on its own results.

    Attributes
    ----------
    inputs, outputs : lists of Buffer
    parallel : bool
        Whether several threads have something to do.
    asks : bool
        Whether it may call back to Python.
    """

    def __init__(
        self, inputs: Sequence[Node], outputs: Sequence[Node], updates: Sequence[tuple[int, int]] = ()
    ) -> None:
        self._graph = list(inputs), list(outputs), list(updates)
        named = key_of(*self._graph)
        if named is None or not self._fetched(*named):
            about, code = self._compiled()
            self.code = Code.loaded(code)
            if named is not None:
                store(named[0], about, code)
            self._describe(about, {digest(a): a for a in self.source.plan.constants.values()})
        self.address = self.code.address("program")
        kinds = [*[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 3, ctypes.c_void_p]
        self._alone = self.code.function("program", *kinds, result=ctypes.c_int)
        self._idle: list[Frame] = []

    @cached_property
    def source(self) -> Source:
        """What the machine code was made from; made again if the code came from the cache."""
        from koubai.compile.source import Source

        return Source(*self._graph)

    def _fetched(self, key: str, arrays: dict[str, Any]) -> bool:
        """Whether the object was on disk, and what is said of it there makes sense."""
        found = fetch(key)
        if found is None:
            return False
        about, code = found
        try:
            self.code = Code.loaded(code)
            self._describe(about, arrays)
        except Exception:  # whatever came of a file that is not what it says
            discard(key)
            return False
        return True

    def _compiled(self) -> tuple[dict[str, Any], bytes]:
        source = self.source
        plan, assembled = source.plan, source.assembled
        about = {
            "inputs": [b.slot for b in plan.inputs],
            "outputs": [b.slot for b in plan.outputs],
            "constants": {slot: digest(a) for slot, a in plan.constants.items()},
            "slots": plan.count,
            "arena": assembled.arena,
            "scratch": assembled.scratch,
            "parallel": assembled.parallel,
            "asks": source.asks,
        }
        return about, object_code(source.ir)

    def _describe(self, about: dict[str, Any], arrays: dict[str, Any]) -> None:
        inputs, outputs, _ = self._graph
        self.inputs = [_buffer(slot, x) for slot, x in zip(about["inputs"], inputs)]
        self.outputs = [_buffer(slot, y) for slot, y in zip(about["outputs"], outputs)]
        self.parallel, self.asks = about["parallel"], about["asks"]
        self.arena_size, self.scratch_size = about["arena"], about["scratch"]
        self._table = (ctypes.c_void_p * max(about["slots"], 1))()
        self._constants = []
        for slot, name in about["constants"].items():
            array = np.array(arrays[name], order="C")
            self._constants.append(array)
            self._table[int(slot)] = array.ctypes.data

    @property
    def ir(self) -> str:
        """The LLVM IR as emitted, before LLVM's own passes."""
        return self.source.ir

    def loops(self) -> str:
        """The program's loops as readable text."""
        return self.source.loops()

    def callbacks(self) -> list[str]:
        """The names of the ops that run in NumPy inside of the program."""
        return self.source.callbacks()

    def run(self, frame: Frame, entry: Any) -> None:
        """Run once in a frame, `entry` being its callback."""
        if self.parallel:
            with team() as several:
                if several is not None:
                    frame.reserve(several.threads)
                    several.run(self.address, frame.table_address, frame.arena_address, entry)
                    return
        self._alone(frame.table_address, frame.arena_address, entry, 0, 1, 0, None)

    def frame(self) -> Frame:
        """Memory for a run."""
        return Frame(self, type(self._table).from_buffer_copy(self._table))

    def __call__(self, *values: Any) -> list[Any]:
        """Run on arrays of the input types; fresh output arrays come back (NumPy scalars where 0-d)."""
        try:
            frame = self._idle.pop()
        except IndexError:  # none yet, or another thread has it
            frame = self.frame()
        for buffer, value in zip(self.inputs, values):
            frame.point(buffer, np.ascontiguousarray(value, buffer.type.dtype))
        outputs = [np.empty(buffer.type.shape, buffer.type.dtype) for buffer in self.outputs]
        for buffer, array in zip(self.outputs, outputs):
            frame.point(buffer, array)
        with frame.callback() as entry:
            self.run(frame, entry)
        frame.forget()
        self._idle[:] = [frame]  # memory that is mapped already; one frame is enough for one caller
        return [y[()] for y in outputs]


class Frame:
    """Where a program's buffers lie during one run, or during many.

    Attributes
    ----------
    table_address, arena_address : int
    """

    def __init__(self, program: Program, table: Any) -> None:
        self.program, self.table = program, table
        self.table_address = ctypes.addressof(table)
        self._held: dict[int, Any] = {}
        self._threads = 0
        self.reserve(1)

    def reserve(self, threads: int) -> None:
        """Memory for so many threads; other memory for another team, which counts its runs from the start."""
        if not self._threads or threads not in (1, self._threads):
            size = self.program.arena_size + threads * self.program.scratch_size
            self._arena = aligned_bytes(size)
            self.arena_address = self._arena.ctypes.data
            self._threads = threads

    def point(self, buffer: Buffer, array: Any) -> None:
        """Let a buffer be this array, which must be C-contiguous and of the buffer's type."""
        assert array.flags.c_contiguous, "an array with gaps"
        assert array.dtype == buffer.type.dtype, f"{array.dtype} for {buffer.type}"
        self._held[buffer.slot] = array
        self.table[buffer.slot] = array.ctypes.data

    def forget(self) -> None:
        """Hold no arrays any longer."""
        self._held.clear()

    @contextmanager
    def callback(self) -> Iterator[Any]:
        """The address that native code calls for what runs in NumPy; an error there is raised at the end."""
        if not self.program.asks:
            yield None
            return
        run = _Run(self)
        answers = run.answers()
        next(answers)
        entry = Callback(answers.send)  # not kept by the run: the two would keep each other alive
        # And not ctypes.cast, which makes its argument refer to itself.
        yield ctypes.c_void_p.from_buffer(entry)
        if run.error is not None:
            try:
                raise run.error
            finally:
                run.error = None  # its traceback holds this frame, and so the arrays
                del run, answers, entry
        if getgeneratorstate(answers) == GEN_CLOSED:
            raise RecursionError("native code could not call Python, which is at the limit of its recursion")


class _Run:
    """What callbacks see during one call: where the buffers lie, and values that are not arrays."""

    def __init__(self, frame: Frame) -> None:
        self.frame, self.program = frame, frame.program
        self.tuples: dict[Any, Any] = {}
        self.error: BaseException | None = None

    def answers(self) -> Generator[int, int, None]:
        """For each number of a step that native code sends: 0 when it has been computed; 1 if that failed, at last.

        What is raised must not cross native code; it is raised again after the call. A function could not catch
        all of it: Ctrl-C that was waiting for native code to call is answered before a function's first line.
        """
        try:
            number = yield 0
            while True:
                self._compute(*self.program.source.plan.table.asked[number])
                number = yield 0
        except GeneratorExit:
            raise
        except BaseException as error:
            self.error = error
            yield 1

    def _compute(self, node: Any, buffers: dict[Any, Buffer]) -> None:
        inputs = [self._value(x, buffers) if isinstance(x, Node) else x for x in node.inputs]
        try:
            result = node.op(*inputs, **node.params)
        except Exception as error:
            if place := node.where():
                error.add_note(f"asked for at {place}, in a compiled program")
            raise
        if node in buffers:
            if np.shape(result) != node.shape:  # which might be broadcast without a word
                raise ShapeError(
                    f"{node.op.name}: a result of shape {np.shape(result)} came where its type says {node.type}; the "
                    f"shape may depend on the inputs' types only"
                )
            self._array(buffers[node])[...] = result
        elif isinstance(node.type, tuple):
            self.tuples[node] = result
        if native(node) is not None:
            raise IndexingError(
                f"{node.op.name}: native code found an index or a value out of range that NumPy, which computes it "
                f"once more, does not find; it lies on the edge, by rounding"
            )

    def _value(self, x: Node, buffers: dict[Any, Buffer]) -> Any:
        if x in self.tuples:
            return self.tuples[x]
        if x in buffers:
            return self._array(buffers[x])[()]
        # What a check asks about may have been fused away: computed here, once, for its message.
        return self._again(x, buffers)

    def _again(self, x: Node, buffers: dict[Any, Buffer]) -> Any:
        inputs = [self._value(z, buffers) if isinstance(z, Node) else z for z in x.inputs]
        return x.op.forward(*inputs, **x.params)  # type: ignore[union-attr]

    def _array(self, buffer: Buffer) -> np.ndarray[Any, Any]:
        if not buffer.bytes:
            return np.empty(buffer.type.shape, buffer.type.dtype)
        offset = self.program.source.assembled.offsets.get(buffer.slot)
        at = self.frame.table[buffer.slot] if offset is None else self.frame.arena_address + offset
        memory = (ctypes.c_uint8 * buffer.bytes).from_address(at)
        flat = np.ctypeslib.as_array(memory).view(buffer.type.dtype)
        strides = [s * flat.itemsize for s in buffer.strides]
        return np.lib.stride_tricks.as_strided(flat, buffer.type.shape, strides)


def _buffer(slot: int, node: Node) -> Buffer:
    return Buffer(slot, node.type, node.name or "", c_strides(node.shape))
