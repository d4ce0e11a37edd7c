"""How each node of a graph becomes loops, or that it does not."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.graph import Node
from koubai.ops.lowering import Expand, Loop, Part, form_of

__all__ = ["SUPPORTED", "native"]

SUPPORTED = {np.dtype(name) for name in ["?", "b", "h", "i", "l", "q", "B", "H", "I", "L", "Q", "f", "d"]}


def native(node: Any) -> Any:
    """How the node is lowered, or None if it runs through a callback."""
    if node.op is None or node.op.lower is None:
        return None
    if isinstance(node.op.lower, Part):
        return node.op.lower if isinstance(native(node.inputs[0]), Loop) else None
    several = isinstance(node.type, tuple)
    if several and not isinstance(node.op.lower, Loop):
        return None
    given = [x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype for x in node.inputs if not _is_tuple(x)]
    made = [t.dtype for t in node.type] if several else [node.dtype]
    if len(given) < len(node.inputs) or not SUPPORTED.issuperset([*made, *given]):
        return None
    how = form_of(node)
    return None if isinstance(how, Expand) else how


def _is_tuple(x: Any) -> bool:
    return isinstance(x, Node) and isinstance(x.type, tuple)
