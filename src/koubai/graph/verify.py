"""What makes a graph legal."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.errors import VerifyError
from koubai.graph.apply import types_of
from koubai.graph.node import Node
from koubai.graph.op import Op
from koubai.graph.types import Type
from koubai.graph.walk import topological

__all__ = ["verify"]


def verify(outputs: Any) -> None:
    """Raise `VerifyError` unless the graph is legal.

    Legal means: inputs are older than their users (so there are no cycles); every input is a node, an
    array or a number; every node's type is what its op infers from its inputs' types; a value, where there
    is one, has that type; only floating-point and complex nodes (or tuples of such) require a gradient;
    the node of an op with several outputs is used only by ``output`` and ``discrete_output``.
    """
    nodes = [outputs] if isinstance(outputs, Node) else outputs
    if not isinstance(nodes, (tuple, list)) or not all(isinstance(node, Node) for node in nodes):
        raise VerifyError("verify: expected a tensor or a list of tensors; plain arrays have no graph")
    for node in topological(nodes):
        _verify_node(node)


def _verify_node(node: Node) -> None:
    label = node.name or ("leaf" if node.op is None else getattr(node.op, "name", "a node"))
    types = node.type if isinstance(node.type, tuple) else (node.type,)
    if node.requires_grad and not any(t.differentiable for t in types):
        raise VerifyError(f"{label}: a {types[0]} cannot require a gradient")
    if node.op is None:
        if node.inputs:
            raise VerifyError(f"{label}: a leaf has inputs")
        return
    if not isinstance(node.op, Op):
        raise VerifyError(f"{label}: expected an Op, got {type(node.op).__name__}")
    for i, x in enumerate(node.inputs):
        if isinstance(x, Node) and x.number >= node.number:
            raise VerifyError(f"{label}: input {i} was made after its user, so the graph may have a cycle")
        if not isinstance(x, (Node, np.ndarray, np.generic, bool, int, float, complex)):
            raise VerifyError(f"{label}: input {i} is neither node, array nor number: {type(x).__name__}")
        if isinstance(x, Node) and isinstance(x.type, tuple) and node.op.name not in ("output", "discrete_output"):
            raise VerifyError(f"{label}: input {i} has several outputs; take one with `output`")
    try:
        expected = node.op.infer(*types_of(node.op, node.inputs), **node.params)
    except Exception as error:  # a type rule that fails in any way means that the op does not fit its inputs
        raise VerifyError(f"{label}: {error}") from error
    expected = tuple(expected) if isinstance(expected, (tuple, list)) else (expected,)
    if len(expected) != len(types):
        raise VerifyError(f"{label}: its op infers {len(expected)} outputs, the node has {len(types)}")
    for want, have in zip(expected, types):
        if not _same(want, have):
            raise VerifyError(f"{label}: its op infers {want}, the node has {have}")


def _same(a: Type, b: Type) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype


