"""One trace of a function: the graph that it leaves, what it reads besides its arguments, what it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any

import numpy as np

from koubai.errors import TracingError
from koubai.graph import Node, Type, constant, placeholder, topological, tracing, type_of
from koubai.tensor.tensor import Tensor
from koubai.tensor.transforms.binding import as_outputs
from koubai.tensor.watch import Symbol, Watch, Watched, watched

__all__ = ["ARRAYS", "Trace", "type_of_value"]

ARRAYS = (np.ndarray, np.generic, Node)


def type_of_value(x: Any) -> Type:
    """The type of a node or an array."""
    of: Type = x.type if isinstance(x, Node) else type_of(x)
    return of


class Trace:
    """What one run of a function on tensors of which only the types are known leaves behind.

    Parameters
    ----------
    f : callable
    leaves : the arguments' leaves; arrays and tensors among them become inputs, everything else is constant
    rebuild : from the leaves to the arguments
    besides : functions and objects that `f` reaches by itself and whose attributes may change

    Attributes
    ----------
    positions : list of int
        Which leaves are inputs.
    inputs : list of nodes
        For the arguments, and then for the states that are read.
    traced : list of nodes
        The results' leaves, and then what the states have become.
    outputs : list of nodes
        The same, simplified, on `inputs` and `stand_ins`.
    states, changed : lists of State
        Values that outlive a call: all that are read, and those that take new values.
    captured, stand_ins : lists of nodes
        Tensors that were there before, and for each the input that stands for it.
    unsettled : str
        What the function does each time it runs that no program would do; empty if nothing.
    rebuild : from the results' leaves to the results
    """

    def __init__(self, f: Callable[..., Any], leaves: Sequence[Any], rebuild: Any, besides: Sequence[Any] = ()) -> None:
        from koubai.compile import simplify

        self.positions = [i for i, x in enumerate(leaves) if isinstance(x, ARRAYS)]
        besides = [x for x in (*leaves, *besides) if not isinstance(x, (*ARRAYS, type))]
        y = self._run(f, leaves, rebuild, besides)
        first = self.watch
        if first.changes():
            y = self._run(f, leaves, rebuild, besides)  # what is made when it is first needed is there now
        self.unsettled = self.watch.settle(first)
        outputs, self.rebuild = as_outputs("compile", y)
        self.states = list(self.watch.states.values())
        self.changed = [state for state in self.states if state.now is not state.before]
        self.traced = outputs + [state.now for state in self.changed]
        self.inputs += [state.before for state in self.states]
        self.captured = self._captured()
        self._types = [(node, node.shape, node.dtype) for node in self.captured]
        self._refuse_strangers()
        self.stand_ins = [_stand_in(node) for node in self.captured]
        known = {x: x for x in self.inputs} | dict(zip(self.captured, self.stand_ins))
        self.outputs = simplify(self.traced, known)

    def _run(self, f: Callable[..., Any], leaves: Sequence[Any], rebuild: Any, besides: Sequence[Any]) -> Any:
        self._start = constant(None).number  # what is older was there before the trace
        arguments = list(leaves)
        self.inputs: list[Any] = []
        for i in self.positions:
            arguments[i] = placeholder(type_of_value(leaves[i]), Symbol)
            self.inputs.append(arguments[i])
        self.watch = Watch()
        for x in (*besides, *_models_of(f, *besides)):
            self.watch.meet(x)
        watch_token, tracing_token = watched.set(self.watch), tracing.set(True)
        try:
            return f(*rebuild(arguments))
        finally:
            tracing.reset(tracing_token)
            watched.reset(watch_token)

    def _captured(self) -> list[Any]:
        """The tensors that the trace reaches and that may change: read anew at every call.

        Those that were there before, and those that are trained: a layer may make its parameters when it is first
        called.
        """
        reached = [y for y in self.traced if self._may_change(y)]
        for node in topological(self.traced):
            if node.number > self._start:
                reached += [x for x in node.inputs if isinstance(x, Node) and self._may_change(x)]
        return [node for node in dict.fromkeys(reached) if node.value is not None]

    def _may_change(self, node: Node) -> bool:
        return node.number < self._start or (node.op is None and node.requires_grad)

    def _refuse_strangers(self) -> None:
        """Refuse what stood for a value inside of a loop, a vmap or another trace, and was carried out of it."""
        known = set(self.inputs)
        for node in topological(self.traced):
            if node.op is None and node.value is None and node not in known:
                inside = "another call of kb.compile"
                if not isinstance(node, Symbol):
                    inside = "kb.scan, kb.checkpoint or kb.vmap"
                error = TracingError(
                    f"compile: a value of type {node.type} from inside of {inside} is used outside; return it from the "
                    f"function there instead of assigning it (to a layer's buffer, a list, a variable)"
                )
                error.around = node.number < self._start and not isinstance(node, Symbol)
                raise error

    def holds(self) -> bool:
        """Whether a new trace would be the same: settings, and types of states and captured tensors, are as before."""
        if not self.watch.holds():
            return False
        for node, shape, dtype in self._types:
            value = node.value
            if value.shape != shape or value.dtype != dtype:
                return False
        return True


def _models_of(*functions: Any) -> Iterator[Watched]:
    """The models that functions name, in their closure or as globals: their attributes can be read unnoticed."""
    waiting, seen = [*functions], set()
    while waiting:
        x = waiting.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        if isinstance(x, Watched):
            yield x
        elif isinstance(x, partial):
            waiting += [x.func, *x.args, *x.keywords.values()]
        elif isinstance(x, MethodType):
            waiting += [x.__self__, x.__func__]
        elif isinstance(x, FunctionType):
            named = (x.__globals__.get(name) for name in x.__code__.co_names)
            waiting += [*(x.__defaults__ or ()), *(y for y in named if isinstance(y, Watched))]
            waiting += [cell.cell_contents for cell in x.__closure__ or () if cell != CellType()]


def _stand_in(node: Node) -> Any:
    twin = placeholder(node.type, Tensor)
    twin.name = node.name
    return twin
