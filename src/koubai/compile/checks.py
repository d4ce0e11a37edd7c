"""What must hold before a step may run: indices in their arrays, values in their range."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from koubai.compile.boxes import box
from koubai.compile.expressions import Reading, Scope, type_of_input, with_params
from koubai.compile.index import Counter, Read, affine
from koubai.compile.nest import Apply
from koubai.compile.plan import Plan
from koubai.ops import lowering

__all__ = ["conditions"]


def conditions(plan: Plan, node: Any, how: Any) -> Iterator[tuple[list[Counter], Any]]:
    """Pairs of counters and an expression that must be true in each of their turns."""
    scope = Scope(plan)
    if isinstance(how, lowering.Guard):
        (x,) = node.inputs
        counters, index = box(type_of_input(x).shape)
        value = scope.value(x, index)
        yield counters, _condition("fits", with_params(how.fits, node.params), value)
        return
    if isinstance(how, lowering.View):
        counters, index = box(node.shape)
        found = how.source(Reading(scope, node), index, *map(type_of_input, node.inputs), **node.params)
    elif how.indexed:
        types, i = [type_of_input(x) for x in node.inputs], int(how.onto)
        counters, index = box(types[i].shape)
        found = how.target(Reading(scope, node), i, index, types, **node.params)
    else:
        return
    for at in found:
        for atom, _ in affine(at).terms:
            if isinstance(atom, Read):
                fits = _condition("inside", with_params(_inside, {"length": atom.length}), atom.value)
                yield [c for c in counters if c in fits.counters], fits


def _condition(name: str, body: Any, value: Any) -> Apply:
    return Apply(body, (value,), (None,), np.dtype(np.bool_), name, value.counters)


def _inside(e: Any, v: Any, *, length: int) -> Any:
    v = e.cast(v, np.int64)  # as NumPy does, which reads a very large unsigned index as one from the end
    return e.both(e.ge(v, e.number(-length, v)), e.lt(v, e.number(length, v)))
