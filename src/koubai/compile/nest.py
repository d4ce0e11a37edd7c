"""Loops as data: what is read, what is computed of it, where the results go.

A program is a list of nests. Each runs over a box of counters and evaluates expressions there; a fold has a
second box inside, over which it accumulates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from koubai.compile.index import Affine, Counter, Index, affine, counters_of, plus, times
from koubai.graph import Type
from koubai.ops.lowering import Fold
from koubai.ops.windows import Windows

__all__ = [
    "Apply",
    "Buffer",
    "Call",
    "Check",
    "Convolution",
    "Last",
    "Literal",
    "Load",
    "Loop",
    "Nest",
    "Position",
    "Product",
    "Region",
    "Store",
    "buffers_read",
    "c_strides",
    "fixed_stride",
    "flattened",
    "loads_of",
    "place",
    "positions_of",
    "regular",
    "stride",
    "strides_in",
    "touched",
    "used",
]


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """A place in memory: number `slot` in the table of pointers that a program is called with.

    Attributes
    ----------
    strides : tuple of int
        For each axis how many elements its neighbour is away.
    """

    slot: int
    type: Type
    name: str
    strides: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return prod(self.type.shape) * self.type.dtype.itemsize


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """An element of a buffer."""

    buffer: Buffer
    at: Index
    counters: frozenset[Counter]
    dtype: Any


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A number."""

    value: Any
    dtype: Any
    counters: frozenset[Counter] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Apply:
    """A scalar function of other expressions: ``body(e, *values)``; the values are cast to `computing` first."""

    body: Any
    inputs: tuple[Any, ...]
    casts: tuple[Any, ...]
    dtype: Any
    name: str
    counters: frozenset[Counter]


@dataclass(frozen=True, slots=True, eq=False)
class Position:
    """An index as a number."""

    at: Index
    counters: frozenset[Counter]
    dtype: Any


@dataclass(frozen=True, slots=True, eq=False)
class Last:
    """What a nest carried over from the turn before; `start` in the first."""

    start: Any
    counters: frozenset[Counter]
    dtype: Any


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """An expression's value goes to an element of a buffer."""

    buffer: Buffer
    at: Index
    value: Any
    add: bool = False


@dataclass(slots=True, eq=False)
class Nest:
    """Loops over `counters`, outermost first; the stores happen in each turn.

    With a `fold`, each turn runs over `inner` too, and the (one) store takes what has been folded. With
    `carried`, pairs of a `Last` and the expression that is the next one, the stores happen in each turn of `inner`.
    `ordered` nests may write to one place several times: neither vectors nor threads. Those of one `unit` may do
    so in different turns of all loops but the innermost: no threads.
    """

    counters: list[Counter]
    stores: list[Store]
    title: list[str]
    fold: Fold | None = None
    inner: list[Counter] = field(default_factory=list)
    ordered: bool = False
    carried: list[tuple[Last, Any]] = field(default_factory=list)
    unit: bool = False


@dataclass(slots=True, eq=False)
class Product:
    """``c[stack, i, j] = sum over p of a[stack, i, p] b[stack, p, j]``: bases, strides and sizes."""

    stack: list[Counter]
    a: Load
    b: Load
    c: Store
    sizes: tuple[int, int, int]
    counters: tuple[Counter, Counter, Counter]
    strides: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    title: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """An array within a buffer: where its first element lies, and the strides of its axes, in elements."""

    buffer: Buffer
    start: int
    strides: tuple[int, ...]
    shape: tuple[int, ...]


@dataclass(slots=True, eq=False)
class Convolution:
    """``y[n, o, p] = sum over c, k of w[o, c, k] x[n, c, p stride + k dilation - padding]``, or another of the three.

    Attributes
    ----------
    result : "x", "w" or "y"
        Which one is computed.
    """

    result: str
    x: Region
    w: Region
    y: Region
    windows: Windows
    groups: int
    title: list[str]

    @property
    def written(self) -> Region:
        return {"x": self.x, "w": self.w, "y": self.y}[self.result]

    @property
    def read(self) -> list[Region]:
        return [r for r in (self.x, self.w, self.y) if r is not self.written]


@dataclass(slots=True, eq=False)
class Check:
    """Every element of a truth value must hold; otherwise step `number` runs in NumPy, which says what is wrong."""

    number: int
    counters: list[Counter]
    fits: Any


@dataclass(slots=True, eq=False)
class Loop:
    """The nests of a body, once a step.

    Attributes
    ----------
    body : Body
    length, reverse : int, bool
    fixed, carries, arrays : lists of Buffer
        What every step reads; what it reads and then overwrites; and what it reads one row of.
    stacks : number of the body's output -> Buffer that receives a row in every step
    counter : str
        What numbers the steps, in text.
    rows : list of (slot, Buffer, bytes)
        Slots that stand for a row of a buffer: so many bytes a step further on.
    nests, temporaries : lists
        What a step does, and the memory that it needs for itself.
    """

    body: Any
    length: int
    reverse: bool
    fixed: list[Buffer]
    carries: list[Buffer]
    arrays: list[Buffer]
    stacks: dict[int, Buffer]
    title: list[str]
    counter: str
    rows: list[tuple[int, Buffer, int]] = field(default_factory=list)
    nests: list[Any] = field(default_factory=list)
    temporaries: list[Buffer] = field(default_factory=list)

    @property
    def reads(self) -> list[Buffer]:
        return [*self.fixed, *self.carries, *self.arrays]

    @property
    def writes(self) -> list[Buffer]:
        return [*self.carries, *self.stacks.values()]


@dataclass(slots=True, eq=False)
class Call:
    """A step that runs in NumPy."""

    number: int
    name: str
    reads: list[Buffer]
    writes: list[Buffer]


def c_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides in elements of an array in C order."""
    return strides_in(shape, range(len(shape)))


def strides_in(shape: Sequence[int], order: Iterable[int]) -> tuple[int, ...]:
    """Strides of an array whose axes lie in memory in an order, the innermost last."""
    found, step = [0] * len(shape), 1
    for axis in reversed(list(order)):
        found[axis] = step
        step *= shape[axis]
    return tuple(found)


def place(buffer: Buffer, index: Sequence[Index]) -> Index:
    """Where an element lies, counted in elements."""
    at: Index = 0
    for i, stride, n in zip(index, buffer.strides, buffer.type.shape):
        if n != 1:
            at = plus(at, times(i, stride))
    return at


def buffers_read(roots: Sequence[Any]) -> list[Buffer]:
    """The buffers that expressions read, indices included."""
    found: dict[Buffer, None] = {}
    stack, seen = list(roots), set()
    while stack:
        x = stack.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        if isinstance(x, Load):
            found[x.buffer] = None
            stack += reads_in(x.at)
        elif isinstance(x, Apply):
            stack += x.inputs
        elif isinstance(x, Store):
            stack += [x.value, *reads_in(x.at)]
    return list(found)


def loads_of(roots: Sequence[Any]) -> list[Load]:
    """The loads in expressions (or stores), not counting those inside of indices."""
    return [x for x in _leaves(roots) if isinstance(x, Load)]


def positions_of(roots: Sequence[Any]) -> list[Position]:
    """The indices that expressions (or stores) compute with as numbers."""
    return [x for x in _leaves(roots) if isinstance(x, Position)]


def _leaves(roots: Sequence[Any]) -> Iterator[Any]:
    stack, seen = list(roots), set()
    while stack:
        x = stack.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        if isinstance(x, Apply):
            stack += x.inputs
        elif isinstance(x, Store):
            stack.append(x.value)
        else:
            yield x


def touched(nest: Any) -> list[Buffer]:
    """Every buffer that a nest reads or writes."""
    if isinstance(nest, (Call, Loop)):
        return [*nest.reads, *nest.writes]
    if isinstance(nest, Check):
        return buffers_read([nest.fits])
    if isinstance(nest, Convolution):
        return [nest.x.buffer, nest.w.buffer, nest.y.buffer]
    if isinstance(nest, Product):
        return [nest.a.buffer, nest.b.buffer, nest.c.buffer]
    return [*buffers_read(nest.stores), *(s.buffer for s in nest.stores)]


def reads_in(at: Index) -> list[Any]:
    """The expressions on which an index depends."""
    if isinstance(at, int):
        return []
    found: list[Any] = []
    for atom, _ in at.terms:
        if hasattr(atom, "value"):
            found.append(atom.value)
        elif hasattr(atom, "index"):
            found += reads_in(atom.index)
    return found


def flattened(nests: Sequence[Any]) -> list[Any]:
    """The nests, and those inside of loops."""
    found: list[Any] = []
    stack = list(reversed(nests))
    while stack:
        nest = stack.pop()
        found.append(nest)
        if isinstance(nest, Loop):
            stack += reversed(nest.nests)
    return found


def used(at: Index) -> frozenset[Counter]:
    return frozenset(counters_of(at))


def stride(at: Index, counter: Counter) -> int | None:
    """How far the next turn of a counter is away; None if that differs from turn to turn."""
    if isinstance(at, int):
        return 0
    found = 0
    for atom, c in at.terms:
        if atom is counter:
            found = c
        elif not isinstance(atom, Counter) and counter in set(counters_of(Affine(((atom, 1),)))):
            return None
    return found


def regular(at: Index) -> bool:
    """Whether an index has a stride along every counter."""
    return all(isinstance(atom, Counter) for atom, _ in affine(at).terms)


def fixed_stride(at: Index, counter: Counter) -> int:
    """The stride of an index that is known to have one."""
    found = stride(at, counter)
    assert found is not None, f"{at} has no stride along {counter}"
    return found
