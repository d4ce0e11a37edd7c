"""Philox4x32-10 in vectors: the words of `koubai.ops.random.philox`, bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from koubai.ops.random import KEY_STEPS, MULTIPLIERS, ROUNDS

__all__ = ["philox"]

WORD = 0xFFFFFFFF


def philox(e: Any, block: Any, stream: Any, key: Sequence[int]) -> tuple[Any, Any, Any, Any]:
    """The four words of a block of a stream, in 64-bit lanes, whose upper halves are zero.

    Parameters
    ----------
    block, stream : numbers of 64 bits
    key : two words
    """
    a, b = _halves(e, block)
    c, d = _halves(e, stream)
    first, second = (e.constant(m, np.uint64) for m in MULTIPLIERS)
    for i in range(ROUNDS):
        keys = (e.constant((k + i * step) & WORD, np.uint64) for k, step in zip(key, KEY_STEPS))
        (low_a, high_a), (low_c, high_c) = _halves(e, e.mul(a, first)), _halves(e, e.mul(c, second))
        even = [e.differ(high, other) for high, other in ((high_c, b), (high_a, d))]
        a, c = (e.differ(x, k) for x, k in zip(even, keys))
        b, d = low_c, low_a
    return a, b, c, d


def _halves(e: Any, x: Any) -> tuple[Any, Any]:
    """The lower and the upper 32 bits."""
    x = e.bits(x, np.uint64)
    return e.both(x, e.constant(WORD, np.uint64)), e.shifted(x, -32)
