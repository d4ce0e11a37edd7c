"""The op record: everything that koubai knows of an operation, in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from koubai.errors import UsageError
from koubai.graph.apply import apply

__all__ = [
    "Op",
    "Refusal",
    "Sample",
    "Words",
    "joint_jvp",
    "joint_vjp",
    "register",
    "registered",
    "registry",
    "variadic",
]

Rule = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Words:
    """An operation for people.

    Parameters
    ----------
    formula : str
        What it computes, as plain text with y for the result: ``"y = sin(x)"``. In the language of
        `koubai.explain.formula` it can be explained with numbers; other words are shown as they are.
    derivative : str
        The local derivative of each input, or the gradient that it receives: ``"dy/dx = cos(x)"``.
    en, ja : str
        One sentence each.
    symbols : tuple of str
        The names of the inputs in the formula: ``("a", "b")``. ``"x..."`` as the last one stands for any number of
        inputs, x_1, x_2 and so on. Default: those that the formula names, in its order.
    """

    formula: str
    derivative: str
    en: str
    ja: str
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """Inputs on which an op is exercised: compared with its type rule, differentiated, batched."""

    args: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)
    rtol: float = 1e-6
    second_order: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """Inputs that an op must refuse, the exception and a piece of its message."""

    args: tuple[Any, ...]
    params: dict[str, Any]
    error: type[Exception]
    says: str


class variadic:
    """Rules for an op with any number of inputs: ``rule(i, g, y, *xs)`` for input i.

    Examples
    --------
    >>> rules = variadic(lambda i, g, y, *xs: (i, g))
    >>> rules[2](5.0, None)
    (2, 5.0)
    """

    __slots__ = ("rule",)

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def __getitem__(self, index: int) -> Rule:
        return partial(self.rule, index)


class joint_vjp:
    """One rule for all inputs of an op with several outputs, whose gradients come out of one computation.

    ``rule(wanted, g, y, *xs, **params)`` returns one gradient an input, or None: ``wanted[i]`` says whether input
    i receives one. ``g`` has an entry for each output, None for one that nothing has come back to.
    """

    __slots__ = ("rule",)

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def __getitem__(self, index: int) -> Rule:
        return lambda g, y, *xs, **params: self.rule([i == index for i in range(len(xs))], g, y, *xs, **params)[index]

    def messages(
        self, wanted: Sequence[bool], g: Any, y: Any, xs: Sequence[Any], params: dict[str, Any]
    ) -> list[Rule | None]:
        """The gradients, computed together, as rules that have only to hand them out."""
        found = self.rule(wanted, g, y, *xs, **params)
        return [None if part is None else (lambda *_, part=part, **__: part) for part in found]


class joint_jvp:
    """One rule for all inputs: ``rule(ts, y, *xs, **params)`` is the change of y when each input changes by its t,
    which is None for an input that does not change."""

    __slots__ = ("rule",)

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def __getitem__(self, index: int) -> Rule:
        return lambda t, y, *xs, **params: self.rule(
            [t if i == index else None for i in range(len(xs))], y, *xs, **params
        )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Op:
    """One operation.

    Parameters
    ----------
    name : str
        The field's standard name.
    forward : callable
        ``forward(*values, **params)`` in NumPy; several outputs as a tuple.
    infer : callable
        ``infer(*types, **params) -> Type`` (or a tuple of Types). Raises a `ShapeError` or `DTypeError`
        that says what was expected and what came.
    vjp, jvp : sequence of callables, `variadic`, `joint_vjp` or `joint_jvp`, or None
        One rule an input: ``vjp[i](g, y, *xs, **params)`` is the gradient that input i receives when y
        receives g; ``jvp[i](t, y, *xs, **params)`` is the change of y when input i changes by t. Written
        with ops and operators only, so that they compute on arrays and record on tensors. The engine
        undoes broadcasting and casts to the input's dtype afterwards. An entry may be None: no gradient
        flows to that input. None for the whole: no gradient at all (the derivative is zero or undefined
        everywhere, as for comparisons).
    batch : callable or None
        ``batch(op, size, batched, *xs, **params)``: the op on a stack of `size` inputs; ``batched[i]`` says
        whether input i carries the new axis, always as its axis 0. The result carries it as axis 0. None: one
        example at a time.
    lower : one of the forms of `koubai.ops.lowering`, or None
        How it becomes loops; None: through a callback.
    words : Words
    samples : callable returning a sequence of Sample
    refuses : callable returning a sequence of Refusal
    linear : bool
        Whether the op is linear in each input by itself: then it needs no `jvp`, since the change of y is
        the op with the input replaced by its change.
    """

    name: str
    forward: Callable[..., Any]
    infer: Callable[..., Any]
    words: Words
    vjp: Sequence[Rule | None] | variadic | joint_vjp | None = None
    jvp: Sequence[Rule | None] | variadic | joint_jvp | None = None
    batch: Callable[..., Any] | None = None
    lower: Any = None
    samples: Callable[[], Sequence[Sample]] = tuple
    refuses: Callable[[], Sequence[Refusal]] = tuple
    linear: bool = False

    def __call__(self, *inputs: Any, **params: Any) -> Any:
        """Apply the op: on arrays it computes, on nodes it records too."""
        return apply(self, inputs, params)

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __reduce__(self) -> Any:
        # Copies and pickles keep the identity: an op is looked up by its name, never duplicated.
        return (registered, (self.name,))

    def __deepcopy__(self, memo: Any) -> Op:
        return self  # also one that is not registered


_registry: dict[str, Op] = {}


def register(op: Op) -> Op:
    """Add an op to the table that tests, documentation and pickles read; the name must be free.

    Only a registered op can be pickled and is listed; an op works without. `koubai.check.check_op` holds a
    record to its word on its samples.

    Raises
    ------
    UsageError
        If another op has this name.

    Examples
    --------
    >>> import numpy as np
    >>> import koubai as kb
    >>> bent_identity = kb.register(kb.Op(
    ...     "bent_identity",
    ...     forward=lambda x: (np.sqrt(x * x + 1) - 1) / 2 + x,
    ...     infer=lambda x: x,
    ...     vjp=(lambda g, y, x: g * (x / (2.0 * kb.numpy.sqrt(x * x + 1.0)) + 1.0),),
    ...     jvp=(lambda t, y, x: t * (x / (2.0 * kb.numpy.sqrt(x * x + 1.0)) + 1.0),),
    ...     batch=lambda op, size, batched, x: op(x),
    ...     words=kb.Words("y = (sqrt(x^2 + 1) - 1)/2 + x", "dy/dx = x/(2 sqrt(x^2 + 1)) + 1",
    ...                    "The identity, bent a little.", "少し曲げた恒等関数。"),
    ...     samples=lambda: [kb.Sample((np.array([0.5, -2.0]),))],
    ... ))
    >>> kb.grad(bent_identity)(0.0)
    np.float64(1.0)
    """
    if _registry.setdefault(op.name, op) is not op:
        raise UsageError(f"register: an op named {op.name!r} exists already; choose another name")
    return op


def registered(name: str) -> Op:
    """The op of this name."""
    try:
        return _registry[name]
    except KeyError:
        raise UsageError(f"no op is named {name!r}; `koubai ops` lists them all") from None


def registry() -> dict[str, Op]:
    """All registered ops by name, in the order of registration."""
    return dict(_registry)
