"""The compiler: a graph to native code. Lowers each op by its record, fuses, and emits LLVM IR.

What has no native form runs its NumPy meaning through a callback inside the same program. May import
`graph`, `ops` and `errors`; never `diff`: a backward graph is just a graph.
"""

from koubai.compile.program import Program
from koubai.compile.simplify import simplify
from koubai.compile.team import get_num_threads, set_num_threads

__all__ = ["Program", "get_num_threads", "set_num_threads", "simplify"]
