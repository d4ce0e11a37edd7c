"""Functions of floating-point vectors, written as LLVM IR: no library is called, every lane takes the same way.

``functions[name](f, x)`` emits one into a function under construction. The names are those that the ops' lowerings
use. Each record says how large the error may be; docs/vector_math.md shows it beside what was measured.
"""

from koubai.compile.math import error, exponential, hyperbolic, inverse, logarithm, power, sigmoid, trigonometric
from koubai.compile.math.record import VectorFunction

__all__ = ["VectorFunction", "functions"]

MODULES = (exponential, logarithm, sigmoid, hyperbolic, trigonometric, inverse, error, power)
functions: dict[str, VectorFunction] = {record.name: record for module in MODULES for record in module.RECORDS}
