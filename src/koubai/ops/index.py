"""Indexing, scattering, sorting: ops that choose elements by position.

An index is written as a static pattern, with a `Slot` where an index array goes: the arrays are inputs of
the op, so that they may come from the computation itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from koubai.errors import IndexingError
from koubai.graph import Node, Op, Sample, Type, Words, register, type_of
from koubai.ops.define import arrays, ndim_of, shape_of
from koubai.ops.elementwise import equal, where
from koubai.ops.lowering import Choice, Place, Running, View
from koubai.ops.shape import reshape, stacked, transpose


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of the index array number `number` in a pattern."""

    number: int


Pattern = tuple[Any, ...]


def filled(pattern: Pattern, slots: Sequence[Any]) -> Pattern:
    """The index itself: the pattern with its arrays put in."""
    return tuple(slots[p.number] if isinstance(p, Slot) else p for p in pattern)


def _result_shape(shape: tuple[int, ...], pattern: Pattern, slots: Sequence[Type]) -> tuple[int, ...]:
    # Asked on arrays without memory: NumPy itself says what an index gives, or why it refuses.
    blank = np.broadcast_to(np.zeros((), np.bool_), shape)
    zeros = [np.broadcast_to(np.zeros((), np.intp), t.shape) for t in slots]
    index = filled(pattern, zeros)
    if 0 in shape and slots:
        # An index array full of zeros is out of range on an empty axis; a longer one has the same result shape.
        asked = set(_axes_of_slots(pattern, len(shape)))
        blank = np.broadcast_to(np.False_, tuple(n or int(k in asked) for k, n in enumerate(shape)))
    return blank[index].shape


def _axes_of_slots(pattern: Pattern, ndim: int) -> Iterator[int]:
    """The axes that index arrays choose from."""
    axis, used = 0, sum(1 for p in pattern if p is not None and p is not Ellipsis)
    for p in pattern:
        if isinstance(p, Slot):
            yield axis
        axis += ndim - used if p is Ellipsis else p is not None


def _getitem_infer(x: Type, *slots: Type, pattern: Pattern) -> Type:
    try:
        return Type(_result_shape(x.shape, pattern, slots), x.dtype)
    except IndexError as error:
        raise IndexingError(f"getitem: an array of shape {x.shape} cannot be indexed so: {error}") from None


def _getitem(x: Any, *slots: Any, pattern: Pattern) -> Any:
    y = x[filled(pattern, slots)] if slots else x[pattern]
    return y if y.shape else y[()]


def _advanced_block(pattern: Pattern, ndim: int) -> tuple[list[int], bool]:
    """Positions of the index arrays and numbers that act together, and whether they stand apart.

    Apart (a slice, None or ... between them), NumPy puts their common axes in front of all others.
    """
    if not any(isinstance(p, Slot) for p in pattern):
        return [], False
    where = [i for i, p in enumerate(pattern) if isinstance(p, (Slot, int, np.integer))]
    return where, where != list(range(where[0], where[-1] + 1))


def _getitem_batch(op: Op, size: int, batched: Sequence[bool], x: Any, *slots: Any, pattern: Pattern) -> Any:
    if any(batched[1:]):
        return _getitem_rows(op, size, batched, x, *slots, pattern=pattern)
    y = op(x, *slots, pattern=(slice(None), *pattern))
    _, apart = _advanced_block(pattern, ndim_of(x) - 1)
    if apart:
        count = max((ndim_of(s) for s in slots), default=0)
        y = transpose(y, axes=(count, *range(count), *range(count + 1, ndim_of(y))))
    return y


def _row_numbers(size: int, slots: Sequence[Any], batched: Sequence[bool]) -> tuple[Any, list[Any], int]:
    """The example's own number as one more index array, and the index arrays aligned with it."""
    rank = max(ndim_of(s) - b for s, b in zip(slots, batched))
    rows = np.arange(size).reshape((size,) + (1,) * rank)
    aligned = []
    for s, b in zip(slots, batched):
        if b:
            s = reshape(s, shape=(size, *(1,) * (rank - ndim_of(s) + 1), *shape_of(s)[1:]))
        aligned.append(s)
    return rows, aligned, rank


def _getitem_rows(op: Op, size: int, batched: Sequence[bool], x: Any, *slots: Any, pattern: Pattern) -> Any:
    rows, aligned, rank = _row_numbers(size, slots, batched[1:])
    x = stacked(x, batched[0], size)
    n = len(slots)
    block, apart = _advanced_block(pattern, ndim_of(x) - 1)
    y = op(x, *aligned, rows, pattern=(Slot(n), *pattern))
    # The row number in front joins the block: its axes stand first unless the block itself was in front.
    leading = 0
    if not apart:
        before = pattern[: block[0]]
        leading = _axes_of(before, ndim_of(x) - 1, pattern)
    if leading:
        block_axes = range(1, rank + 1)
        others = range(rank + 1, rank + 1 + leading)
        y = transpose(y, axes=(0, *others, *block_axes, *range(rank + 1 + leading, ndim_of(y))))
    return y


def _axes_of(part: Pattern, ndim: int, pattern: Pattern) -> int:
    """How many axes of the result a part of a pattern makes."""
    used = sum(1 for p in pattern if p is not None and p is not Ellipsis)
    return sum(ndim - used if p is Ellipsis else 1 for p in part if p is Ellipsis or p is None or isinstance(p, slice))


def _scatter_forward(g: Any, *slots: Any, pattern: Pattern, shape: tuple[int, ...]) -> Any:
    y = np.zeros(shape, g.dtype if hasattr(g, "dtype") else np.float64)
    index = filled(pattern, slots)
    if slots:
        np.add.at(y, index, g)
    else:
        y[index] = g
    return y


def _scatter_batch(
    op: Op, size: int, batched: Sequence[bool], g: Any, *slots: Any, pattern: Pattern, shape: Any
) -> Any:
    example = np.broadcast_to(np.bool_(False), shape)
    g = stacked(g, batched[0], size)
    if any(batched[1:]):
        rows, aligned, rank = _row_numbers(size, slots, batched[1:])
        block, apart = _advanced_block(pattern, example.ndim)
        leading = 0 if apart else _axes_of(pattern[: block[0]], example.ndim, pattern)
        if leading:
            g = transpose(g, axes=(0, *range(1 + leading, 1 + leading + rank), *range(1, 1 + leading),
                                   *range(1 + leading + rank, ndim_of(g))))  # fmt: skip
        return op(g, *aligned, rows, pattern=(Slot(len(slots)), *pattern), shape=(size, *shape))
    _, apart = _advanced_block(pattern, example.ndim)
    if apart:
        count = max((ndim_of(s) for s in slots), default=0)
        g = transpose(g, axes=(*range(1, count + 1), 0, *range(count + 1, ndim_of(g))))
    return op(g, *slots, pattern=(slice(None), *pattern), shape=(size, *shape))


def _sources(
    e: Any, index: Sequence[Any], shape: Sequence[int], ranks: Sequence[int], pattern: Pattern, first: int = 1
) -> list[Any]:
    """The index in x of the result's element at `index`.

    The index arrays, which have `ranks` axes, are the inputs from `first` on.
    """
    block, apart = _advanced_block(pattern, len(shape))
    rank = max(ranks, default=0)
    index = list(index)
    common: list[Any] = []
    if apart:
        common, index = index[:rank], index[rank:]
    found: list[Any] = []
    taken = bool(apart)
    used = sum(1 for p in pattern if p is not None and p is not Ellipsis)
    for p in (*pattern, *(() if Ellipsis in _kinds(pattern) else (Ellipsis,))):
        if p is None:
            index.pop(0)
        elif p is Ellipsis:
            for _ in range(len(shape) - used):
                found.append(index.pop(0))
        elif isinstance(p, slice):
            start, _, step = p.indices(shape[len(found)])
            found.append(e.plus(e.times(index.pop(0), step), start))
        else:
            if block and not taken:
                common, index, taken = index[:rank], index[rank:], True
            n = shape[len(found)]
            if isinstance(p, Slot):
                found.append(e.read(p.number + first, common[rank - ranks[p.number] :], n))
            else:
                found.append(int(p) % n if n else 0)
    return found


def _kinds(pattern: Pattern) -> list[Any]:
    return [p for p in pattern if p is Ellipsis]


def _getitem_source(e: Any, index: Any, x: Type, *slots: Type, pattern: Pattern) -> list[Any]:
    return _sources(e, index, x.shape, [t.ndim for t in slots], pattern)


def _scatter_target(e: Any, i: int, index: Any, types: Sequence[Type], *, pattern: Pattern, shape: Any) -> list[Any]:
    return _sources(e, index, shape, [t.ndim for t in types[1:]], pattern)


def _index_samples() -> list[Sample]:
    a, b = arrays((4, 3), (3, 4, 2))
    rows, columns = np.array([0, 2, 2]), np.array([[1], [0]])
    return [
        Sample((a,), {"pattern": (1,)}),
        Sample((a,), {"pattern": (slice(None, None, -2), None, 0)}),
        Sample((a,), {"pattern": (Ellipsis, slice(1, 3))}),
        Sample((a,), {"pattern": (2, 1)}),
        Sample((a, rows), {"pattern": (Slot(0),)}),
        Sample((a, rows, columns), {"pattern": (Slot(0), Slot(1))}),
        Sample((b, rows), {"pattern": (slice(None), Slot(0))}),
        Sample((b, rows, rows[:1] - 1), {"pattern": (Slot(0), slice(None), Slot(1))}),
        Sample((a, np.zeros((0,), np.intp)), {"pattern": (Slot(0),)}),
    ]


def _scatter_samples() -> list[Sample]:
    found = []
    for sample in _index_samples():
        x, *slots = sample.args
        y = _getitem(x, *slots, pattern=sample.params["pattern"])
        found.append(Sample((np.asarray(y)[()], *slots), {**sample.params, "shape": x.shape}))
    return found


getitem = register(Op(
    "getitem", _getitem, _getitem_infer,
    vjp=(lambda g, y, x, *slots, pattern: scatter(g, *slots, pattern=pattern, shape=shape_of(x)),) + (None,) * 32,
    jvp=(lambda t, y, x, *slots, pattern: getitem(t, *slots, pattern=pattern),) + (None,) * 32,
    batch=_getitem_batch, lower=View(_getitem_source),
    words=Words("y = x[index]", "dE/dx = scatter(g, index)",
                "Elements chosen by position; the gradient goes to these places, added where one is chosen twice.",
                "位置で要素を取り出す。勾配は取り出した場所へ戻し、重複は足し合わせる。", symbols=("x", "index...")),
    samples=_index_samples,
))  # fmt: skip
scatter = register(Op(
    "scatter", _scatter_forward,
    lambda g, *slots, pattern, shape: Type(shape, g.dtype),
    vjp=(lambda g, y, x, *slots, pattern, shape: getitem(g, *slots, pattern=pattern),) + (None,) * 32,
    jvp=(lambda t, y, x, *slots, pattern, shape: scatter(t, *slots, pattern=pattern, shape=shape),) + (None,) * 32,
    batch=_scatter_batch, lower=Place(_scatter_target, indexed=True),
    words=Words("y = scatter(x, index)", "dE/dx = g[index]",
                "Zeros with x added at the given places; it receives the gradient from there.",
                "0の配列の指定位置に x を足し込む。勾配はその位置から取り出す。", symbols=("x", "index...")),
    samples=_scatter_samples,
))  # fmt: skip


# assign


def _assign(x: Any, v: Any, *slots: Any, pattern: Pattern) -> Any:
    y = np.array(x)
    y[filled(pattern, slots)] = v
    return y[()]


def _assigned_vjp(g: Any, y: Any, x: Any, v: Any, *slots: Any, pattern: Pattern) -> Any:
    """What the values receive: the gradient at their places, where no later value took the place."""
    mine = getitem(g, *slots, pattern=pattern)
    if not slots:
        return mine
    numbers = np.arange(mine.size).reshape(mine.shape)
    owner = assign(np.zeros(shape_of(x), np.intp), numbers, *slots, pattern=pattern)
    return where(equal(getitem(owner, *slots, pattern=pattern), numbers), mine, 0.0)


def _assign_jvp(t: Any, y: Any, x: Any, v: Any, *slots: Any, pattern: Pattern) -> Any:
    return assign(np.zeros(shape_of(x), x.dtype), t, *slots, pattern=pattern)


def _cleared(g: Any, y: Any, x: Any, v: Any, *slots: Any, pattern: Pattern) -> Any:
    return assign(g, np.zeros(shape_of(v), x.dtype), *slots, pattern=pattern)


def _assign_form(x: Any, v: Any, *slots: Any, pattern: Pattern) -> Place | None:
    def target(e: Any, i: int, index: Any, types: Sequence[Type], *, pattern: Pattern) -> list[Any]:
        return _sources(e, index, types[0].shape, [t.ndim for t in types[2:]], pattern, first=2)

    types = [s.type if isinstance(s, Node) else type_of(s) for s in slots]
    fits = _result_shape(shape_of(x), pattern, types) == shape_of(v)
    return Place(target, indexed=bool(slots), onto=True) if fits else None


def _assign_samples() -> list[Sample]:
    found = []
    for sample in _index_samples():
        x, *slots = sample.args
        v = arrays(np.shape(_getitem(x, *slots, pattern=sample.params["pattern"])), seed=1)[0]
        found.append(Sample((x, v, *slots), sample.params))
    return found


assign = register(Op(
    "assign", _assign, lambda x, v, *slots, pattern: x,
    vjp=(_cleared, _assigned_vjp) + (None,) * 32, jvp=(_cleared, _assign_jvp) + (None,) * 32,
    lower=Choice(_assign_form),
    words=Words("y = assign(x, index, v)",
                "dE/dx = assign(g, index, 0), dE/dv[k] = g[index[k]] if all_{j > k} (index[j] != index[k]) else 0",
                "An array with other values at the given places; the last one stays where a place is named twice.",
                "指定した位置の値を v で置き換えた配列。勾配は、その位置では v へ、ほかでは x へ流れる。",
                symbols=("x", "v", "index...")),
    samples=_assign_samples,
))  # fmt: skip


# argsort, running extrema


def _sort_samples() -> list[Sample]:
    return [
        Sample(arrays((5,)), {"axis": 0, "stable": False}),
        Sample(arrays((3, 4)), {"axis": 0, "stable": True}),
        Sample(arrays((0, 2)), {"axis": 1, "stable": False}),
    ]


argsort = register(Op(
    "argsort", lambda x, *, axis, stable: np.argsort(x, axis=axis, kind="stable" if stable else None),
    lambda x, *, axis, stable: Type(x.shape, np.dtype(np.intp)),
    batch=lambda op, size, batched, x, *, axis, stable: op(x, axis=axis + 1, stable=stable),
    words=Words("y = argsort(x)", "0", "The positions that sort an axis; no gradient.",
                "軸に沿って整列する並び順。勾配は流れない。"),
    samples=_sort_samples,
))  # fmt: skip


def _running_place(x: Any, *, axis: int, largest: bool) -> Any:
    best = (np.maximum if largest else np.minimum).accumulate(x, axis=axis)
    numbers = np.arange(x.shape[axis]).reshape((-1,) + (1,) * (x.ndim - axis - 1))
    return np.maximum.accumulate(np.where(x == best, numbers, 0), axis=axis)


def _running_extremum(largest: bool) -> Running:
    better = "gt" if largest else "lt"

    def start(dtype: Any, of: Any) -> Any:
        if of.kind == "f":
            lowest = -np.inf
        else:
            lowest = 0 if of.kind == "b" else np.iinfo(of).min
        highest = -lowest if of.kind == "f" else 1 if of.kind == "b" else np.iinfo(of).max
        return (lowest if largest else highest, of), (0, dtype)

    def step(e: Any, before: Any, i: Any, x: Any) -> Any:
        best, place = before
        best = e.select(e.either(getattr(e, better)(best, x), e.ne(best, best)), best, x)
        return best, e.select(e.eq(x, best), e.cast(i, place.dtype), place)

    return Running(start, step)


running_place = register(Op(
    "running_place", _running_place, lambda x, *, axis, largest: Type(x.shape, np.dtype(np.intp)),
    batch=lambda op, size, batched, x, *, axis, largest: op(x, axis=axis + 1, largest=largest),
    lower=Choice(lambda x, *, axis, largest: _running_extremum(largest)),
    words=Words("y[i] = argmax_{j <= i} x[j] if largest else argmin_{j <= i} x[j]", "0",
                "Where the running extremum stands, the last of equal ones; no gradient.",
                "先頭からその位置までの最大(最小)要素の場所(同じ値なら最後のもの)。勾配は流れない。"),
    samples=lambda: [Sample(arrays((5,)), {"axis": 0, "largest": True}),
                     Sample(arrays((3, 4)), {"axis": 1, "largest": False}),
                     Sample(arrays((0, 2)), {"axis": 1, "largest": True})],
))  # fmt: skip


searchsorted = register(Op(
    "searchsorted", lambda a, v, *, side: np.searchsorted(a, v, side=side),
    lambda a, v, *, side: Type(v.shape, np.dtype(np.intp)),
    words=Words("y = sum_i (a[i] < v) if side == left else sum_i (a[i] <= v)", "0",
                "The place of a number among sorted ones; no gradient.",
                "整列済みの配列の中で値が入る位置。勾配は流れない。"),
    samples=lambda: [Sample((np.array([-1.0, 0.0, 1.5]), x), {"side": side})
                     for x in arrays((), (2, 3), (0,)) for side in ("left", "right")],
))  # fmt: skip
