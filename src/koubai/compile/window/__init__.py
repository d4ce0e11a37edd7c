"""Convolutions generated for their shape, as loops over registers full of sums.

``write_convolution`` adds a function to a module:

    void name(ptr x, ptr w, ptr y, i64 first, i64 last)

It does the units of work from first to last (excluded). No sum is divided between units, so every division of the
work gives the same bits. The lanes of a vector are examples where these lie side by side in memory, otherwise
neighbours along the last spatial axis.
"""

from koubai.compile.window.problem import Problem, Strides
from koubai.compile.window.write import Convolution, write_convolution

__all__ = ["Convolution", "Problem", "Strides", "write_convolution"]
