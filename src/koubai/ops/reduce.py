"""Reductions and running reductions along axes.

`axis` is always a sorted tuple of non-negative ints here (an int for running reductions): the NumPy
signatures above normalize it. Ties in max and min share the gradient equally.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from koubai.graph import Op, Sample, Type, Words, register
from koubai.ops.define import arrays, conjugated, dtype_by_example
from koubai.ops.elementwise import exp, log, where
from koubai.ops.lowering import Choice, Count, Expand, Fold, Running
from koubai.ops.shape import broadcast_to, concatenate, flip, reshape, stacked, transpose

Axes = tuple[int, ...]


def reduced_shape(shape: tuple[int, ...], axis: Axes, keepdims: bool) -> tuple[int, ...]:
    """The shape after reducing the axes."""
    if keepdims:
        return tuple(1 if i in axis else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in axis)


def restored(g: Any, shape: tuple[int, ...], axis: Axes) -> Any:
    """`g`, which was reduced over `axis` from `shape`, with these axes back as axes of length one."""
    return g.reshape(reduced_shape(shape, axis, True))


def _reduction_samples() -> list[Sample]:
    (a,) = arrays((2, 3, 4))
    return [
        Sample(arrays(()), {"axis": (), "keepdims": False}),
        Sample(arrays((3,)), {"axis": (0,), "keepdims": False}),
        Sample((a,), {"axis": (0, 1, 2), "keepdims": False}),
        Sample((a,), {"axis": (1,), "keepdims": False}),
        Sample((a,), {"axis": (0, 2), "keepdims": True}),
        Sample(arrays((0, 2)), {"axis": (1,), "keepdims": False}),
    ]


def _with_empty() -> list[Sample]:
    complex_sample = Sample((arrays((2, 3))[0] + 1j * arrays((2, 3), seed=1)[0],), {"axis": (0,), "keepdims": False})
    return [*_reduction_samples(), Sample(arrays((0, 2)), {"axis": (0,), "keepdims": False}), complex_sample]


def reduction(
    name: str, forward: Callable[..., Any], *, words: Words, samples: Any = _reduction_samples, **rules: Any
) -> Op:
    """An op ``(x, axis, keepdims)`` that folds axes."""

    def infer(x: Type, *, axis: Axes, keepdims: bool) -> Type:
        dtype = dtype_by_example(name, lambda v: forward(v, axis=None, keepdims=False), [x.example()])
        return Type(reduced_shape(x.shape, axis, keepdims), dtype)

    def batch(op: Op, size: int, batched: Sequence[bool], x: Any, *, axis: Axes, keepdims: bool) -> Any:
        return op(x, axis=tuple(i + 1 for i in axis), keepdims=keepdims)

    return register(Op(name, forward, infer, words, batch=batch, samples=samples, **rules))


def _sum_vjp(g: Any, y: Any, x: Any, *, axis: Axes, keepdims: bool) -> Any:
    return broadcast_to(restored(g, x.shape, axis), shape=tuple(x.shape))


sum = reduction(
    "sum", np.add.reduce, linear=True, lower=Fold(lambda dtype: 0, lambda e, y, x: e.add(y, x)), vjp=(_sum_vjp,),
    samples=_with_empty,
    words=Words("y = sum_i x[i]", "dE/dx[i] = g",
                "A sum hands the same gradient to every element that it summed.",
                "総和は、足し合わせたすべての要素へ同じ勾配を配る。"),
)  # fmt: skip


def _others_product(x: Any, axis: Axes) -> Any:
    """For each element the product of all the others along `axis`: right with zeros in it too.

    The running products from both ends, each without the element itself, multiplied.
    """
    flat, restore = _gathered(x, axis)
    ones = np.ones((*flat.shape[:-1], 1), flat.dtype)
    before = concatenate(ones, cumprod(flat[..., :-1], axis=flat.ndim - 1), axis=flat.ndim - 1)
    backwards = flip(flat, axis=(flat.ndim - 1,))
    after = concatenate(ones, cumprod(backwards[..., :-1], axis=flat.ndim - 1), axis=flat.ndim - 1)
    return restore(before * flip(after, axis=(flat.ndim - 1,)))


def _gathered(x: Any, axis: Axes) -> tuple[Any, Callable[[Any], Any]]:
    """`x` with the axes moved to the end and made one, and the way back."""
    kept = tuple(i for i in range(x.ndim) if i not in axis)
    order = kept + axis
    count = int(np.prod([x.shape[i] for i in axis], dtype=np.int64))
    moved_shape = tuple(x.shape[i] for i in order)
    inverse = tuple(int(i) for i in np.argsort(order))
    flat = transpose(x, axes=order).reshape((*moved_shape[: len(kept)], count))
    return flat, lambda v: transpose(v.reshape(moved_shape), axes=inverse)


def _prod_vjp(g: Any, y: Any, x: Any, *, axis: Axes, keepdims: bool) -> Any:
    if x.size == 0 or not axis:
        return broadcast_to(restored(g, x.shape, axis), shape=tuple(x.shape))
    return restored(g, x.shape, axis) * conjugated(_others_product(x, axis))


def _prod_jvp(t: Any, y: Any, x: Any, *, axis: Axes, keepdims: bool) -> Any:
    if x.size == 0 or not axis:
        return sum(t, axis=axis, keepdims=keepdims)
    return sum(t * _others_product(x, axis), axis=axis, keepdims=keepdims)


prod = reduction(
    "prod", np.multiply.reduce, lower=Fold(lambda dtype: 1, lambda e, y, x: e.mul(y, x)),
    vjp=(_prod_vjp,), jvp=(_prod_jvp,), samples=_with_empty,
    words=Words("y = prod_i x[i]", "dE/dx[i] = g prod_{j != i} x[j]",
                "Each element receives the gradient times the product of all the others, also where some are zero.",
                "各要素は、勾配に「自分以外の積」を掛けたものを受け取る。0が含まれていても正しい。"),
)  # fmt: skip


def _share(y: Any, x: Any, axis: Axes) -> Any:
    """For each element 1/n if it is one of the n that reach the extremum, else 0; a NaN reaches it always."""
    one, zero = x.dtype.type(1), x.dtype.type(0)  # typed, so that float32 stays float32
    chosen = where((x == restored(y, x.shape, axis)) | (x != x), one, zero)
    return chosen / sum(chosen, axis=axis, keepdims=True)


def _extremum_vjp(g: Any, y: Any, x: Any, *, axis: Axes, keepdims: bool) -> Any:
    return restored(g, x.shape, axis) * _share(y, x, axis)


def _extremum_jvp(t: Any, y: Any, x: Any, *, axis: Axes, keepdims: bool) -> Any:
    return sum(t * _share(y, x, axis), axis=axis, keepdims=keepdims)


def _extremum_fold(better: str) -> Choice:
    """NumPy's extremum: a NaN wins against every number, and of nothing there is none."""

    def step(e: Any, y: Any, x: Any) -> Any:
        return e.select(e.either(getattr(e, better)(y, x), e.ne(y, y)), y, x)

    def start(dtype: Any) -> Any:
        if dtype.kind == "f":
            return -np.inf if better == "gt" else np.inf
        if dtype.kind == "b":
            return better != "gt"
        return np.iinfo(dtype).min if better == "gt" else np.iinfo(dtype).max

    fold = Fold(start, step)
    return Choice(lambda x, *, axis, keepdims: fold if 0 not in (x.shape[i] for i in axis) else None)


max = reduction(
    "max", np.maximum.reduce, lower=_extremum_fold("gt"), vjp=(_extremum_vjp,), jvp=(_extremum_jvp,),
    words=Words("y = max_i x[i]", "dE/dx[i] = g (x[i] == y)/(sum_j (x[j] == y))",
                "Only the largest element receives the gradient; equal ones share it.",
                "最大の要素だけが勾配を受け取る。同じ値が複数あれば等分する。"),
)  # fmt: skip
min = reduction(
    "min", np.minimum.reduce, lower=_extremum_fold("lt"), vjp=(_extremum_vjp,), jvp=(_extremum_jvp,),
    words=Words("y = min_i x[i]", "dE/dx[i] = g (x[i] == y)/(sum_j (x[j] == y))",
                "Only the smallest element receives the gradient; equal ones share it.",
                "最小の要素だけが勾配を受け取る。同じ値が複数あれば等分する。"),
)  # fmt: skip


def _logsumexp(x: Any, *, axis: Axes | None, keepdims: bool) -> Any:
    # Shifted by the maximum (by 0 where that is infinite), so that exp never overflows.
    top = np.max(x.real, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0).astype(x.real.dtype)
    with np.errstate(divide="ignore", over="ignore"):
        y = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return y if keepdims else np.squeeze(y, axis=axis)[()]


def _logsumexp_of_ops(x: Any, *, axis: Axes, keepdims: bool) -> Any:
    if not x.size:  # no maximum: the logarithm of an empty sum
        return log(sum(exp(x), axis=axis, keepdims=keepdims))
    top = max(x, axis=axis, keepdims=True)
    top = where((top > -np.inf) & (top < np.inf), top, 0.0)
    total = sum(exp(x - top), axis=axis, keepdims=True)
    y = log(total) + top
    return y if keepdims else reshape(y, shape=reduced_shape(x.shape, axis, False))


def _softmax(y: Any, x: Any, axis: Axes) -> Any:
    return exp(x - restored(y, x.shape, axis))


logsumexp = reduction(
    "logsumexp", _logsumexp, lower=Expand(_logsumexp_of_ops),
    vjp=(lambda g, y, x, *, axis, keepdims: restored(g, x.shape, axis) * conjugated(_softmax(y, x, axis)),),
    jvp=(lambda t, y, x, *, axis, keepdims: sum(t * _softmax(y, x, axis), axis=axis, keepdims=keepdims),),
    words=Words("y = ln(sum_i e^x[i])", "dE/dx[i] = g e^(x[i] - y)",
                "The logarithm of a sum of exponentials, without overflow; its gradient is the softmax.",
                "指数の和の対数を桁あふれなしに計算する。勾配はソフトマックスになる。"),
)  # fmt: skip


def _running_samples() -> list[Sample]:
    (a,) = arrays((2, 3, 4))
    return [
        Sample(arrays((4,)), {"axis": 0}),
        Sample((a,), {"axis": 1}),
        Sample((a,), {"axis": 2}),
        Sample(arrays((0, 2)), {"axis": 0}),
        Sample((np.array([1.5, 0.0, -2.0, 0.5]),), {"axis": 0}),
    ]


def running(name: str, forward: Callable[..., Any], *, words: Words, **rules: Any) -> Op:
    """An op ``(x, axis)`` whose result at i folds everything up to i along the axis."""

    def infer(x: Type, *, axis: int) -> Type:
        dtype = dtype_by_example(name, lambda v: forward(v.reshape(1), axis=0), [x.example()])
        return Type(x.shape, dtype)

    def batch(op: Op, size: int, batched: Sequence[bool], x: Any, *, axis: int) -> Any:
        return op(x, axis=axis + 1)

    return register(Op(name, forward, infer, words, batch=batch, samples=_running_samples, **rules))


def _accumulated(start: Callable[[Any], Any], combine: str) -> Running:
    def step(e: Any, before: Any, i: Any, x: Any) -> Any:
        (y,) = before
        return (getattr(e, combine)(y, e.cast(x, y.dtype)),)

    return Running(lambda dtype, _: ((start(dtype), dtype),), step)


def _reverse_cumsum(g: Any, axis: int) -> Any:
    return flip(cumsum(flip(g, axis=(axis,)), axis=axis), axis=(axis,))


cumsum = running(
    "cumsum", np.cumsum, linear=True, vjp=(lambda g, y, x, *, axis: _reverse_cumsum(g, axis),),
    lower=_accumulated(lambda dtype: -0.0 if dtype.kind == "f" else 0, "add"),  # -0.0 + x is x, -0.0 included
    words=Words("y[i] = sum_{j <= i} x[j]", "dE/dx[j] = sum_{i >= j} g[i]",
                "A running sum; its gradient is the running sum from the other end.",
                "累積和。勾配は逆向きの累積和になる。"),
)  # fmt: skip


def _recurrence_forward(m: Any, b: Any, *, axis: int) -> Any:
    y = np.empty(m.shape, np.result_type(m, b))
    factors, terms, lines = (np.moveaxis(x, axis, 0) for x in (m, b, y))
    if y.ndim == 1:  # Python's numbers are faster than NumPy's one by one
        steps = zip(m.tolist(), b.tolist())
        y[:] = list(accumulate(steps, lambda last, step: step[0] * last + step[1], initial=0))[1:]
        return y
    last = np.zeros((), y.dtype)
    for factor, term, line in zip(factors, terms, lines):
        last = np.add(factor * last, term, out=line)
    return y


def _delayed(x: Any, axis: int, first: float) -> Any:
    """x_{i-1} at each place i of the axis, and `first` at the beginning."""
    start = np.full((*x.shape[:axis], int(x.shape[axis] > 0), *x.shape[axis + 1 :]), first, x.dtype)
    return concatenate(start, x[(slice(None),) * axis + (slice(None, -1),)], axis=axis)


def _recurrence_back(g: Any, m: Any, axis: int) -> Any:
    """What the terms of a recurrence receive: ``a_i = g_i + conj(m_{i+1}) a_{i+1}``, the same recurrence backwards."""
    factors = _delayed(conjugated(flip(m, axis=(axis,))), axis, 0.0)
    return flip(recurrence(factors, flip(g, axis=(axis,)), axis=axis), axis=(axis,))


def _recurrence_batch(op: Op, size: int, batched: Sequence[bool], m: Any, b: Any, *, axis: int) -> Any:
    return op(stacked(m, batched[0], size), stacked(b, batched[1], size), axis=axis + 1)


def _next(e: Any, before: Any, i: Any, m: Any, b: Any) -> Any:
    (y,) = before
    return (e.add(e.mul(e.cast(m, y.dtype), y), e.cast(b, y.dtype)),)


recurrence = register(Op(
    "recurrence", _recurrence_forward,
    lambda m, b, *, axis: Type(m.shape, np.result_type(m.dtype, b.dtype)),
    vjp=(lambda g, y, m, b, *, axis: _recurrence_back(g, m, axis) * conjugated(_delayed(y, axis, 0.0)),
         lambda g, y, m, b, *, axis: _recurrence_back(g, m, axis)),
    jvp=(lambda t, y, m, b, *, axis: recurrence(m, t * _delayed(y, axis, 0.0), axis=axis),
         lambda t, y, m, b, *, axis: recurrence(m, t, axis=axis)),
    batch=_recurrence_batch, lower=Running(lambda dtype, *_: ((0, dtype),), _next),
    words=Words("y[i] = m[i] y[i - 1] + b[i]",
                "dE/dm[i] = h[i] y[i - 1], dE/db[i] = h[i], h[i] = g[i] + m[i + 1] h[i + 1]",
                "A linear recurrence along an axis; its gradient runs the same recurrence from the other end.",
                "軸に沿った線形漸化式。勾配は同じ漸化式を逆向きにたどる。"),
    samples=lambda: [Sample(arrays((4,), (4,)), {"axis": 0}), Sample(arrays((2, 3, 4), (2, 3, 4)), {"axis": 1}),
                     Sample(arrays((0, 2), (0, 2)), {"axis": 0})],
))  # fmt: skip


def _cumprod_vjp(g: Any, y: Any, x: Any, *, axis: int) -> Any:
    return _recurrence_back(g, x, axis) * conjugated(_delayed(y, axis, 1.0))


# Without a division, so it is right with zeros in x too; as many steps as the running product itself.
cumprod = running(
    "cumprod", np.cumprod, vjp=(_cumprod_vjp,),
    jvp=(lambda t, y, x, *, axis: recurrence(x, t * _delayed(y, axis, 1.0), axis=axis),),
    lower=_accumulated(lambda dtype: 1, "mul"),
    words=Words("y[i] = prod_{j <= i} x[j]", "dE/dx[j] = sum_{i >= j} g[i] prod_{k <= i and k != j} x[k]",
                "A running product; each factor's gradient sums the products that it takes part in, without itself.",
                "累積積。各要素の勾配は、自分が加わる積から自分を除いたものの和になる。"),
)  # fmt: skip


def _counting(name: str, forward: Callable[..., Any], formula: str, en: str, ja: str, lower: Any) -> Op:
    return reduction(name, forward, words=Words(formula, "0", en, ja), lower=lower)


any = _counting("any", np.any, "y = any_i x[i]", "Whether any element is true; no gradient.",
                "真の要素があるか。勾配は流れない。",
                Fold(lambda dtype: False, lambda e, y, x: e.either(y, x)))  # fmt: skip
all = _counting("all", np.all, "y = all_i x[i]", "Whether all elements are true; no gradient.",
                "すべて真か。勾配は流れない。",
                Fold(lambda dtype: True, lambda e, y, x: e.both(y, x)))  # fmt: skip
count_nonzero = _counting("count_nonzero", np.count_nonzero, "y = sum_i (x[i] != 0)",
                          "How many elements are not zero; no gradient.",
                          "0でない要素の数。勾配は流れない。",
                          Expand(lambda x, *, axis, keepdims: sum(x != 0, axis=axis, keepdims=keepdims)))  # fmt: skip


def _places(x: Any, *, axis: int) -> Any:
    n = x.shape[axis]
    return np.broadcast_to(np.arange(n).reshape((n,) + (1,) * (x.ndim - axis - 1)), x.shape)


places = register(Op(
    "places", _places, lambda x, *, axis: Type(x.shape, np.dtype(np.intp)),
    batch=lambda op, size, batched, x, *, axis: op(x, axis=axis + 1),
    lower=Count(),
    words=Words("y[i] = i", "0", "The number of each element along an axis; no gradient.",
                "軸に沿った要素の番号。勾配は流れない。"),
    samples=lambda: [Sample(arrays((4,)), {"axis": 0}), Sample(arrays((2, 3)), {"axis": 0}),
                     Sample(arrays((2, 3)), {"axis": 1}), Sample(arrays((0, 2)), {"axis": 1})],
))  # fmt: skip


def _along(forward: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, *, axis, keepdims: forward(x, axis=axis, keepdims=keepdims)[()]


def _first_place(extremum: Op) -> Choice:
    """The smallest position of those that reach the extremum, or that are NaN; NumPy refuses an empty axis."""

    def by(x: Any, *, axis: int, keepdims: bool) -> Any:
        reached = (x == extremum(x, axis=(axis,), keepdims=True)) | (x != x)
        return min(where(reached, places(x, axis=axis), x.shape[axis]), axis=(axis,), keepdims=keepdims)

    expanded = Expand(by)
    return Choice(lambda x, *, axis, keepdims: expanded if x.shape[axis] and x.dtype.kind != "c" else None)


def _position(name: str, forward: Callable[..., Any], extremum: Op, en: str, ja: str) -> Op:
    """The index of an extremum along one axis."""

    def infer(x: Type, *, axis: int, keepdims: bool) -> Type:
        return Type(reduced_shape(x.shape, (axis,), keepdims), np.dtype(np.intp))

    def batch(op: Op, size: int, batched: Sequence[bool], x: Any, *, axis: int, keepdims: bool) -> Any:
        return op(x, axis=axis + 1, keepdims=keepdims)

    samples = lambda: [
        Sample(arrays((4,)), {"axis": 0, "keepdims": False}),
        Sample(arrays((2, 3)), {"axis": 1, "keepdims": True}),
    ]
    words = Words(f"y = {name}_i x[i]", "0", en, ja)
    return register(Op(name, _along(forward), infer, words, batch=batch, samples=samples, lower=_first_place(extremum)))


argmax = _position("argmax", np.argmax, max, "Where the largest element stands; no gradient.",
                   "最大要素の位置。勾配は流れない。")  # fmt: skip
argmin = _position("argmin", np.argmin, min, "Where the smallest element stands; no gradient.",
                   "最小要素の位置。勾配は流れない。")  # fmt: skip
