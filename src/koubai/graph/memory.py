"""Freed memory is kept for the next step instead of going back to the operating system."""

from __future__ import annotations

import numpy as np


def keep_freed_memory() -> None:
    """Raise the sizes from which glibc's malloc maps blocks of their own and trims its heap.

    A graph allocates and frees the same arrays at every step. By default glibc maps blocks from 128 KiB
    on one by one and gives them back when they are freed, so that each new array is paid for in page
    faults: three times the cost of computing a 64x64 product. The threshold is dynamic: freeing a mapped
    block raises it to that block's size, and the trimming threshold to twice that, up to 32 and 64 MiB
    (mallopt(3), M_MMAP_THRESHOLD). So one large block is asked for, never touched, and freed. Other
    allocators are not affected.
    """
    np.empty((32 << 20) - (64 << 10), np.uint8)


keep_freed_memory()
