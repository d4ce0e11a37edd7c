"""kb.compile: a function traced for the types of its arguments and run as native code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any

import numpy as np

from koubai.errors import TracingError
from koubai.graph import Node, Type, constant, placeholder, to_text, topological, tracing, type_of
from koubai.tensor.tensor import Tensor
from koubai.tensor.trees import flatten
from koubai.tensor.watch import Watch, watched

__all__ = ["Compiled", "compile"]

ARRAYS = (np.ndarray, np.generic, Node)


def compile(f: Callable[..., Any]) -> Compiled:
    """A function that computes what `f` computes, in native code.

    At the first call with arguments of some types (shapes and dtypes) `f` runs once on tensors of which only
    the types are known; the graph that it leaves is compiled and kept for these types. Tensors that `f`
    reaches by itself, parameters among them, are read anew at every call; what it assigns to a model's
    buffers is assigned after every call. Arguments that are not arrays (numbers, strings, None) and whether
    a model is in training are constants: another value is traced anew.

    Parameters
    ----------
    f : callable
        Takes and returns arrays, or nested containers of arrays; must not branch on their values.

    Returns
    -------
    Compiled
        Plain arrays in, plain arrays out. Called with a tensor whose gradient is wanted, it runs `f` itself,
        so that it can be differentiated like any function.

    Raises
    ------
    TracingError
        If `f` asks for a value while it is traced.

    Examples
    --------
    >>> import koubai as kb
    >>> import koubai.numpy as knp
    >>> g = kb.compile(lambda x: knp.sum(knp.sin(x) ** 2))
    >>> float(g(np.zeros(3)))
    0.0
    """
    return Compiled(f)


class Compiled:
    """What `compile` returns.

    Attributes
    ----------
    programs : dict
        The compiled programs for each combination of types seen: one, or more where a model was switched
        between training and evaluation, or converted.
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f
        self.programs: dict[Any, list[_Traced]] = {}
        update_wrapper(self, f)

    def __call__(self, *args: Any) -> Any:
        leaves, rebuild = flatten(list(args))
        if any(isinstance(x, Node) and (x.requires_grad or x.value is None) for x in leaves):
            return self.f(*args)
        key = _signature(args, leaves)
        known = self.programs.setdefault(key, [])
        traced = next((t for t in known if t.holds()), None)
        if traced is None:
            traced = _Traced(self.f, leaves, rebuild)
            known.append(traced)
        results = traced(leaves)
        if any(isinstance(x, Node) for x in leaves):
            results = [constant(y, Tensor) for y in results]
        return traced.rebuild(results)

    def loops(self) -> str:
        """The loops of every program, as readable text."""
        return "\n\n".join(traced.program.loops() for traced in self._traced())

    def ir(self) -> str:
        """The LLVM IR of every program, as it is handed to LLVM."""
        return "\n\n".join(traced.program.ir for traced in self._traced())

    def __str__(self) -> str:
        return "\n\n".join(map(str, self._traced())) or "not called yet, so not compiled"

    def _traced(self) -> list[_Traced]:
        return [traced for known in self.programs.values() for traced in known]


def _signature(args: Sequence[Any], leaves: Sequence[Any]) -> Any:
    structure = repr(flatten(list(args))[1]([None] * len(leaves)))
    return structure, tuple(_type(x) if isinstance(x, ARRAYS) else (type(x), x) for x in leaves)


def _type(x: Any) -> Type:
    of: Type = x.type if isinstance(x, Node) else type_of(x)
    return of


def _stand_in(node: Node) -> Any:
    twin = placeholder(node.type, Tensor)
    twin.name = node.name
    return twin


class _Traced:
    """One trace of a function: its graph, the leaves that it reaches, and the program."""

    def __init__(self, f: Callable[..., Any], leaves: Sequence[Any], rebuild: Any) -> None:
        from koubai.compile import Program, simplify

        self.start = constant(None).number  # what is older was there before the trace
        self.positions = [i for i, x in enumerate(leaves) if isinstance(x, ARRAYS)]
        arguments = list(leaves)
        self.inputs = []
        for i in self.positions:
            arguments[i] = placeholder(_type(leaves[i]), Tensor)
            self.inputs.append(arguments[i])
        self.watch = Watch()
        watch_token, tracing_token = watched.set(self.watch), tracing.set(True)
        try:
            y = f(*rebuild(arguments))
        finally:
            tracing.reset(tracing_token)
            watched.reset(watch_token)
        outputs, self.rebuild = flatten(y)
        self.states = list(self.watch.states.values())
        self.changed = [state for state in self.states if state.now is not state.before]
        outputs += [state.now for state in self.changed]
        self.traced = [x if isinstance(x, Node) else constant(np.asarray(x)[()], Tensor) for x in outputs]
        self.inputs += [state.before for state in self.states]
        self.captured = self._captured()
        self.types = [node.type for node in self.captured]
        self._refuse_strangers()
        stands_for = {node: _stand_in(node) for node in self.captured}
        self.outputs = simplify(self.traced, {**{x: x for x in self.inputs}, **stands_for})
        self.program = Program([*self.inputs, *stands_for.values()], self.outputs)

    def _captured(self) -> list[Any]:
        """The tensors that were there before and that the trace reaches: read anew at every call."""
        reached = [y for y in self.traced if y.number < self.start]
        for node in topological(self.traced):
            if node.number > self.start:
                reached += [x for x in node.inputs if isinstance(x, Node) and x.number < self.start]
        return [node for node in dict.fromkeys(reached) if node.value is not None]

    def _refuse_strangers(self) -> None:
        """Refuse what stood for a value inside of a loop or a vmap, and was carried out of it."""
        known = set(self.inputs)
        for node in topological(self.traced):
            if node.op is None and node.value is None and node not in known:
                raise TracingError(
                    f"compile: a value of type {node.type} from inside of kb.scan, kb.checkpoint or kb.vmap is used "
                    f"outside; return it from the function there instead of assigning it (to a layer's buffer, a list, "
                    f"a variable)"
                )

    def holds(self) -> bool:
        """Whether a new trace would be the same: settings and the types of captured tensors have not changed."""
        return self.watch.holds() and all(node.type == of for node, of in zip(self.captured, self.types))

    def __call__(self, leaves: Sequence[Any]) -> list[Any]:
        given = [leaves[i].value if isinstance(leaves[i], Node) else leaves[i] for i in self.positions]
        states = [state.read() for state in self.states]
        results = list(self.program(*given, *states, *(node.value for node in self.captured)))
        count = len(results) - len(self.changed)
        for state, value in zip(self.changed, results[count:]):
            state.write(value)
        return results[:count]

    def __str__(self) -> str:
        callbacks = self.program.callbacks()
        through = f"in NumPy, by callback: {', '.join(callbacks)}" if callbacks else "everything is native"
        return f"traced\n{to_text(self.traced)}\n\nsimplified\n{to_text(self.outputs)}\n\n{through}"
