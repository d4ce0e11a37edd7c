"""A compiled graph: native code, the memory that it works in, and the callbacks for what has no native form."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from koubai.compile.loops import write_program
from koubai.compile.native import NativeCode, NativeEmitter
from koubai.compile.plan import Buffer, Plan, make_plan, native
from koubai.compile.text import TextEmitter
from koubai.graph import Node

__all__ = ["Program"]

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register

Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)


class Program:
    """The outputs of a graph as a function of its inputs, in native code.

    Parameters
    ----------
    inputs : leaves of the graph, in the order of the arguments
    outputs : nodes

    Attributes
    ----------
    plan : Plan
    ir : str
        The LLVM IR as emitted, before LLVM's own passes.
    """

    def __init__(self, inputs: Sequence[Node], outputs: Sequence[Node]) -> None:
        self.plan: Plan = make_plan(inputs, outputs)
        emitter = NativeEmitter("koubai")
        write_program(self.plan, emitter)
        self.ir = emitter.finish()
        self.code = NativeCode(self.ir)
        self.constants = {slot: np.ascontiguousarray(a) for slot, a in self.plan.constants.items()}
        self.input_types = [x.type for x in inputs]
        self.output_buffers = _by_slot(self.plan, self.plan.outputs)
        self.offsets, self.arena_size = _layout(self.plan.temporaries)

    def loops(self) -> str:
        """The program's loops as readable text."""
        emitter = TextEmitter()
        write_program(self.plan, emitter)
        return "\n".join(emitter.lines)

    def callbacks(self) -> list[str]:
        """The names of the ops that run in NumPy inside of the program."""
        return [node.op.name for node in self.plan.steps if native(node) is None]

    def __call__(self, *values: Any) -> list[Any]:
        """Run on arrays of the input types; fresh output arrays come back (NumPy scalars where 0-d)."""
        table = (ctypes.c_void_p * self.plan.count)()
        held: dict[int, Any] = dict(self.constants)
        for slot, value, of in zip(self.plan.inputs, values, self.input_types):
            held[slot] = np.ascontiguousarray(value, of.dtype)
        outputs = []
        for buffer in self.output_buffers:
            if buffer.slot not in held:
                held[buffer.slot] = np.empty(buffer.type.shape, buffer.type.dtype)
            outputs.append(held[buffer.slot])
        arena = np.empty(self.arena_size + ALIGNMENT, np.uint8)
        base = -(-arena.ctypes.data // ALIGNMENT) * ALIGNMENT
        for slot, array in held.items():
            table[slot] = array.ctypes.data
        for slot, offset in self.offsets.items():
            table[slot] = base + offset
        run = _Run(self.plan, table)
        entry = Callback(run.enter)  # not kept by the run: the two would keep each other alive
        # And not ctypes.cast, which makes its argument refer to itself.
        self.code.call(ctypes.addressof(table), ctypes.c_void_p.from_buffer(entry))
        if run.error is not None:
            raise run.error
        shared = {*self.plan.inputs, *self.constants}
        return [np.array(y)[()] if s in shared else y[()] for s, y in zip(self.plan.outputs, outputs)]


class _Run:
    """What callbacks see during one call: the table of pointers, and values that are not arrays."""

    def __init__(self, plan: Plan, table: Any) -> None:
        self.plan, self.table = plan, table
        self.tuples: dict[Any, Any] = {}
        self.error: BaseException | None = None

    def enter(self, number: int, table: int) -> int:
        """Compute step `number`; what native code calls. 1 if that failed."""
        try:
            self._compute(self.plan.steps[number])
        except BaseException as error:  # must not cross native code; raised again after the call
            self.error = error
            return 1
        return 0

    def _compute(self, node: Any) -> None:
        inputs = [self._value(x) if isinstance(x, Node) else x for x in node.inputs]
        result = node.op.forward(*inputs, **node.params)
        if node in self.plan.buffers:
            self._array(self.plan.buffers[node])[...] = result
        else:
            self.tuples[node] = result

    def _value(self, x: Node) -> Any:
        if x in self.tuples:
            return self.tuples[x]
        return self._array(self.plan.buffers[x])[()]

    def _array(self, buffer: Buffer) -> np.ndarray[Any, Any]:
        size = prod(buffer.type.shape) * buffer.type.dtype.itemsize
        if not size:
            return np.empty(buffer.type.shape, buffer.type.dtype)
        memory = (ctypes.c_uint8 * size).from_address(self.table[buffer.slot])
        return np.ctypeslib.as_array(memory).view(buffer.type.dtype).reshape(buffer.type.shape)


def _by_slot(plan: Plan, slots: Sequence[int]) -> list[Buffer]:
    found = {b.slot: b for b in [*plan.buffers.values(), *(b for _, b in plan.arrays.values())]}
    return [found[s] for s in slots]


def _layout(buffers: Sequence[Buffer]) -> tuple[dict[int, int], int]:
    """Offsets of intermediate values in one block of memory."""
    offsets, end = {}, 0
    for b in buffers:
        offsets[b.slot] = end
        size = prod(b.type.shape) * b.type.dtype.itemsize
        end += -(-size // ALIGNMENT) * ALIGNMENT
    return offsets, end
