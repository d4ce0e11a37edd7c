"""All that lies between a graph and its machine code: the plan, the loops, the LLVM IR."""

from __future__ import annotations

from collections.abc import Sequence

from koubai.compile.llvm import host
from koubai.compile.native import write_program
from koubai.compile.nest import Call, Check, flattened
from koubai.compile.place import planned
from koubai.compile.text import loops_as_text
from koubai.graph import Node
from koubai.ops.lowering import Part

__all__ = ["Source"]


class Source:
    """A graph on its way to machine code.

    Attributes
    ----------
    plan : Plan
    nests : list
        What runs, in order.
    assembled : Assembled
        The module, and its memory.
    ir : str
    asks : bool
        Whether the program may call back to Python.
    """

    def __init__(self, inputs: Sequence[Node], outputs: Sequence[Node], updates: Sequence[tuple[int, int]]) -> None:
        self.plan, self.nests = planned(inputs, outputs, updates)
        every = flattened(self.nests)
        self.asks = any(isinstance(nest, (Call, Check)) for nest in every)
        asked = [self.plan.table.asked[nest.number][0] for nest in every if isinstance(nest, Call)]
        self._callbacks = [node.op.name for node in asked if not isinstance(node.op.lower, Part)]
        self.assembled = write_program(self.nests, self.plan.temporaries, host())
        self.ir = self.assembled.module.text()

    def loops(self) -> str:
        """The loops as readable text."""
        return loops_as_text(self.nests)

    def callbacks(self) -> list[str]:
        """The names of the ops that run in NumPy, without those that hand on one of several results."""
        return list(self._callbacks)
