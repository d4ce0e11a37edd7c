"""What names a compiled object: the graph as text, the processor, and all of the compiler's own source."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from koubai.compile.llvm.machine import host
from koubai.graph import Body, Node, Op, registry, topological

__all__ = ["digest", "key_of", "key_of_text"]

FOLDERS = ("compile", "graph", "ops")
PLAIN = (bool, int, float, str, bytes, type(None), type(Ellipsis), np.dtype, np.generic, slice)


class _Unnameable(Exception):
    """Something in the graph that text does not describe completely."""


def key_of(
    inputs: Sequence[Node], outputs: Sequence[Node], updates: Sequence[tuple[int, int]]
) -> tuple[str, dict[str, Any]] | None:
    """The name of the program of a graph, and the constant arrays in it by their digests; None if it has none.

    A graph with an op of somebody else's, or with parameters that are functions, has no name.
    """
    arrays: dict[str, Any] = {}
    try:
        said = _said(inputs, outputs, arrays)
    except _Unnameable:
        return None
    return key_of_text(f"{said}{list(updates)}"), arrays


def _said(inputs: Sequence[Node], outputs: Sequence[Node], arrays: dict[str, Any]) -> str:
    """A graph as text, the same for graphs that compute the same in the same way; bodies of loops are part of it."""
    lines: list[str] = []
    met: dict[int, tuple[int, Any]] = {}  # with the array, so that its id stays its own
    numbers: dict[Node, int] = {}

    def said(x: Any) -> str:
        if isinstance(x, Node):
            return f"%{numbers[x]}"
        if isinstance(x, np.ndarray):
            name = digest(x)
            arrays[name] = x
            # The plan tells arrays apart by identity, and one that repeats a number by its strides.
            which = met.setdefault(id(x), (len(met), x))[0]
            return f"array {which} {name} {any(x.strides)}"
        if isinstance(x, Body):
            return f"body {{{_said(x.inputs, x.outputs, arrays)}}}"
        return _plain(x)

    for x in inputs:
        numbers[x] = len(numbers)
        lines.append(f"input {x.type}\n")
    for node in topological(outputs):
        if node in numbers:
            continue
        if node.op is None:
            line = said(np.asarray(node.value))
        else:
            params = ", ".join(f"{name}={said(node.params[name])}" for name in sorted(node.params))
            line = f"{_name(node.op)}({', '.join(map(said, node.inputs))}; {params}) {node.type}"
        numbers[node] = len(numbers)
        lines.append(f"{line}\n")
    return f"{''.join(lines)}{[numbers[y] for y in outputs]}"


def _name(op: Op) -> str:
    """An op's name, if its rules are koubai's own: then the name says all of what they make of it."""
    rules = [op.infer, *(getattr(op.lower, field.name) for field in fields(op.lower))] if op.lower else [op.infer]
    ours = all(rule.__module__.startswith("koubai.") for rule in rules if callable(rule))
    if not ours or registry().get(op.name) is not op:
        raise _Unnameable
    return op.name


def key_of_text(text: str) -> str:
    """The name of what is made of a text by this compiler for this processor."""
    return hashlib.sha256((_surroundings() + text).encode()).hexdigest()


def digest(x: Any) -> str:
    """Equal for arrays of equal shape, dtype and bits."""
    return f"{x.shape} {x.dtype} {hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest()}"


def _plain(x: Any) -> str:
    if isinstance(x, (tuple, list)):
        return f"({', '.join(map(_plain, x))})"
    if isinstance(x, slice):
        return f"slice({_plain(x.start)}, {_plain(x.stop)}, {_plain(x.step)})"
    if isinstance(x, np.generic):  # first: a np.float64 is a float too, but not a weak one
        return f"{x.dtype} {x.tobytes().hex()}"
    if isinstance(x, float):
        return f"float {x.hex()}"
    if isinstance(x, PLAIN) or type(x).__module__ == "koubai.ops.index":
        return repr(x)
    raise _Unnameable


@cache
def _surroundings() -> str:
    """The processor, the versions, and the compiler's source by name, size and time of change."""
    from llvmlite import __version__ as llvmlite  # of which LLVM is a part

    root = Path(__file__).parents[1]
    files = sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py"))
    sources = [(str(path.relative_to(root)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return repr((host(), llvmlite, np.__version__, sources))
