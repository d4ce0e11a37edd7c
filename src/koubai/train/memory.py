"""What an optimizer remembers, laid out as arrays that a compiled step reads and writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from koubai.graph import Node
from koubai.ops.elementwise import add
from koubai.tensor.trace import Trace
from koubai.tensor.trees import flatten

__all__ = ["Memory"]


class Memory:
    """The state of an optimizer as a list of arrays, and back.

    Every parameter has its own counter of steps. Those that every update raises by one are one array, so that
    what follows from it is computed once.

    Parameters
    ----------
    optimizer : Optimizer
    params : dict from path to array
    state : what the optimizer remembers at the start
    """

    def __init__(self, optimizer: Any, params: dict[str, Any], state: Any) -> None:
        self._first, self._rebuild = flatten(state)
        self._whole = {i for i, x in enumerate(self._first) if type(x) is int}
        self._floats = {i for i, x in enumerate(self._first) if type(x) is float}
        kept = [i for i, x in enumerate(self._first) if isinstance(x, (int, float, np.ndarray, np.generic))]
        together = self._ticking(optimizer, params)
        self._still: set[int] = set()  # counters of `together` that stand still after all
        self._leaves = ([together] if together else []) + [[i] for i in kept if i not in together]

    def _ticking(self, optimizer: Any, params: dict[str, Any]) -> list[int]:
        """The counters that an update raises by one and that are equal at the start."""
        whole = sorted(self._whole)

        def counted(*given: Any) -> list[Any]:
            leaves = list(self._first)
            for i, x in zip(whole, given):
                leaves[i] = x
            slopes = dict(zip(params, given[len(whole) :]))
            after = flatten(optimizer.update(slopes, self._rebuild(leaves), params)[1])[0]
            return [after[i] for i in whole]

        with np.errstate(all="ignore"):
            trace = Trace(counted, [*(np.int64(self._first[i]) for i in whole), *params.values()], tuple)
        ticking = [i for i, x, y in zip(whole, trace.inputs, trace.outputs) if _is_next(y, x)]
        return [i for i in ticking if self._first[i] == self._first[ticking[0]]]

    def arrays(self, state: Any) -> list[Any]:
        """What is kept of a state."""
        leaves = flatten(state)[0]
        return [np.int64(leaves[i]) if i in self._whole else np.asarray(leaves[i]) for i in self._representatives()]

    def state(self, arrays: Sequence[Any]) -> Any:
        """The state that is kept in arrays."""
        leaves = list(self._first)
        for members, value in zip(self._leaves, arrays):
            for i in members:
                if i not in self._still:
                    leaves[i] = int(value) if i in self._whole else float(value) if i in self._floats else value
        return self._rebuild(leaves)

    def traced(self, tensors: Sequence[Any]) -> Any:
        """The state with tensors in place of the arrays."""
        leaves = list(self._first)
        for members, x in zip(self._leaves, tensors):
            for i in members:
                leaves[i] = x
        return self._rebuild(leaves)

    def after(self, state: Any, before: Sequence[Any]) -> list[Any]:
        """What has become of each tensor in `before`, in the state after an update."""
        leaves = flatten(state)[0]
        for members, x in zip(self._leaves, before):
            if len(members) > 1:  # of parameters without gradient
                self._still.update(i for i in members if leaves[i] is x)
        return [leaves[i] for i in self._representatives()]

    def _representatives(self) -> list[int]:
        """A leaf for each array; of several one that moves."""
        return [next((i for i in members if i not in self._still), members[0]) for members in self._leaves]


def _is_next(y: Node, x: Node) -> bool:
    return y.op is add and y.inputs[0] is x and not isinstance(y.inputs[1], Node) and y.inputs[1] == 1
