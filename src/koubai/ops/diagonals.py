"""Diagonals of matrices in two axes of an array, as slices of the flattened matrices."""

from __future__ import annotations

from typing import Any

from koubai.ops.index import getitem
from koubai.ops.shape import reshape, transpose

__all__ = ["diagonal_of"]


def diagonal_of(x: Any, offset: int, axis1: int, axis2: int) -> Any:
    """The diagonal number `offset` of the matrices in two axes; it becomes the last axis.

    In a flattened m x n matrix the diagonal stands every n + 1 places.
    """
    others = tuple(i for i in range(x.ndim) if i not in (axis1, axis2))
    moved = transpose(x, axes=(*others, axis1, axis2))
    stack, (m, n) = tuple(moved.shape[:-2]), moved.shape[-2:]
    count = max(0, min(m, n - offset) if offset >= 0 else min(m + offset, n))
    start = offset if offset >= 0 else -offset * n
    flat = reshape(moved, shape=(*stack, m * n))
    chosen = slice(start, start + (count - 1) * (n + 1) + 1, n + 1) if count else slice(0)
    return getitem(flat, pattern=(Ellipsis, chosen))
