"""From nests of loops to LLVM functions."""

from koubai.compile.native.nests import write_check, write_nest

__all__ = ["write_check", "write_nest"]
