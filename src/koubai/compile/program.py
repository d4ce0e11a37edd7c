"""A compiled graph: native code, the memory that it works in, and the callbacks for what has no native form."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from koubai.compile.build import build
from koubai.compile.llvm import host
from koubai.compile.llvm.engine import Code
from koubai.compile.native.program import ALIGNMENT, write_program
from koubai.compile.nest import Buffer, Call, Check
from koubai.compile.plan import Plan, make_plan
from koubai.compile.text import loops_as_text
from koubai.graph import Node

__all__ = ["Program"]

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
    nests : list
        What runs, in order.
    ir : str
        The LLVM IR as emitted, before LLVM's own passes.
    """

    def __init__(self, inputs: Sequence[Node], outputs: Sequence[Node]) -> None:
        self.plan: Plan = make_plan(inputs, outputs)
        self.nests = build(self.plan)
        assembled = write_program(self.nests, self.plan.temporaries, host())
        self.offsets, self.arena_size = assembled.offsets, assembled.arena
        self.ir = assembled.module.text()
        self.code = Code(self.ir)
        self._run = self.code.function(
            "program", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, result=ctypes.c_int
        )
        self._asks = any(isinstance(nest, (Call, Check)) for nest in self.nests)
        self._constants = {slot: np.ascontiguousarray(a) for slot, a in self.plan.constants.items()}
        self._table = (ctypes.c_void_p * max(self.plan.count, 1))()
        for slot, array in self._constants.items():
            self._table[slot] = array.ctypes.data

    def loops(self) -> str:
        """The program's loops as readable text."""
        return loops_as_text(self.nests)

    def callbacks(self) -> list[str]:
        """The names of the ops that run in NumPy inside of the program."""
        return [nest.name for nest in self.nests if isinstance(nest, Call)]

    def __call__(self, *values: Any) -> list[Any]:
        """Run on arrays of the input types; fresh output arrays come back (NumPy scalars where 0-d)."""
        table = type(self._table).from_buffer_copy(self._table)
        held = []
        for buffer, value in zip(self.plan.inputs, values):
            array = np.ascontiguousarray(value, buffer.type.dtype)
            held.append(array)
            table[buffer.slot] = array.ctypes.data
        outputs = []
        for buffer in self.plan.outputs:
            array = np.empty(buffer.type.shape, buffer.type.dtype)
            outputs.append(array)
            table[buffer.slot] = array.ctypes.data
        arena = np.empty(self.arena_size + ALIGNMENT, np.uint8)
        base = -(-arena.ctypes.data // ALIGNMENT) * ALIGNMENT
        if not self._asks:
            self._run(ctypes.addressof(table), base, None)
        else:
            run = _Run(self.plan, table, base, self.offsets)
            entry = Callback(run.enter)  # not kept by the run: the two would keep each other alive
            # And not ctypes.cast, which makes its argument refer to itself.
            self._run(ctypes.addressof(table), base, ctypes.c_void_p.from_buffer(entry))
            if run.error is not None:
                raise run.error
        return [y[()] for y in outputs]


class _Run:
    """What callbacks see during one call: where the buffers lie, and values that are not arrays."""

    def __init__(self, plan: Plan, table: Any, base: int, offsets: dict[int, int]) -> None:
        self.plan, self.table, self.base, self.offsets = plan, table, base, offsets
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
        elif isinstance(node.type, tuple):
            self.tuples[node] = result

    def _value(self, x: Node) -> Any:
        if x in self.tuples:
            return self.tuples[x]
        if x in self.plan.buffers:
            return self._array(self.plan.buffers[x])[()]
        # What a check asks about may have been fused away: computed here, once, for its message.
        return self._again(x)

    def _again(self, x: Node) -> Any:
        inputs = [self._value(z) if isinstance(z, Node) else z for z in x.inputs]
        return x.op.forward(*inputs, **x.params)  # type: ignore[union-attr]

    def _array(self, buffer: Buffer) -> np.ndarray[Any, Any]:
        if not buffer.bytes:
            return np.empty(buffer.type.shape, buffer.type.dtype)
        at = self.base + self.offsets[buffer.slot] if buffer.slot in self.offsets else self.table[buffer.slot]
        memory = (ctypes.c_uint8 * buffer.bytes).from_address(at)
        flat = np.ctypeslib.as_array(memory).view(buffer.type.dtype)
        strides = [s * flat.itemsize for s in buffer.strides]
        return np.lib.stride_tricks.as_strided(flat, buffer.type.shape, strides)
