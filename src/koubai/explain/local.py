"""Local derivatives: how a node changes with one of its inputs."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from koubai.diff import conform
from koubai.errors import UsageError
from koubai.graph import Node, value_of
from koubai.ops.define import is_elementwise

__all__ = ["LocalMap", "factors_of", "jacobian_of", "message_of"]

LARGEST_JACOBIAN = 10_000_000


def message_of(node: Any, position: int, upstream: Any) -> Any:
    """What input `position` of the node receives when the node's gradient is `upstream`."""
    values = [value_of(x) for x in node.inputs]
    message = node.op.vjp[position](upstream, node.value, *values, **node.params)
    return conform(message, values[position])


def factors_of(node: Any, position: int) -> Any:
    """The factors by which an elementwise op multiplies its gradient, in the node's shape; None for other ops."""
    if not is_elementwise(node.op):
        return None
    value = node.value
    ones = np.ones(value.shape, np.result_type(value.dtype, np.float32) if value.dtype.kind in "fc" else float)[()]
    values = [value_of(x) for x in node.inputs]
    factors = node.op.vjp[position](ones.astype(value.dtype), value, *values, **node.params)
    return np.broadcast_to(factors, value.shape)[()]


def jacobian_of(node: Any, position: int) -> Any:
    """d node / d input, of shape ``node.shape + input.shape``; see `RecordEdge.jacobian`."""
    value, x = node.value, value_of(node.inputs[position])
    if type(value) is tuple or type(x) is tuple or value.dtype.kind == "c":
        raise UsageError(f"jacobian: {node.op.name} has several outputs or complex ones; look at .message instead")
    if value.size * x.size > LARGEST_JACOBIAN:
        raise UsageError(
            f"jacobian: {value.shape} by {x.shape} are {value.size * x.size:,} elements, more than "
            f"{LARGEST_JACOBIAN:,}; look at .local, which keeps the structure, or at a smaller batch"
        )
    rows = np.empty((value.size, *x.shape), x.dtype)
    for i in range(value.size):
        unit = np.zeros(value.size, value.dtype)
        unit[i] = 1
        rows[i] = message_of(node, position, unit.reshape(value.shape)[()])
    return rows.reshape(value.shape + x.shape)[()]


class LocalMap:
    """The local derivative of an op that mixes elements, in structured form: a linear map, not written out.

    Attributes
    ----------
    op : str
    formula : str
        The op's rule, as its record words it: for a matrix product ``dE/dA = G B^T, dE/dB = A^T G``.
    factors : tuple
        The values of the op's other inputs, which the rule multiplies by.
    shape : tuple of int
        That of the Jacobian: the node's shape, then the input's.
    """

    __slots__ = ("_node", "_position", "factors", "formula", "op", "shape")

    def __init__(self, node: Node, position: int) -> None:
        assert node.op is not None
        self._node, self._position = node, position
        self.op, self.formula = node.op.name, node.op.words.derivative
        self.factors = tuple(value_of(x) for i, x in enumerate(node.inputs) if i != position)
        self.shape = (*_shape(node.value), *_shape(value_of(node.inputs[position])))

    def __call__(self, upstream: Any) -> Any:
        """The message for another upstream gradient."""
        return message_of(self._node, self._position, upstream)

    def __repr__(self) -> str:
        return f"<{self.op}, input {self._position}: {self.formula}; {prod(self.shape):,} partial derivatives>"


def _shape(value: Any) -> tuple[int, ...]:
    return () if type(value) is tuple else np.shape(value)
