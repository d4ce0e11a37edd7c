"""LLVM IR as text, what is known of the processor, and the way from text to machine code.

Only this folder and what emits into it know LLVM; nothing here knows the graph. `values` are operands and their
types; `instructions` compute with them and `memory` reads and writes; `builder` makes blocks, functions and modules
of them. `machine` knows processors, and `engine` calls LLVM.
"""

from koubai.compile.llvm.builder import Function, Module
from koubai.compile.llvm.machine import Machine, host
from koubai.compile.llvm.values import BITS, Block, Value, element_of, lanes_of, vector

__all__ = ["BITS", "Block", "Function", "Machine", "Module", "Value", "element_of", "host", "lanes_of", "vector"]
