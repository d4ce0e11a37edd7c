"""How an op becomes loops: the few forms in which a record says so, against an abstract emitter.

An emitter (only `koubai.compile` has any) offers scalar arithmetic by name (``e.add(x, z)``,
``e.exp(x)``, ``e.select(c, x, z)``, ``e.number(0.5, like=x)``) and index arithmetic (``e.plus(i, 3)``,
``e.times``, ``e.quotient``, ``e.rest``). An op without one of these forms runs its NumPy meaning through a
callback inside the compiled program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Barrier",
    "Choice",
    "Convolution",
    "Count",
    "Draw",
    "Expand",
    "Fold",
    "Guard",
    "Loop",
    "Part",
    "Place",
    "Product",
    "Running",
    "Scalar",
    "View",
    "form_of",
]


@dataclass(frozen=True, slots=True)
class Scalar:
    """An elementwise op: ``body(e, *values, **params)`` gives the result's element.

    The values come in the dtype in which NumPy computes; `as_is` numbers the inputs that keep their own.
    """

    body: Callable[..., Any]
    as_is: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """An op that only moves elements: ``source(e, index, *types, **params)`` gives the index in the first input.

    Where the index depends on other inputs, ``e.read(k, index, length)`` is the element of input k as an
    index into an axis of that length; it is checked before anything is read.
    """

    source: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Guard:
    """The identity, where ``fits(e, x, **params)`` holds for every element; the op's NumPy meaning refuses others."""

    fits: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Count:
    """The element's place along ``params["axis"]``; of the input only the shape counts."""


@dataclass(frozen=True, slots=True)
class Fold:
    """A reduction: ``start(dtype)`` is the neutral number, ``step(e, so_far, value)`` takes one more in."""

    start: Callable[[Any], Any]
    step: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Inputs put into an array of zeros: ``target(e, i, index, types, **params)`` is where input i's element goes.

    With `covers` the inputs fill the array. With `indexed` only the first input is placed and the others are
    indices, by ``e.read``: elements that go to the same place are added. With `onto` the second input is
    placed, into a copy of the first; of elements that go to the same place the last one stays. With `meeting`
    elements are added that go to the same place; they may if they differ along the last so many axes and along as
    many before these, not if they differ along one axis only.
    """

    target: Callable[..., Any]
    covers: bool = False
    indexed: bool = False
    meeting: int = 0
    onto: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """A result at every place of ``params["axis"]`` that depends on the places before.

    ``start(dtype, *dtypes)``, of the result's dtype and the inputs', gives a few numbers to begin with, each with
    its dtype; ``step(e, before, i, *values)`` what they are at place i. The last of them is the element.
    """

    start: Callable[..., tuple[tuple[Any, Any], ...]]
    step: Callable[..., tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Draw:
    """Random numbers: ``element(e, word, dtype, **params)`` makes an element, of that dtype, of a word of 32 bits.

    Element i in C order has word i (`koubai.ops.random.bits`) of the key ``params["key"]`` and of the stream that the
    second input names; of the first input only shape and dtype count.
    """

    element: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix product over the last two axes."""


@dataclass(frozen=True, slots=True)
class Convolution:
    """One of ``y[n, o, p] = sum over c, k of w[o, c, k] x[n, c, where tap k at place p meets x]`` from the others.

    `result` is "x", "w" or "y"; the inputs are the other two, in this order but for x, which comes from (y, w).
    """

    result: str
    windows: Any
    groups: int


@dataclass(frozen=True, slots=True)
class Expand:
    """An op that other ops express: ``by(*xs, **params)``; of several outputs a sequence."""

    by: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Barrier:
    """The first input, at a time when all inputs are there; what is made of it is shared with nothing else."""


@dataclass(frozen=True, slots=True)
class Loop:
    """A graph evaluated once a step: ``body(*inputs, **params)`` is that graph, for inputs of these types.

    Of the inputs ``params["fixed"]`` are the same in every step, ``params["carries"]`` are handed on from step to
    step, and the others have a row for each of ``params["length"]`` steps, the last one first with
    ``params["reverse"]``. The outputs are the last carries, and stacks with a row for each step.
    """

    body: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Part:
    """Output number ``params["index"]`` of an op that has several."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the other forms by what is given, or None: ``choose(*inputs, **params)``."""

    choose: Callable[..., Any]


def form_of(node: Any) -> Any:
    """The form of a node's op, chosen for what the node is given; None if it has none."""
    how = None if node.op is None else node.op.lower
    return how.choose(*node.inputs, **node.params) if isinstance(how, Choice) else how
