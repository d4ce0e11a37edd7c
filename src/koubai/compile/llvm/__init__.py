"""LLVM IR as text, what is known of the processor, and the way from text to machine code.

Only this folder and what emits into it know LLVM; nothing here knows the graph.
"""

from koubai.compile.llvm.builder import Function, Module, Value
from koubai.compile.llvm.machine import Machine, host

__all__ = ["Function", "Machine", "Module", "Value", "host"]
