"""kb.compile: a function traced for the types of its arguments and run as native code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper, wraps
from types import MethodType
from typing import TYPE_CHECKING, Any
from warnings import warn

from koubai.errors import DTypeError, TracingError
from koubai.graph import Node, calling, constant, recording, to_text, tracing
from koubai.tensor.tensor import Tensor
from koubai.tensor.trace import ARRAYS, Trace, type_of_value
from koubai.tensor.transforms.binding import enclosed
from koubai.tensor.trees import flatten
from koubai.tensor.watch import Watched, substituted

if TYPE_CHECKING:
    from koubai.compile import Program

__all__ = ["Compiled", "compile"]

MANY = 10  # programs of one function, at which something is said


def compile(f: Callable[..., Any]) -> Compiled:
    """A function that computes what `f` computes, in native code.

    At the first call with arguments of some types (shapes and dtypes) `f` runs once on tensors of which only
    the types are known; the graph that it leaves is compiled and kept for these types. Tensors that `f`
    reaches by itself, parameters among them, are read anew at every call; what it assigns to a model's
    buffers is assigned after every call. Arguments that are not arrays (numbers, strings, None) and the
    attributes of models and layers are constants: where one is another, `f` is traced anew (docs/compiling.md
    says what is noticed and what is not).

    Parameters
    ----------
    f : callable
        Takes and returns arrays, or nested containers of arrays; must not branch on their values.

    Returns
    -------
    Compiled
        ``print`` shows its graphs and what of them runs in NumPy by callback.
        Plain arrays in, plain arrays out; tensors in, tensors out.

    Raises
    ------
    DTypeError
        If `f` is no function, returns something else than arrays, or is called with an object that cannot be
        compared with that of another call.
    TracingError
        If `f` asks for a value while it is traced.

    Notes
    -----
    Where its gradient may be wanted `f` itself runs, interpreted, so that it can be differentiated like any
    function: when an argument requires a gradient; when a tensor that it reaches by itself does, and an argument
    is a tensor, or a transform (`koubai.grad`) or a layer is at work around the call. So it does where it reaches
    what a `koubai.vmap` or `koubai.scan` around it stands for. Compile the gradient
    (``kb.compile(kb.value_and_grad(loss))``) to have it fast, and call under ``kb.no_grad()`` where none is wanted.

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
        if not callable(f):
            raise DTypeError(f"compile: expected a function, got {type(f).__name__}")
        self.f = f
        self.programs: dict[Any, list[_Traced]] = {}
        update_wrapper(self, f, updated=())  # the attributes of a model stay its own

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves: Any = args
        rebuild: Callable[[list[Any]], Any] = tuple
        flat = not kwargs and all(isinstance(x, ARRAYS) for x in args)  # as most are, and told apart at once
        if not flat:
            leaves, rebuild = flatten([args, dict(sorted(kwargs.items()))] if kwargs else args)
        tensors = [x for x in leaves if isinstance(x, Node)]
        wanted = recording.get()
        if tracing.get() or substituted.get() is not None or any(
            x.value is None or (wanted and x.requires_grad) for x in tensors
        ):  # fmt: skip
            return self.f(*args, **kwargs)
        key = tuple([(x.shape, x.dtype) for x in leaves]) if flat else _signature(leaves, rebuild)
        known = self.programs.setdefault(key, [])
        traced = next((t for t in known if t.trace.holds()), None)
        if traced is None:
            try:
                traced = _Traced(_on_two(self.f) if kwargs else self.f, leaves, rebuild)
            except TracingError as error:
                if error.around:  # a part of that loop, which reaches its values
                    return self.f(*args, **kwargs)
                raise
            known.append(traced)
            self._remark()
        if (wanted and traced.followed(bool(tensors))) or not traced.ready():
            return self.f(*args, **kwargs)
        try:
            results = traced(leaves)
        except MemoryError as error:
            traced.give_up(error)
            return self.f(*args, **kwargs)
        if tensors:
            results = [constant(y, Tensor) for y in results]
        return traced.trace.rebuild(results)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A compiled method, bound to the object that it is called on."""
        return self if instance is None else MethodType(self, instance)

    def __reduce__(self) -> Any:
        return Compiled, (self.f,)  # a copy compiles for itself

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
        return "\n\n".join(traced.program.loops() for traced in self._traced() if traced.ready())

    def ir(self) -> str:
        """The LLVM IR of every program, as it is handed to LLVM."""
        return "\n\n".join(traced.program.ir for traced in self._traced() if traced.ready())

    def __str__(self) -> str:
        return "\n\n".join(map(str, self._traced())) or "not called yet, so not compiled"

    def __repr__(self) -> str:
        name = getattr(self.f, "__name__", type(self.f).__name__)
        seen = "; ".join(traced.types() for traced in self._traced())
        return f"<kb.compile({name}): {seen or 'not called yet'}>"

    def _traced(self) -> list[_Traced]:
        return [traced for known in self.programs.values() for traced in known]


def _signature(leaves: Sequence[Any], rebuild: Callable[[list[Any]], Any]) -> Any:
    # Numbered, so that no argument looks like another; and floats by their bits, since 0.0 equals -0.0.
    structure = repr(rebuild(list(range(len(leaves)))))
    return structure, tuple(type_of_value(x) if isinstance(x, ARRAYS) else _constant(x) for x in leaves)


def _constant(x: Any) -> Any:
    """What stands for an argument that is no array in the key of a program."""
    if isinstance(x, slice):
        return slice, _constant(x.start), _constant(x.stop), _constant(x.step)
    if isinstance(x, complex):
        return type(x), x.real.hex(), x.imag.hex()
    if isinstance(x, Watched):
        return type(x), id(x)  # which its trace keeps alive; it may be compared by its fields, and not be hashable
    try:
        hash(x)
    except TypeError:
        raise DTypeError(
            f"compile: an argument of type {type(x).__name__} counts as a constant, but cannot be compared with that "
            f"of a later call; pass arrays, numbers, strings, or tuples, lists and dicts of them"
        ) from None
    return type(x), x.hex() if isinstance(x, float) else x


def _on_two(f: Callable[..., Any]) -> Callable[..., Any]:
    return wraps(f, updated=())(lambda args, kwargs: f(*args, **kwargs))


class _Traced:
    """One trace of a function, and its program once that is needed."""

    program: Program

    def __init__(self, f: Callable[..., Any], leaves: Sequence[Any], rebuild: Any) -> None:
        self.trace = Trace(f, leaves, rebuild)
        self._name = getattr(f, "__name__", "the function")
        self._ready: bool | None = None
        # Only what was computed before the trace can depend on an argument of a transform.
        self._computed = [node for node in self.trace.captured if node.op is not None]

    def followed(self, by_tensors: bool) -> bool:
        """Whether the gradient of a tensor that the function reaches by itself may be wanted now."""
        if by_tensors or calling.get() is not None:
            return any(node.requires_grad for node in self.trace.captured)
        return bool(self._computed) and enclosed(self._computed)

    def ready(self) -> bool:
        """Whether there is a program; if none can be made, the function itself must run."""
        if self._ready is None:
            self._ready = self._make()
        return self._ready

    def _make(self) -> bool:
        from koubai.compile import Program

        name, trace = self._name, self.trace
        if trace.unsettled:
            warn(
                f"compile: {name} is interpreted, since it {trace.unsettled} when it runs, which a program would not "
                f"do again; hold what changes in a kb.nn.Buffer, or pass it as an argument",
                stacklevel=4,
            )
            return False
        try:
            self.program = Program([*trace.inputs, *trace.stand_ins], trace.outputs)
        except Exception as error:  # the compiler's fault or the machine's, not the user's: right numbers, more slowly
            warn(f"compile: {name} is interpreted, since compiling it failed: {error!r}", stacklevel=4)
            return False
        return True

    def give_up(self, error: MemoryError) -> None:
        """Let the function itself run from now on, which may need less memory at a time than its program."""
        warn(f"compile: {self._name} is interpreted, since its program found no memory: {error}", stacklevel=3)
        self._ready = False

    def types(self) -> str:
        """What the program takes and gives."""
        given = self.trace.inputs[: len(self.trace.positions)]
        made = self.trace.traced[: len(self.trace.traced) - len(self.trace.changed)]
        return f"{', '.join(str(x.type) for x in given)} -> {', '.join(str(y.type) for y in made)}"

    def __call__(self, leaves: Sequence[Any]) -> list[Any]:
        trace = self.trace
        given = [leaves[i].value if isinstance(leaves[i], Node) else leaves[i] for i in trace.positions]
        states = [state.read() for state in trace.states]
        results = list(self.program(*given, *states, *(node.value for node in trace.captured)))
        count = len(results) - len(trace.changed)
        for state, value in zip(trace.changed, results[count:]):
            state.write(value)
        return results[:count]

    def __str__(self) -> str:
        callbacks = self.program.callbacks() if self.ready() else []
        through = f"in NumPy, by callback: {', '.join(callbacks)}" if callbacks else "everything is native"
        if not self.ready():
            through = "interpreted, since it could not be compiled"
        return f"traced\n{to_text(self.trace.traced)}\n\nsimplified\n{to_text(self.trace.outputs)}\n\n{through}"
