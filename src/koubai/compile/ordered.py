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
    """A nest over whole blocks of four words, whose rounds LLVM then computes once, and one for what is left."""
    size = int(np.prod(out.type.shape, dtype=np.int64))
    blocks = Counter(size // 4)
    whole = [_drawn(how, out, affine(blocks), k, stream, params) for k in range(4)]
    rest = [_drawn(how, out, size // 4, k, stream, params) for k in range(size % 4)]
    return [Nest(counters, stores, []) for counters, stores in (([blocks], whole), ([], rest)) if stores]


def _drawn(how: Draw, out: Buffer, block: Index, which: int, stream: Any, params: dict[str, Any]) -> Store:
    def body(e: Any, block: Any, stream: Any) -> Any:
        return how.element(e, e.random_word(block, stream, params["key"], which), out.type.dtype, **params)

    inputs = Position(block, used(block), np.dtype(np.int64)), stream
    counters = used(block) | stream.counters
    value = Apply(body, inputs, (None, np.dtype(np.int64)), out.type.dtype, "random", counters)
    return Store(out, plus(times(block, 4), which), value)
