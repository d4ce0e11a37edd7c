"""The emitter that writes loops as readable text instead of machine code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from koubai.compile.plan import Buffer

__all__ = ["TextEmitter"]

SIGNS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">",
    "ge": ">=",
}  # fmt: skip


class Term:
    """A scalar expression as text, and its dtype."""

    __slots__ = ("dtype", "text")

    def __init__(self, text: str, dtype: Any) -> None:
        self.text = text
        self.dtype = np.dtype(dtype)


class TextEmitter:
    """Offers what `NativeEmitter` offers; `lines` is the program.

    Examples
    --------
    >>> import koubai as kb
    >>> f = kb.compile(lambda x: (x * 2.0).sum())
    >>> _ = f(np.zeros((3, 4)))
    >>> print(f.loops())
    # v1 = sum  float64[]
    s0 = 0.0
    for i0 in range(3):
        for i1 in range(4):
            s0 = s0 + (x0[i0, i1] * 2.0)
    v1[] = s0
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0
        self.counters = 0
        self.variables = 0

    def _line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def comment(self, text: str) -> None:
        self.counters = 0
        self._line(f"# {text}")

    @contextmanager
    def loops(self, shape: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        start = self.depth
        index: list[Any] = []
        for n in shape:
            if n == 1:
                index.append(0)
                continue
            name = f"i{self.counters}"
            self.counters += 1
            self._line(f"for {name} in range({n}):")
            self.depth += 1
            index.append(name)
        yield tuple(index)
        self.depth = start

    @staticmethod
    def _place(buffer: Buffer, index: Sequence[Any]) -> str:
        return f"{buffer.name}[{', '.join(map(str, index))}]"

    def load(self, buffer: Buffer, index: Sequence[Any]) -> Term:
        return Term(self._place(buffer, index), buffer.type.dtype)

    def store(self, buffer: Buffer, index: Sequence[Any], value: Term) -> None:
        self._line(f"{self._place(buffer, index)} = {_bare(value.text)}")

    def variable(self, start: Term) -> Term:
        name = f"s{self.variables}"
        self.variables += 1
        self._line(f"{name} = {start.text}")
        return Term(name, start.dtype)

    def get(self, variable: Term) -> Term:
        return variable

    def set(self, variable: Term, value: Term) -> None:
        self._line(f"{variable.text} = {_bare(value.text)}")

    def callback(self, number: int, node: Any) -> None:
        self._line(f"# step {number} in NumPy, by callback: {node.op.name}")

    def plus(self, i: Any, k: Any) -> Any:
        if isinstance(i, int) and isinstance(k, int):
            return i + k
        if i == 0 or k == 0:
            return k if i == 0 else i
        return f"{i} + {k}"

    def times(self, i: Any, k: int) -> Any:
        return i * k if isinstance(i, int) else (i if k == 1 else f"({i})*{k}")

    def quotient(self, i: Any, k: int) -> Any:
        return i // k if isinstance(i, int) else (i if k == 1 else f"({i})//{k}")

    def rest(self, i: Any, k: int) -> Any:
        return i % k if isinstance(i, int) else (0 if k == 1 else f"({i})%{k}")

    def constant(self, value: Any, dtype: Any) -> Term:
        return Term(str(np.dtype(dtype).type(value).item()), dtype)

    def number(self, value: Any, like: Term) -> Term:
        return self.constant(value, like.dtype)

    def cast(self, x: Term, dtype: Any) -> Term:
        return x if x.dtype == dtype else Term(f"{np.dtype(dtype)}({_bare(x.text)})", dtype)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *xs: self._applied(name, *xs)

    def _applied(self, name: str, *xs: Term) -> Term:
        dtype = np.bool_ if name in ("eq", "ne", "lt", "le", "gt", "ge") else xs[-1].dtype
        if name in SIGNS:
            return Term(f"({xs[0].text} {SIGNS[name]} {xs[1].text})", dtype)
        if name == "neg":
            return Term(f"(-{xs[0].text})", dtype)
        return Term(f"{name}({', '.join(_bare(x.text) for x in xs)})", dtype)


def _bare(text: str) -> str:
    """Without the parentheses around the whole."""
    if not text.startswith("("):
        return text
    depth = 0
    for i, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return text[1:-1] if i == len(text) - 1 else text
    return text
