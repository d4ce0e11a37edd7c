"""Memory that begins where vectors and caches like it."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["aligned", "aligned_bytes"]

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register


def aligned(size: int) -> int:
    """The next multiple of the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def aligned_bytes(size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """So many bytes, all zero, at an aligned address."""
    raw = np.zeros(size + ALIGNMENT, np.uint8)
    skip = -raw.ctypes.data % ALIGNMENT
    return raw[skip : skip + size]
