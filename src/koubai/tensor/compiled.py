"""kb.compile: a function traced for the types of its arguments and run as native code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any

import numpy as np

from koubai.graph import Node, Type, constant, placeholder, to_text, topological, type_of
from koubai.tensor.tensor import Tensor
from koubai.tensor.trees import flatten

__all__ = ["Compiled", "compile"]

ARRAYS = (np.ndarray, np.generic, Node)


def compile(f: Callable[..., Any]) -> Compiled:
    """A function that computes what `f` computes, in native code.

    At the first call with arguments of some types (shapes and dtypes) `f` runs once on tensors of which only
    the types are known; the graph that it leaves is compiled and kept for these types. Tensors that `f`
    reaches by itself, parameters among them, are read anew at every call. Arguments that are not arrays
    (numbers, strings, None) are constants: another value is traced anew.

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
        One compiled program for each combination of types seen.
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f
        self.programs: dict[Any, _Traced] = {}
        update_wrapper(self, f)

    def __call__(self, *args: Any) -> Any:
        leaves, rebuild = flatten(list(args))
        if any(isinstance(x, Node) and (x.requires_grad or x.value is None) for x in leaves):
            return self.f(*args)
        key = _signature(args, leaves)
        traced = self.programs.get(key)
        if traced is None:
            traced = self.programs[key] = _Traced(self.f, leaves, rebuild)
        results = traced(leaves)
        if any(isinstance(x, Node) for x in leaves):
            results = [constant(y, Tensor) for y in results]
        return traced.rebuild(results)

    def loops(self) -> str:
        """The loops of every program, as readable text."""
        return "\n\n".join(traced.program.loops() for traced in self.programs.values())

    def ir(self) -> str:
        """The LLVM IR of every program, as it is handed to LLVM."""
        return "\n\n".join(traced.program.ir for traced in self.programs.values())

    def __str__(self) -> str:
        return "\n\n".join(str(traced) for traced in self.programs.values()) or "not called yet, so not compiled"


def _signature(args: Sequence[Any], leaves: Sequence[Any]) -> Any:
    structure = repr(flatten(list(args))[1]([None] * len(leaves)))
    return structure, tuple(_type(x) if isinstance(x, ARRAYS) else (type(x), x) for x in leaves)


def _type(x: Any) -> Type:
    of: Type = x.type if isinstance(x, Node) else type_of(x)
    return of


class _Traced:
    """One trace of a function: its graph, the leaves that it reaches, and the program."""

    def __init__(self, f: Callable[..., Any], leaves: Sequence[Any], rebuild: Any) -> None:
        from koubai.compile import Program, simplify

        self.positions = [i for i, x in enumerate(leaves) if isinstance(x, ARRAYS)]
        arguments = list(leaves)
        self.inputs = []
        for i in self.positions:
            arguments[i] = placeholder(_type(leaves[i]), Tensor)
            self.inputs.append(arguments[i])
        y = f(*rebuild(arguments))
        outputs, self.rebuild = flatten(y)
        self.traced = [x if isinstance(x, Node) else constant(np.asarray(x)[()], Tensor) for x in outputs]
        self.outputs = simplify(self.traced, keep=self.inputs)
        self.captured = [
            node for node in topological(self.outputs) if node.op is None and node.value is not None
        ]
        self.program = Program([*self.inputs, *self.captured], self.outputs)

    def __call__(self, leaves: Sequence[Any]) -> list[Any]:
        given = [leaves[i].value if isinstance(leaves[i], Node) else leaves[i] for i in self.positions]
        return self.program(*given, *(node.value for node in self.captured))

    def __str__(self) -> str:
        callbacks = self.program.callbacks()
        through = f"in NumPy, by callback: {', '.join(callbacks)}" if callbacks else "everything is native"
        return f"traced\n{to_text(self.traced)}\n\nsimplified\n{to_text(self.outputs)}\n\n{through}"
