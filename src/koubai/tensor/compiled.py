"""kb.compile: a function traced for the types of its arguments and run as native code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import TYPE_CHECKING, Any
from warnings import warn

from koubai.graph import Node, constant, to_text, tracing
from koubai.tensor.tensor import Tensor
from koubai.tensor.trace import ARRAYS, Trace, type_of_value
from koubai.tensor.trees import flatten

if TYPE_CHECKING:
    from koubai.compile import Program

__all__ = ["Compiled", "compile"]

MANY = 10  # programs of one function, at which something is said


def compile(f: Callable[..., Any]) -> Compiled:
    """A function that computes what `f` computes, in native code.

    At the first call with arguments of some types (shapes and dtypes) `f` runs once on tensors of which only
    the types are known; the graph that it leaves is compiled and kept for these types. Tensors that `f`
    reaches by itself, parameters among them, are read anew at every call; what it assigns to a model's
    buffers is assigned after every call. Arguments that are not arrays (numbers, strings, None), whether a
    model is in training and which layers it has are constants: another one is traced anew.

    Parameters
    ----------
    f : callable
        Takes and returns arrays, or nested containers of arrays; must not branch on their values.

    Returns
    -------
    Compiled
        ``print`` shows its graphs and what of them runs in NumPy by callback.
        Plain arrays in, plain arrays out. Called with a tensor whose gradient is wanted, it runs `f` itself,
        so that it can be differentiated like any function.

    Raises
    ------
    TracingError
        If `f` asks for a value while it is traced.

    Examples
    --------
    >>> import numpy as np
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
        update_wrapper(self, f, updated=())  # the attributes of a model stay its own

    def __call__(self, *args: Any) -> Any:
        leaves, rebuild = flatten(list(args))
        if tracing.get() or any(isinstance(x, Node) and (x.requires_grad or x.value is None) for x in leaves):
            return self.f(*args)
        key = _signature(leaves, rebuild)
        known = self.programs.setdefault(key, [])
        traced = next((t for t in known if t.trace.holds()), None)
        if traced is None:
            traced = _Traced(self.f, leaves, rebuild)
            known.append(traced)
            self._remark()
        if traced.program is None:
            return self.f(*args)
        results = traced(leaves)
        if any(isinstance(x, Node) for x in leaves):
            results = [constant(y, Tensor) for y in results]
        return traced.trace.rebuild(results)

    def _remark(self) -> None:
        """Say once that compiling goes on and on."""
        count = len(self._traced())
        if count == MANY:
            name = getattr(self.f, "__name__", "the function")
            warn(
                f"compile: {name} has been compiled for {count} combinations of shapes, dtypes and settings, which "
                f"costs time at each new one; pad arrays to a few fixed shapes, and pass numbers that change as arrays",
                stacklevel=3,
            )

    def loops(self) -> str:
        """The loops of every program, as readable text."""
        return "\n\n".join(traced.program.loops() for traced in self._traced() if traced.program)

    def ir(self) -> str:
        """The LLVM IR of every program, as it is handed to LLVM."""
        return "\n\n".join(traced.program.ir for traced in self._traced() if traced.program)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self._traced())) or "not called yet, so not compiled"

    def _traced(self) -> list[_Traced]:
        return [traced for known in self.programs.values() for traced in known]


def _signature(leaves: Sequence[Any], rebuild: Callable[[list[Any]], Any]) -> Any:
    # Numbered, so that no argument looks like another; and floats by their bits, since 0.0 equals -0.0.
    structure = repr(rebuild(list(range(len(leaves)))))
    return structure, tuple(type_of_value(x) if isinstance(x, ARRAYS) else _constant(x) for x in leaves)


def _constant(x: Any) -> Any:
    return type(x), x.hex() if isinstance(x, float) else x


class _Traced:
    """One trace of a function and its program; None where making it failed, and the function itself must run."""

    def __init__(self, f: Callable[..., Any], leaves: Sequence[Any], rebuild: Any) -> None:
        from koubai.compile import Program

        self.trace = Trace(f, leaves, rebuild)
        self.program: Program | None = None
        try:
            self.program = Program([*self.trace.inputs, *self.trace.stand_ins], self.trace.outputs)
        except Exception as error:  # the compiler's fault or the machine's, not the user's: right numbers, more slowly
            name = getattr(f, "__name__", "the function")
            warn(f"compile: {name} is interpreted, since compiling it failed: {error!r}", stacklevel=4)

    def __call__(self, leaves: Sequence[Any]) -> list[Any]:
        trace = self.trace
        given = [leaves[i].value if isinstance(leaves[i], Node) else leaves[i] for i in trace.positions]
        states = [state.read() for state in trace.states]
        assert self.program is not None
        results = list(self.program(*given, *states, *(node.value for node in trace.captured)))
        count = len(results) - len(trace.changed)
        for state, value in zip(trace.changed, results[count:]):
            state.write(value)
        return results[:count]

    def __str__(self) -> str:
        callbacks = self.program.callbacks() if self.program else []
        through = f"in NumPy, by callback: {', '.join(callbacks)}" if callbacks else "everything is native"
        if self.program is None:
            through = "interpreted, since compiling it failed"
        return f"traced\n{to_text(self.trace.traced)}\n\nsimplified\n{to_text(self.trace.outputs)}\n\n{through}"
