"""The compiler: a graph to native code. Lowers each op by its record, fuses, and emits LLVM IR.

What has no native form runs its NumPy meaning through a callback inside the same program.

A graph passes through `simplify`; `plan` (with `forms` and `layout`), which gives values their memory; `build`, which
makes nests of loops (`nest`, in `index` formulas, over `boxes`) of `expressions` and `checks`, with a file for what is
not elementwise: `convolve`, `ordered`; `place`, which lets results overwrite inputs; and `native`, which writes LLVM
IR with `product`, `window`, `math` and `philox`. `source` is all of that; `text` prints its loops. `program` runs the
machine code, which `key` names and `cache` and `objects` keep, in `aligned` memory with a `team` of threads; `course`,
`drive` and `shuffle` are the loop of a training around it.

May import `graph`, `ops` and `errors`; never `diff`: a backward graph is just a graph.
"""

from koubai.compile.program import Program
from koubai.compile.simplify import simplify
from koubai.compile.team import get_num_threads, set_num_threads

__all__ = ["Program", "get_num_threads", "set_num_threads", "simplify"]
