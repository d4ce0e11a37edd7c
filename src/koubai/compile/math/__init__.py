"""Functions of floating-point vectors, written as LLVM IR: no library is called, every lane takes the same way.

``functions[name](f, x)`` emits one into a function under construction. The names are those that the ops' lowerings
use. Each record says how large the error may be; docs/vector_math.md shows it beside what was measured.
"""

from koubai.compile.math import exponential, logarithm
from koubai.compile.math.record import VectorFunction

__all__ = ["VectorFunction", "functions"]

functions: dict[str, VectorFunction] = {record.name: record for record in (*exponential.RECORDS, *logarithm.RECORDS)}
