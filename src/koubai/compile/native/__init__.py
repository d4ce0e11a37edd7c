"""From nests of loops to LLVM functions: vectors, masks, what stays outside of a loop.

May import `compile.nest`, `compile.index`, `compile.product`, `compile.math` and `compile.llvm`.
"""

from koubai.compile.native.program import Assembled, write_program

__all__ = ["Assembled", "write_program"]
