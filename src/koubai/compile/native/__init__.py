"""From nests of loops to LLVM functions: vectors, masks, what stays outside of a loop.

`nests` writes a nest and `prepare` decides before which of its loops become one or lie in a vector's lanes; `loops` are
those that are open, `elements` what is read, computed and stored in them, `folds` the sums that go along them.
`runs` holds what goes from turn to turn and lies in strides, `transposed` copies that turn arrays around, `scalars`
arithmetic on single numbers. `products` and `convolutions` hand their work on; `program` puts everything together.

May import `compile.nest`, `compile.index`, `compile.product`, `compile.math` and `compile.llvm`.
"""

from koubai.compile.native.program import Assembled, write_program

__all__ = ["Assembled", "write_program"]
