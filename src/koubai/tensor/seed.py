"""Gradients and directions that a user passes in, made to fit what they belong to."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.graph import Node
from koubai.ops.shape import astype

__all__ = ["first_gradient", "seed_of"]


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


def first_gradient(what: str, output: Any, gradient: Any) -> Any:
    """What the output (a tensor) of a backward pass receives: 1, unless a gradient is given.

    Raises
    ------
    UsageError
        If nothing that led to the output requires a gradient.
    ShapeError
        If the output has several elements and no gradient is given, or one of another shape.
    """
    value = output._concrete(f"{what}()")
    if not output.requires_grad:
        raise UsageError(
            f"{what}: nothing that led to this tensor requires a gradient; make the inputs with "
            f"kb.tensor(data, requires_grad=True) and do not compute under kb.no_grad()"
        )
    if gradient is not None:
        return seed_of(f"{what}: gradient", gradient.value if isinstance(gradient, Node) else gradient, output)
    if value.size != 1:
        raise ShapeError(
            f"{what}: the tensor has shape {output.shape}, so it is not clear what to differentiate; "
            f"reduce it to one number (sum, mean) or pass gradient= of that shape"
        )
    if value.dtype.kind == "c":
        raise UsageError(f"{what}: the output is complex; take .real, .imag or abs, or pass gradient=")
    return np.ones_like(value)[()]
