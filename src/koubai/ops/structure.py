"""Ops about the graph itself: the argument of a transform, one output of an op that has several."""

from __future__ import annotations

from typing import Any

from koubai.graph import Node, Op, Sample, Words, register, variadic
from koubai.ops.define import arrays
from koubai.ops.lowering import Barrier, Part, View
from koubai.ops.shape import stacked

bind = register(Op(
    "bind", lambda x: x, lambda x: x,
    vjp=(lambda g, y, x: g,), linear=True,
    batch=lambda op, size, batched, x: bind(x),
    lower=View(lambda e, index, x: index),
    words=Words("y = x", "dy/dx = 1", "The argument of a differentiated function: an identity of its own.",
                "微分する関数の引数。値は同じで、別の変数として区別する。"),
    samples=lambda: [Sample(arrays((3,)))],
))  # fmt: skip
barrier = register(Op(
    "barrier", lambda x, *others: x, lambda x, *others: x,
    vjp=variadic(lambda i, g, y, *xs: g if i == 0 else xs[i] * 0.0),
    jvp=variadic(lambda i, t, y, *xs: t if i == 0 else xs[0] * 0.0),
    batch=lambda op, size, batched, x, *others: x if batched[0] else stacked(x, False, size),
    lower=Barrier(),
    words=Words("y = x_1", "dy/dx_1 = 1, dy/dx_k = 0",
                "An identity that keeps what comes after it apart from what came before.",
                "値は同じ。ほかの入力がそろうのを待ち、前の計算と後の計算を分ける。", symbols=("x...",)),
    samples=lambda: [Sample(arrays((3,), (2, 2)))],
))  # fmt: skip
output = register(Op(
    "output", lambda x, *, index: x[index], lambda *types, index: types[0][index] if len(types) == 1 else types[index],
    vjp=(lambda g, y, x, *, index: g,), linear=True,
    batch=lambda op, size, batched, x, *, index: op(x, index=index),
    lower=Part(),
    words=Words("y = x[index]", "dE/dx[index] = g",
                "One of the results of an operation that has several.", "複数の出力をもつ演算の、出力の一つ。",
                symbols=("x",)),
))  # fmt: skip
discrete_output = register(Op(
    "discrete_output", output.forward, output.infer,
    batch=lambda op, size, batched, x, *, index: op(x, index=index),
    lower=Part(),
    words=Words("y = x[index]", "0",
                "One of several results, of integers or truth values; no gradient.",
                "複数の出力のうち、整数・真偽値のもの。勾配は流れない。", symbols=("x",)),
))  # fmt: skip


def outputs_of(result: Any) -> tuple[Any, ...]:
    """The results of an op that has several, one by one."""
    if isinstance(result, Node):
        types = enumerate(result.type)
        return tuple((output if t.differentiable else discrete_output)(result, index=i) for i, t in types)
    return tuple(result)
