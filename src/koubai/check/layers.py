"""Layers written by hand, checked by themselves at the values that they meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from koubai.check.grads import Run
from koubai.check.judge import Tolerance
from koubai.check.problem import Problem
from koubai.check.report import GradReport
from koubai.errors import UsageError
from koubai.graph import Node, topological
from koubai.tensor.function import Function, argument_names, layer_of

__all__ = ["check_function", "check_functions"]


def check_function(layer: Function, inputs: Sequence[Any]) -> GradReport:
    """Check the backward of a layer written by hand against numerical differentiation of its forward.

    Parameters
    ----------
    layer : Function
        Nothing is changed in it.
    inputs : sequence of arrays and numbers
        Where to check. Integers and truth values are held fixed, the others are differentiated by.

    Returns
    -------
    GradReport

    Raises
    ------
    GradientError
        Names the layer, the input, the index, both numbers and the likely cause.

    Examples
    --------
    >>> import koubai as kb
    >>> class Double(kb.Function):
    ...     def forward(self, x):
    ...         return 2 * x
    ...     def backward(self, dout):
    ...         return dout
    >>> check_function(Double(), [np.array([0.5, 1.5])])  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    koubai.errors.GradientError: a factor missing in a backward: the gradient is 2 times too small everywhere
    """
    values = [x.value if isinstance(x, Node) else x for x in inputs]
    active = [i for i, x in enumerate(values) if np.asarray(x).dtype.kind in "fc"]
    if not active:
        raise UsageError(f"{type(layer).__name__}: none of the inputs is of floating-point or complex dtype")

    def forward(*xs: Any) -> Any:
        given = list(values)
        for i, x in zip(active, xs):
            given[i] = x
        return layer(*given)

    names = argument_names(layer)
    named = [f"input {names[i]!r}" if i < len(names) else f"input {i}" for i in active]
    run = Run(Tolerance(), ("rev",), seed=0)
    chosen = [values[i] for i in active]
    run.check(Problem(forward, chosen, subject=f"layer {type(layer).__name__}", names=named))
    return GradReport(True, run.max_error, run.checked, tuple(run.notes))


def check_functions(outputs: Any) -> list[GradReport]:
    """Check every layer written by hand on which `outputs` (tensors) depend, at the values that it was given.

    One report for each call, in the order of the computation.
    """
    nodes = [outputs] if isinstance(outputs, Node) else list(outputs)
    reports = []
    for node in topological(nodes):
        layer = layer_of(node)
        if layer is not None and node.value is not None and any(_floating(x) for x in node.inputs):
            reports.append(
                check_function(layer, [x.value if isinstance(x, Node) else x for x in node.inputs])
            )
    return reports


def _floating(x: Any) -> bool:
    return np.asarray(x.value if isinstance(x, Node) else x).dtype.kind in "fc"
