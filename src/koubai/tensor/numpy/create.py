"""Arrays from scratch, and from nested lists of tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.graph import Node
from koubai.ops import shape as s
from koubai.ops.define import shape_of

__all__ = ["array", "asarray"]


def array(object: Any, dtype: Any = None, *, copy: bool | None = True, order: Any = None, subok: bool = False,
          ndmin: int = 0, like: Any = None) -> Any:  # fmt: skip
    """An array, or a tensor where the nested lists hold tensors. As `numpy.array`."""
    if not _holds_node(object):
        return np.array(object, dtype=dtype, copy=copy, order=order, subok=subok, ndmin=ndmin, like=like)
    result = _joined(object)
    if dtype is not None:
        result = s.astype(result, dtype=np.dtype(dtype))
    missing = ndmin - result.ndim
    return s.reshape(result, shape=(1,) * missing + tuple(result.shape)) if missing > 0 else result


def asarray(a: Any, dtype: Any = None, order: Any = None, **rest: Any) -> Any:
    """As `numpy.asarray`; a tensor stays a tensor."""
    return array(a, dtype=dtype, order=order, copy=None, **rest)


def _holds_node(x: Any) -> bool:
    return isinstance(x, Node) or (isinstance(x, (list, tuple)) and any(_holds_node(item) for item in x))


def _joined(x: Any) -> Any:
    if isinstance(x, Node):
        return x
    if not isinstance(x, (list, tuple)):
        return np.asarray(x)
    parts = [_joined(item) for item in x]
    return s.concatenate(*(s.reshape(part, shape=(1, *shape_of(part))) for part in parts), axis=0)
