"""Nests of loops as readable text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from koubai.compile.index import Counter, Division, Index, affine, plus, times
from koubai.compile.nest import (
    Call,
    Check,
    Convolution,
    Last,
    Literal,
    Load,
    Loop,
    Nest,
    Position,
    Product,
    Region,
    Store,
)

__all__ = ["loops_as_text"]

SIGNS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">",
    "ge": ">=", "both": "&", "either": "|", "differ": "^", "shift_left": "<<", "shift_right": ">>",
}  # fmt: skip


def loops_as_text(nests: Sequence[Any]) -> str:
    """A program as text.

    Examples
    --------
    >>> import koubai as kb
    >>> f = kb.compile(lambda x: (x * 2.0).sum())
    >>> _ = f(np.zeros((3, 4)))
    >>> print(f.loops())
    # v1 = sum  float64[]
    s = 0.0
    for i in range(3):
        for j in range(4):
            s = s + (x0[4*i + j] * 2.0)
    v1[0] = s
    """
    return "\n".join(_lines(nests))


def _lines(nests: Sequence[Any]) -> list[str]:
    found: list[str] = []
    for nest in nests:
        if isinstance(nest, Loop):
            found += [f"# {title}" for title in nest.title]
            steps = f"range({nest.length})"
            found.append(f"for {nest.counter} in {f'reversed({steps})' if nest.reverse else steps}:")
            found += ["    " + line for line in _lines(nest.nests) or ["pass"]]
        else:
            found += _Text().lines_of(nest)
    return found


class Term:
    """A scalar expression as text, and its dtype."""

    __slots__ = ("dtype", "text")

    def __init__(self, text: str, dtype: Any) -> None:
        self.text = text
        self.dtype = np.dtype(dtype)


class _Text:
    """The lines of one nest."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[Counter, str] = {}
        self.stored: dict[int, Store] = {}  # what a line before has computed
        self.lasts: dict[Last, Term] = {}
        self.depth = 0

    def lines_of(self, nest: Any) -> list[str]:
        if isinstance(nest, Call):
            made = ", ".join(b.name for b in nest.writes) + " = " if nest.writes else ""
            read = ", ".join(b.name for b in nest.reads)
            return [f"# step {nest.number} in NumPy, by callback: {made}{nest.name}({read})"]
        if isinstance(nest, Check):
            self._loops(nest.counters)
            self._line(f"check {_bare(self._value(nest.fits).text)}")
        elif isinstance(nest, Product):
            self._product(nest)
        elif isinstance(nest, Convolution):
            self._convolution(nest)
        else:
            self._nest(nest)
        return self.lines

    def _line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def _loops(self, counters: Sequence[Counter]) -> None:
        for counter in counters:
            self.names[counter] = "ijklmnpqrs"[len(self.names)] if len(self.names) < 10 else f"i{len(self.names)}"
            self._line(f"for {self.names[counter]} in range({counter.extent}):")
            self.depth += 1

    def _nest(self, nest: Nest) -> None:
        self.lines += [f"# {title}" for title in nest.title]
        self._loops(nest.counters)
        if nest.carried:
            self._walk(nest)
            return
        if nest.fold is None:
            for store in nest.stores:
                self._put(store, self._value(store.value))
                self.stored[id(store.value)] = store
            return
        (store,) = nest.stores
        dtype = store.buffer.type.dtype
        self._line(f"s = {TextEmitter().constant(nest.fold.start(dtype), dtype).text}")
        outside = self.depth
        self._loops(nest.inner)
        step = nest.fold.step(TextEmitter(), Term("s", dtype), self._value(store.value))
        self._line(f"s = {_bare(step.text)}")
        self.depth = outside
        self._put(store, Term("s", dtype))

    def _walk(self, nest: Nest) -> None:
        e = TextEmitter()
        self.lasts = {last: Term(f"s{k}", last.dtype) for k, (last, _) in enumerate(nest.carried)}
        for last, term in self.lasts.items():
            self._line(f"{term.text} = {e.constant(last.start, last.dtype).text}")
        self._loops(nest.inner)
        names = ", ".join(term.text for term in self.lasts.values())
        self._line(f"{names} = {', '.join(_bare(self._value(following).text) for _, following in nest.carried)}")
        self._put(nest.stores[0], self.lasts[nest.carried[-1][0]])

    def _product(self, nest: Product) -> None:
        self.lines += [f"# {title}" for title in nest.title]
        i, p, j = nest.counters
        self._loops([*nest.stack, *(c for c in (i, j) if c.extent != 1)])
        self._line("s = 0.0")
        outside = self.depth
        self._loops([p])
        self._line(f"s = s + ({self._value(nest.a).text} * {self._value(nest.b).text})")
        self.depth = outside
        self._put(nest.c, Term("s", nest.c.buffer.type.dtype))

    def _convolution(self, nest: Convolution) -> None:
        """Term by term; the native code keeps many sums in registers, and adds each up in another order."""
        self.lines += [f"# {title}" for title in nest.title]
        v = nest.windows
        outputs, channels = nest.w.shape[0] // nest.groups, nest.w.shape[1]
        counters = [Counter(n) for n in (nest.groups, nest.x.shape[0], outputs, *v.count, channels, *v.kernel)]
        group, n, o, *rest = (affine(c) if c.extent != 1 else 0 for c in counters)
        places, (c, *taps) = rest[: len(v.count)], rest[len(v.count) :]
        met = [
            plus(plus(times(p, stride), times(k, dilation)), -before)
            for p, k, stride, dilation, (before, _) in zip(places, taps, v.stride, v.dilation, v.padding)
        ]
        output, channel = plus(times(group, outputs), o), plus(times(group, channels), c)
        self._line(f"{nest.written.buffer.name}[:] = 0.0")
        self._loops([counter for counter in counters if counter.extent != 1])
        inside = [f"0 <= {self._index(at)} < {n}" for at, n, pad in zip(met, v.lengths, v.padding) if any(pad)]
        if inside:
            self._line(f"if {' and '.join(inside)}:")
            self.depth += 1
        x = self._element(nest.x, [n, channel, *met])
        w = self._element(nest.w, [output, c, *taps])
        y = self._element(nest.y, [n, output, *places])
        self._line({"x": f"{x} += {y} * {w}", "w": f"{w} += {x} * {y}", "y": f"{y} += {x} * {w}"}[nest.result])

    def _element(self, region: Region, index: Sequence[Index]) -> str:
        at: Index = region.start
        for i, step in zip(index, region.strides):
            at = plus(at, times(i, step))
        return f"{region.buffer.name}[{self._index(at)}]"

    def _put(self, store: Store, value: Term) -> None:
        self._line(f"{store.buffer.name}[{self._index(store.at)}] {'+=' if store.add else '='} {_bare(value.text)}")

    def _value(self, x: Any) -> Term:
        if id(x) in self.stored and not isinstance(x, (Literal, Load)):
            store = self.stored[id(x)]
            return Term(f"{store.buffer.name}[{self._index(store.at)}]", x.dtype)
        if isinstance(x, Literal):
            return TextEmitter().constant(x.value, x.dtype)
        if isinstance(x, Load):
            return Term(f"{x.buffer.name}[{self._index(x.at)}]", x.dtype)
        if isinstance(x, Position):
            return Term(self._index(x.at), x.dtype)
        if isinstance(x, Last):
            return self.lasts[x]
        e = TextEmitter()
        values = [self._value(z) if d is None else e.cast(self._value(z), d) for z, d in zip(x.inputs, x.casts)]
        return e.cast(x.body(e, *values), x.dtype)

    def _index(self, at: Index) -> str:
        parts = []
        at = affine(at)
        for atom, c in at.terms:
            if isinstance(atom, Counter):
                text = self.names.get(atom, "0")
            elif isinstance(atom, Division):
                text = f"(({self._index(atom.index)}) {'%' if atom.remainder else '//'} {atom.by})"
            else:
                text = self._value(atom.value).text
            parts.append(text if c == 1 else f"{c}*{text}")
        if at.constant or not parts:
            parts.append(str(at.constant))
        return " + ".join(parts)


class TextEmitter:
    """What the records' bodies are handed: arithmetic by name, written down."""

    plus = staticmethod(plus)
    times = staticmethod(times)

    def constant(self, value: Any, dtype: Any) -> Term:
        with np.errstate(all="ignore"):
            number = np.asarray(value).astype(dtype).item()
        return Term(f"{number:.6g}" if isinstance(number, float) and number != round(number, 6) else str(number), dtype)

    def number(self, value: Any, like: Term) -> Term:
        return self.constant(value, like.dtype)

    def cast(self, x: Term, dtype: Any) -> Term:
        dtype = np.dtype(dtype)
        return x if x.dtype == dtype else Term(f"{dtype}({_bare(x.text)})", dtype)

    def random_word(self, block: Term, stream: Term, key: Any, which: int) -> Term:
        return Term(f"random_word({block.text}, {stream.text}, {key}, {which})", np.uint32)

    def bits(self, x: Term, dtype: Any) -> Term:
        return Term(f"bits({_bare(x.text)}, {np.dtype(dtype)})", dtype)

    def neg(self, x: Term) -> Term:
        return Term(f"-{x.text}", x.dtype)

    def select(self, c: Term, x: Term, z: Term) -> Term:
        return Term(f"({x.text} if {_bare(c.text)} else {z.text})", x.dtype)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in SIGNS:
            comparing = name in ("eq", "ne", "lt", "le", "gt", "ge")
            return lambda x, z: Term(f"({x.text} {SIGNS[name]} {z.text})", np.bool_ if comparing else x.dtype)
        return lambda *xs: Term(f"{name}({', '.join(map(_argument, xs))})", xs[0].dtype)


def _argument(x: Any) -> str:
    return _bare(x.text) if isinstance(x, Term) else str(x)


def _bare(text: str) -> str:
    """Without outer brackets that belong together."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for k, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0 and k < len(text) - 1:
            return text
    return text[1:-1]
