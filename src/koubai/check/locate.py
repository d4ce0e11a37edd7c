"""The ops of a graph, each as a problem of its own: where a rule is wrong, its own check fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from koubai.check.problem import Problem
from koubai.errors import KoubaiError
from koubai.graph import Node, constant, topological
from koubai.ops.structure import bind, output, outputs_of
from koubai.tensor import Tensor
from koubai.tensor.function import layer_of

__all__ = ["suspects"]


def suspects(problem: Problem) -> Iterator[Problem]:
    """Every op that led to the problem's outputs, inputs before users, alone at the values that it was given."""
    leaves = [constant(x, Tensor, requires_grad=True) for x in problem.leaves]
    with np.errstate(all="ignore"):
        outputs = [y for y in problem(*leaves) if isinstance(y, Node)]
    for node in topological(outputs):
        if node.op is None or node.op.vjp is None or node.op in (bind, output) or node.value is None:
            continue
        try:
            alone = _alone(node)
        except KoubaiError:
            continue  # Not finite here, or integers only: nothing to differentiate numerically.
        if alone is not None:
            yield alone


def _alone(node: Any) -> Problem | None:
    values = [x.value if isinstance(x, Node) else x for x in node.inputs]
    active = [
        i
        for i, x in enumerate(node.inputs)
        if isinstance(x, Node) and x.requires_grad and x.dtype.kind in "fc"
    ]
    if not active:
        return None

    def op(*xs: Any) -> Any:
        given = list(values)
        for i, x in zip(active, xs):
            given[i] = x
        result = node.op(*given, **node.params)
        return outputs_of(result) if isinstance(node.value, tuple) else result

    place = node.where()
    source = f" ({os.path.basename(place)})" if place else ""
    return Problem(
        op,
        [values[i] for i in active],
        subject=f"{_name(node)}{source}",
        names=[f"input {i}" for i in active],
    )


def _name(node: Any) -> str:
    return f"{'op' if layer_of(node) is None else 'layer'} {node.op.name}"
