"""The entry: which generator a product goes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from koubai.compile.llvm import Machine, Module
from koubai.compile.product.dots import dots_suit, write_dots
from koubai.compile.product.loops import write_loops
from koubai.compile.product.problem import Epilogue, Product, Strides, problem_of

__all__ = ["write_product"]

ELEMENTS = {"float32": "float", "float64": "double"}


def write_product(
    module: Module,
    machine: Machine,
    name: str,
    n: int,
    k: int,
    m: int,
    dtype: Any,
    a_strides: Strides,
    b_strides: Strides,
    c_strides: Strides,
    epilogue: Epilogue | None = None,
    accumulate: bool = False,
    extra: Sequence[tuple[str, str]] = (),
) -> Product:
    """Generate C = A B, or C += A B, for A of shape (n, k) and B of shape (k, m).

    Parameters
    ----------
    module, machine
        Where the functions go, and for which processor.
    name : str
        What the functions' names start with.
    dtype : float32 or float64
    a_strides, b_strides, c_strides : (int, int)
        Elements from row to row and from column to column. If neither of C's is 1, its elements are stored one by one.
        C overlaps nothing else.
    epilogue : callable, optional
        ``epilogue(f, value, row, column, mask)`` is called while code is written, wherever a finished vector of C is
        about to be stored, with the (i64) place of its first lane and the lanes that exist (None: all). It returns
        what to store, or None if it stored all that matters. A long one is written into loops. It is called once more
        for a function that is thrown away, to see how long it is.
    accumulate : bool
        Add to C's present values (before the epilogue).
    extra : sequence of (type, name)
        Further arguments of the functions, for the epilogue, which finds them by ``f.argument(name)``; no names of the
        first six.

    Examples
    --------
    >>> import ctypes, numpy as np
    >>> from koubai.compile.llvm import Module, host
    >>> from koubai.compile.llvm.engine import Code
    >>> module = Module()
    >>> product = write_product(module, host(), "xw", 2, 3, 4, "float32", (3, 1), (4, 1), (4, 1))
    >>> a, b, c = np.ones((2, 3), "f4"), np.ones((3, 4), "f4"), np.zeros((2, 4), "f4")
    >>> code = Code(module.text())
    >>> for name, first, last in product.phases:
    ...     kinds = [ctypes.c_void_p] * 4 + [ctypes.c_int64] * 2
    ...     code.function(name, *kinds)(a.ctypes.data, b.ctypes.data, c.ctypes.data, None, first, last)
    >>> c[0].tolist()
    [3.0, 3.0, 3.0, 3.0]
    """
    element = ELEMENTS[np.dtype(dtype).name]
    strides = (a_strides, b_strides, c_strides)
    problem = problem_of(module, machine, name, (n, k, m), element, strides, epilogue, accumulate, extra)
    return write_dots(problem) if dots_suit(problem) else write_loops(problem)
