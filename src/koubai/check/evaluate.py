"""A traced graph applied to values, one op after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from koubai.graph import Node, topological

__all__ = ["evaluate"]


def evaluate(outputs: Sequence[Any], feeds: dict[Any, Any]) -> list[Any]:
    """What each output is when the placeholders have the values `feeds`; tensors as values give tensors."""
    found: dict[Any, Any] = dict(feeds)
    for node in topological(outputs):
        if node in found:
            continue
        if node.op is None:
            found[node] = node.value
            continue
        with np.errstate(all="ignore"):
            found[node] = node.op(
                *(found[x] if isinstance(x, Node) else x for x in node.inputs), **node.params
            )
    return [found[y] for y in outputs]
