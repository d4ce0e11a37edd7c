"""Nests for results that depend on their neighbours: running ones, and random numbers four at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from koubai.compile.index import Counter, Index, affine, plus, times
from koubai.compile.nest import Apply, Buffer, Last, Nest, Position, Store, place, used
from koubai.ops.lowering import Draw, Running

__all__ = ["draw_nests", "running_nest"]


def running_nest(
    how: Running,
    out: Buffer,
    counters: Sequence[Counter],
    along: Counter,
    index: Sequence[Index],
    values: Sequence[Any],
) -> Nest:
    """For each turn of the counters a walk along one more.

    Parameters
    ----------
    index : where the result's element lies, of all the counters
    values : the inputs' elements there
    """
    dtype = out.type.dtype
    every = frozenset(counters) | {along}
    lasts = [Last(x, every, np.dtype(d)) for x, d in how.start(dtype, *(v.dtype for v in values))]
    position = Position(affine(along), frozenset({along}), np.dtype(np.int64))
    inputs = (*lasts, position, *values)
    carried: list[tuple[Last, Any]] = []
    for k, last in enumerate(lasts):
        body = _part(how, len(lasts), k)
        carried.append((last, Apply(body, inputs, (None,) * len(inputs), last.dtype, "running", every)))
    store = Store(out, place(out, index), carried[-1][1])
    return Nest(list(counters), [store], [], inner=[along], carried=carried)


def _part(how: Running, count: int, k: int) -> Any:
    return lambda e, *given: how.step(e, given[:count], given[count], *given[count + 1 :])[k]


def draw_nests(how: Draw, out: Buffer, stream: Any, params: dict[str, Any]) -> list[Nest]:
    """A nest over whole blocks of four words, and one for what is left."""
    size = int(np.prod(out.type.shape, dtype=np.int64))
    blocks = Counter(size // 4)
    nests = []
    for counters, block, count in (([blocks], affine(blocks), 4), ([], size // 4, size % 4)):
        number = Position(block, used(block), np.dtype(np.int64))
        values = [_drawn(how, out.type.dtype, (number, stream), k, params) for k in range(count)]
        stores = [Store(out, plus(times(block, 4), k), value) for k, value in enumerate(values)]
        nests += [Nest(counters, stores, [])] if stores else []
    return nests


def _drawn(how: Draw, dtype: Any, inputs: tuple[Any, Any], which: int, params: dict[str, Any]) -> Apply:
    def body(e: Any, block: Any, stream: Any) -> Any:
        return how.element(e, e.random_word(block, stream, params["key"], which), dtype, **params)

    counters = inputs[0].counters | inputs[1].counters
    return Apply(body, inputs, (None, np.dtype(np.int64)), dtype, "random", counters)
