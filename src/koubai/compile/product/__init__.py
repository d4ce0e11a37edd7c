"""Matrix products generated for their shape: C[i, j] = sum over l of A[i, l] B[l, j].

``write_product`` adds functions to a module and says in which order they run. Each is

    void name(ptr a, ptr b, ptr c, ptr scratch, i64 first, i64 last, ...)

and does the work units from first to last (excluded) of a phase. To use several threads, give each a part of a
phase's range and scratch memory of its own, and place a barrier between phases. A sum over l is never split between
units, so every division of the work gives the same bits. What the epilogue needs besides (a bias, the parameters to
update) comes in further arguments, the same for every phase. C also holds unfinished sums, so it must be memory even
if the epilogue stores elsewhere.

The lanes of a vector lie along C's contiguous axis, which ``lane_axis`` names.
"""

from koubai.compile.product.problem import Epilogue, Phase, Product, lane_axis
from koubai.compile.product.write import write_product

__all__ = ["Epilogue", "Phase", "Product", "lane_axis", "write_product"]
