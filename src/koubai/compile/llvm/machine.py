"""What the compiler must know of a processor: the width of its vectors, how many there are, its caches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

__all__ = ["Machine", "aarch64", "host", "x86_64"]


@dataclass(frozen=True, slots=True)
class Machine:
    """A target of compilation.

    Attributes
    ----------
    triple, cpu, features : str
        As LLVM names them.
    vector_bytes : int
        Of the widest vector register.
    registers : int
        Vector registers.
    fma : bool
        Whether x z + y is one instruction.
    l1, l2 : int
        Bytes of one core's caches, as used for blocking.
    """

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    fma: bool
    l1: int = 32 * 1024
    l2: int = 1024 * 1024

    def lanes(self, itemsize: int) -> int:
        """How many elements of that many bytes a vector holds."""
        return self.vector_bytes // itemsize


def x86_64(cpu: str = "x86-64", features: str = "", *, level: int = 1) -> Machine:
    """An x86-64 processor: level 1 has SSE2, 3 AVX2 and FMA, 4 AVX-512 (as in the names x86-64-v3, -v4)."""
    width, registers = {1: (16, 16), 2: (16, 16), 3: (32, 16), 4: (64, 32)}[level]
    return Machine("x86_64-unknown-linux-gnu", cpu, features, width, registers, fma=level >= 3)


def aarch64() -> Machine:
    """A 64-bit ARM processor with its 128-bit vectors."""
    return Machine("aarch64-unknown-linux-gnu", "generic", "+neon", 16, 32, fma=True)


@cache
def host() -> Machine:
    """The processor that this runs on."""
    from llvmlite import binding

    triple = binding.get_process_triple()
    if not triple.startswith("x86_64"):
        return Machine(triple, binding.get_host_cpu_name(), "", 16, 32, fma=triple.startswith(("aarch64", "arm64")))
    has = binding.get_host_cpu_features()
    level = 4 if has.get("avx512f") and has.get("avx512vl") else 3 if has.get("avx2") and has.get("fma") else 1
    known = x86_64(binding.get_host_cpu_name(), has.flatten(), level=level)
    return Machine(triple, known.cpu, known.features, known.vector_bytes, known.registers, known.fma)
