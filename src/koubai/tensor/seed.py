"""Gradients and directions that a user passes in, made to fit what they belong to."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.errors import DTypeError, ShapeError
from koubai.graph import Node
from koubai.ops.shape import astype

__all__ = ["seed_of"]


def seed_of(what: str, g: Any, of: Node) -> Any:
    """`g` in the dtype of the node that it belongs to; a tensor stays one.

    Raises
    ------
    DTypeError
        If `g` holds no numbers, or complex ones where `of` is real: the imaginary part would be lost.
    ShapeError
        If its shape is not that of `of`.
    """
    if not isinstance(g, Node):
        g = np.asarray(g)
    if g.dtype.kind not in "biufc":
        raise DTypeError(f"{what}: expected numbers, got dtype {g.dtype}")
    if g.dtype.kind == "c" and of.dtype.kind != "c":
        raise DTypeError(f"{what}: expected {of.dtype}, got the complex dtype {g.dtype}; take .real of it")
    if g.shape != of.shape:
        raise ShapeError(f"{what}: expected the shape {of.shape}, got {g.shape}")
    if isinstance(g, Node):
        return g if g.dtype == of.dtype else astype(g, dtype=of.dtype)
    return g.astype(of.dtype, copy=False)[()]
