"""A compiled update replayed op by op, to find the one whose native code and whose meaning in NumPy differ."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from koubai.compile import Program
from koubai.graph import Node, topological
from koubai.tensor.trace import Trace

__all__ = ["first_difference"]


def first_difference(trace: Trace, values: Sequence[Any], rtol: float) -> str | None:
    """The first op whose compiled result is not what NumPy computes from the same inputs, as a sentence.

    Parameters
    ----------
    trace : Trace
    values : arrays
        For the trace's inputs.
    rtol : float
        What the difference may be, relative to the largest element.

    Returns
    -------
    str or None
        None if every op by itself is right.
    """
    leaves = [*trace.inputs, *trace.stand_ins]
    given = dict(zip(leaves, [*values, *(node.value for node in trace.captured)]))
    nodes = [n for n in topological(trace.outputs) if n.op is not None and not isinstance(n.type, tuple)]
    known = given | dict(zip(nodes, Program(leaves, nodes)(*given.values())))
    for node in nodes:
        if any(isinstance(x, Node) and isinstance(x.type, tuple) for x in node.inputs):
            continue  # reads an output of an op with several, which are not to be had one by one
        expected = np.asarray(_by_numpy(node, known))
        found = np.asarray(known[node])
        wrong = ~np.isclose(found, expected, rtol=0.0, atol=rtol * _size(expected), equal_nan=True)
        if wrong.any():
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            place = node.where()
            source = f" ({os.path.basename(place)})" if place else ""
            return (
                f"op {node.op.name}{source} of type {node.type}, index {index}: compiled {found[index]:.10g}, by NumPy "
                f"from the same inputs {expected[index]:.10g}"
            )
    return None


def _by_numpy(node: Any, known: dict[Any, Any]) -> Any:
    inputs = [_value(x, known) if isinstance(x, Node) else x for x in node.inputs]
    with np.errstate(all="ignore"):
        return node.op.forward(*inputs, **node.params)


def _value(x: Any, known: dict[Any, Any]) -> Any:
    return known.get(x, x.value)


def _size(a: Any) -> float:
    finite = np.abs(a[np.isfinite(a)])
    return float(finite.max(initial=0.0))
