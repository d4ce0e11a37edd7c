"""From LLVM IR to machine code in memory."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from llvmlite import binding

from koubai.compile.llvm.machine import Machine, host

__all__ = ["Code", "assembly", "linkable", "object_code"]


class Code:
    """Machine code in memory.

    Parameters
    ----------
    text : str
        LLVM IR of a module whose functions do the work of vectorizing themselves.
    machine : Machine, optional
        A lesser processor of this one's kind, to see that its code works too; by default this one.
    """

    def __init__(self, text: str, machine: Machine | None = None) -> None:
        self._load(object_code(text, machine), machine)

    @classmethod
    def loaded(cls, code: bytes) -> Code:
        """From what `object_code` returned for this processor."""
        made = cls.__new__(cls)
        made._load(code, None)
        return made

    def _load(self, code: bytes, machine: Machine | None) -> None:
        target = _target_machine(machine or host(), jit=True)
        self._engine = binding.create_mcjit_compiler(binding.parse_assembly(""), target)
        self._engine.add_object_file(binding.ObjectFileRef.from_data(code))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """Of a function."""
        return int(self._engine.get_function_address(name))

    def function(self, name: str, *kinds: Any, result: Any = None) -> Any:
        """A callable from ctypes; it keeps this code alive only through the caller."""
        return ctypes.CFUNCTYPE(result, *kinds)(self.address(name))


def object_code(text: str, machine: Machine | None = None) -> bytes:
    """Machine code of a module in LLVM IR, in an object file."""
    target = _target_machine(machine or host(), jit=True)
    return bytes(target.emit_object(_optimized(text, target)))


def assembly(text: str, machine: Machine) -> str:
    """What a processor would be given, as text: for reading and for checking other targets."""
    target = _target_machine(machine)
    return str(target.emit_assembly(_optimized(text, target)))


def linkable(text: str, machine: Machine) -> bytes:
    """An object file for a processor's own linker, which need not be of this one's kind."""
    target = _target_machine(machine)
    return bytes(target.emit_object(_optimized(text, target)))


# Loops are not touched by LLVM unless marked: the emitters vectorize and unroll by themselves.
_METADATA = """
!0 = distinct !{!0, !1, !2}
!1 = !{!"llvm.loop.unroll.disable"}
!2 = !{!"llvm.loop.vectorize.enable", i1 false}
"""


def _optimized(text: str, machine: Any) -> Any:
    """The module with its variables in registers, which is all that the emitters leave to do.

    LLVM's first level of optimization takes as long as making the machine code does, and gains at most 3 % on
    training steps.
    """
    layout = f'target datalayout = "{machine.target_data}"\n'
    module = binding.parse_assembly(layout + text + _METADATA)
    builder = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(speed_level=1))
    passes = binding.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.run(module, builder)
    return module


@cache
def _start() -> None:
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()


@cache
def _start_host() -> None:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()


def _target_machine(machine: Machine, *, jit: bool = False) -> Any:
    (_start_host if jit else _start)()
    target = binding.Target.from_triple(machine.triple)
    # Only what is loaded into a running process may lie far from what it calls.
    distance = "jitdefault" if jit else "default"
    return target.create_target_machine(machine.cpu, machine.features, opt=2, codemodel=distance, jit=jit)
