"""Pooling over the last axes of an array: the largest element of each window, or the mean.

Whatever stands before the last ``len(kernel)`` axes is a stack. Around the array max_pool sees -infinity, which
never receives a gradient, and avg_pool zeros, which count as elements. Largest elements that are equal share
the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.graph import Op, Refusal, Sample, Type, Words, register
from koubai.ops import elementwise as e
from koubai.ops.define import arrays, shape_of
from koubai.ops.lowering import Expand
from koubai.ops.reduce import max as largest
from koubai.ops.reduce import sum as total
from koubai.ops.shape import astype, broadcast_to, pad, reshape, stacked
from koubai.ops.slide import overlap_add, sliding_windows
from koubai.ops.windows import Pairs, Windows, padded, sliding

__all__ = ["avg_pool", "avg_pool_spread", "max_pool", "max_pool_gather", "max_pool_spread"]

Shape = tuple[int, ...]


@lru_cache(maxsize=4096)
def _windows(name: str, shape: Shape, kernel: Shape, stride: Shape, padding: Pairs) -> Windows:
    first = len(shape) - len(kernel)
    if first < 0 or not kernel:
        raise ShapeError(
            f"{name}: expected an array with an axis for each of the {len(kernel)} entries in kernel, got shape {shape}"
        )
    found = sliding(name, shape, first, kernel, stride, padding, (1,) * len(kernel))
    for k, (size, pair) in enumerate(zip(kernel, padding)):
        if found.lengths[k] == 0:
            raise ShapeError(f"{name}: expected at least one element along axis {first + k}, got shape {shape}")
        if max(pair) >= size:
            raise UsageError(
                f"{name}: along axis {first + k} expected less padding than the kernel is long ({size}), got {pair}: a "
                f"window would hold nothing but padding"
            )
    return found


def _lead(x: Any, windows: Windows) -> tuple[slice, ...]:
    count: int = x.ndim - len(windows.kernel)
    return (slice(None),) * count


def _pooled(x: Any, windows: Windows, outside: float, ufunc: np.ufunc) -> Any:
    """`ufunc` over each window, one axis after the other."""
    lead = _lead(x, windows)
    x = padded(x, windows, len(lead), outside)
    for axis in range(len(windows.kernel)):
        before = (*lead, *(slice(None),) * axis)
        y, *others = (x[(*before, where)] for where in windows.along(axis))
        for k, other in enumerate(others):
            y = ufunc(y, other, out=y if k else None)
        x = y
    return x


def _refuse(name: str, x: Any, kinds: str) -> None:
    if x.dtype.kind not in kinds:
        raise DTypeError(f"{name}: expected floating-point numbers, got dtype {x.dtype}; convert with astype(float)")


def _type(name: str, kinds: str) -> Any:
    """The type rule of pooling."""

    def infer(x: Type, *, kernel: Shape, stride: Shape, padding: Pairs) -> Type:
        _refuse(name, x, kinds)
        windows = _windows(name, x.shape, kernel, stride, padding)
        return Type((*x.shape[: -len(kernel)], *windows.count), x.dtype)

    return infer


def _of_pooled(name: str, g: Any, shape: Shape, kernel: Shape, stride: Shape, padding: Pairs) -> Windows:
    """The windows over `shape`, whose results g belongs to."""
    windows = _windows(name, shape, kernel, stride, padding)
    expected = (*shape[: -len(kernel)], *windows.count)
    if g.shape != expected:
        raise ShapeError(f"{name}: pooling the shape {shape} gives {expected}, but the gradient has {g.shape}")
    return windows


# avg_pool


def _avg_pool(x: Any, *, kernel: Shape, stride: Shape, padding: Pairs) -> Any:
    _refuse("avg_pool", x, "fc")
    return _pooled(x, _windows("avg_pool", x.shape, kernel, stride, padding), 0.0, np.add) / prod(kernel)


def _avg_pool_spread(g: Any, *, lengths: Shape, kernel: Shape, stride: Shape, padding: Pairs) -> Any:
    shape = (*g.shape[: -len(kernel)], *lengths)
    windows = _of_pooled("avg_pool_spread", g, shape, kernel, stride, padding)
    lead = _lead(g, windows)
    x = g / prod(kernel)
    for axis, length in enumerate(windows.padded):
        place = len(lead) + axis
        y = np.zeros_like(x, shape=(*x.shape[:place], length, *x.shape[place + 1 :]))
        for where in windows.along(axis):
            y[(*lead, *(slice(None),) * axis, where)] += x
        x = y
    return x[(*lead, *windows.inside)]


def _avg_spread_infer(g: Type, *, lengths: Shape, kernel: Shape, stride: Shape, padding: Pairs) -> Type:
    shape = (*g.shape[: -len(kernel)], *lengths)
    _of_pooled("avg_pool_spread", g, shape, kernel, stride, padding)
    return Type(shape, g.dtype)


# max_pool


def _largest(x: Any, windows: Windows) -> Any:
    return _pooled(x, windows, -np.inf, np.maximum)


def _max_pool(x: Any, *, kernel: Shape, stride: Shape, padding: Pairs) -> Any:
    _refuse("max_pool", x, "f")
    return _largest(x, _windows("max_pool", x.shape, kernel, stride, padding))


def _chosen(x: Any, windows: Windows) -> tuple[list[tuple[Any, Any]], Any]:
    """For each place in the kernel where it lies, and in which windows its element is a largest one; and how many
    of these each window has. In a window with NaN these are the NaN elements, and padding never is one."""
    lead = _lead(x, windows)
    places = [(*lead, *where) for _, where in windows.places()]
    y = _largest(x, windows)
    around = padded(x, windows, len(lead), np.nan)  # equal to nothing
    masks = [around[where] == y for where in places]
    count = _sum(masks)
    if not count.all():
        missing = padded(np.isnan(x), windows, len(lead), False)
        masks = [mask | missing[where] for mask, where in zip(masks, places)]
        count = _sum(masks)
    return list(zip(places, masks)), count.astype(x.dtype)


def _sum(masks: list[Any]) -> Any:
    total = masks[0].astype(np.uint32)
    for mask in masks[1:]:
        total += mask
    return total


def _spread_windows(g: Any, x: Any, settings: Any) -> Windows:
    _refuse("max_pool_spread", x, "f")
    return _of_pooled("max_pool_spread", g, x.shape, **settings)


def _max_pool_spread(g: Any, x: Any, **settings: Any) -> Any:
    windows = _spread_windows(g, x, settings)
    chosen, count = _chosen(x, windows)
    share = g / count
    lead = _lead(x, windows)
    y = np.zeros_like(x, share.dtype, shape=(*x.shape[: len(lead)], *windows.padded))
    for where, mask in chosen:
        y[where] += share * mask
    return y[(*lead, *windows.inside)]


def _max_spread_infer(g: Type, x: Type, **settings: Any) -> Type:
    _spread_windows(g, x, settings)
    return Type(x.shape, np.result_type(g.dtype, x.dtype))


def _gather_windows(t: Any, x: Any, settings: Any) -> Windows:
    _refuse("max_pool_gather", x, "f")
    if t.shape != x.shape:
        raise ShapeError(f"max_pool_gather: expected two arrays of one shape, got {t.shape} and {x.shape}")
    return _windows("max_pool_gather", x.shape, **settings)


def _max_pool_gather(t: Any, x: Any, **settings: Any) -> Any:
    windows = _gather_windows(t, x, settings)
    chosen, count = _chosen(x, windows)
    around = padded(t, windows, len(_lead(t, windows)))
    return sum(around[where] * mask for where, mask in chosen) / count


def _gather_infer(t: Type, x: Type, **settings: Any) -> Type:
    count = _gather_windows(t, x, settings).count
    return Type((*x.shape[: -len(count)], *count), np.result_type(t.dtype, x.dtype))


# In other ops, for compiled code


@lru_cache(maxsize=256)
def _inside(windows: Windows) -> Any:
    """What is not padding: one array for the same windows, so that the compiler sees that it is the same."""
    return np.pad(np.ones(windows.lengths, bool), windows.padding)


@lru_cache(maxsize=256)
def _slid_inside(windows: Windows) -> Any:
    return sliding_windows(_inside(windows), kernel=windows.kernel, stride=windows.stride)


def _slid(x: Any, windows: Windows, outside: float) -> Any:
    """The windows of an array with `outside` around it."""
    if windows.padded != windows.lengths:
        width = ((0, 0),) * (x.ndim - len(windows.kernel)) + windows.padding
        x = e.where(_inside(windows), pad(x, width=width), x.dtype.type(outside))
    return sliding_windows(x, kernel=windows.kernel, stride=windows.stride)


def _outer(y: Any, windows: Windows) -> Any:
    """A number for each window, against arrays of windows."""
    return reshape(y, shape=(*shape_of(y), *(1,) * len(windows.kernel)))


def _put_back(y: Any, windows: Windows) -> Any:
    """Windows added up, without the padding."""
    x = overlap_add(y, lengths=windows.padded, stride=windows.stride)
    return x if windows.padded == windows.lengths else x[(..., *windows.inside)]


def _max_by_ops(x: Any, *, kernel: Shape, stride: Shape, padding: Pairs) -> Any:
    slid = _slid(x, _windows("max_pool", shape_of(x), kernel, stride, padding), -np.inf)
    return largest(slid, axis=tuple(range(x.ndim, slid.ndim)), keepdims=False)


def _avg_by_ops(x: Any, *, kernel: Shape, stride: Shape, padding: Pairs) -> Any:
    slid = _slid(x, _windows("avg_pool", shape_of(x), kernel, stride, padding), 0.0)
    return total(slid, axis=tuple(range(x.ndim, slid.ndim)), keepdims=False) / x.dtype.type(prod(kernel))


def _avg_spread_by_ops(g: Any, *, lengths: Shape, kernel: Shape, stride: Shape, padding: Pairs) -> Any:
    windows = _windows("avg_pool_spread", (*shape_of(g)[: -len(kernel)], *lengths), kernel, stride, padding)
    share = _outer(g / g.dtype.type(prod(kernel)), windows)
    return _put_back(broadcast_to(share, shape=(*shape_of(g), *kernel)), windows)


def _chosen_by_ops(x: Any, windows: Windows) -> tuple[Any, Any]:
    """Which element of each window is a largest one, and how many of these each window has."""
    slid = _slid(x, windows, -np.inf)
    inner = tuple(range(x.ndim, slid.ndim))
    chosen = (slid == _outer(largest(slid, axis=inner, keepdims=False), windows)) | (slid != slid)
    if windows.padded != windows.lengths:
        chosen = chosen & _slid_inside(windows)
    one, zero = x.dtype.type(1), x.dtype.type(0)
    return chosen, total(e.where(chosen, one, zero), axis=inner, keepdims=False)


def _spread_by_ops(g: Any, x: Any, *, kernel: Shape, stride: Shape, padding: Pairs) -> Any:
    windows = _windows("max_pool_spread", shape_of(x), kernel, stride, padding)
    chosen, count = _chosen_by_ops(x, windows)
    share = g / count
    return _put_back(_outer(share, windows) * astype(chosen, dtype=share.dtype), windows)


def _gather_by_ops(t: Any, x: Any, *, kernel: Shape, stride: Shape, padding: Pairs) -> Any:
    windows = _windows("max_pool_gather", shape_of(x), kernel, stride, padding)
    chosen, count = _chosen_by_ops(x, windows)
    slid = _slid(t, windows, 0.0)
    inner = tuple(range(t.ndim, slid.ndim))
    return total(slid * astype(chosen, dtype=slid.dtype), axis=inner, keepdims=False) / count


# The records


def _batch(op: Op, size: int, batched: Sequence[bool], *xs: Any, **settings: Any) -> Any:
    return op(*(stacked(x, on, size) for x, on in zip(xs, batched)), **settings)


def _cases() -> list[tuple[Shape, Shape, dict[str, Any]]]:
    """The shapes of arrays and of their pooled results, and settings."""
    return [
        ((2, 5), (2, 2), {"kernel": (2,), "stride": (2,), "padding": ((0, 0),)}),
        ((2, 4, 5), (2, 3, 5), {"kernel": (3, 2), "stride": (2, 1), "padding": ((1, 2), (1, 0))}),
        ((0, 2, 2), (0, 1, 2), {"kernel": (2, 1), "stride": (1, 1), "padding": ((0, 0), (0, 0))}),
    ]


def _refusals() -> list[Refusal]:
    (x,) = arrays((3,))
    cases: list[tuple[Any, Shape, Pairs, type[Exception], str]] = [
        (x, (4,), ((0, 0),), ShapeError, "along axis 0 the kernel covers 4"),
        (x, (2,), ((2, 0),), UsageError, "nothing but padding"),
        (x[:0], (2,), ((1, 1),), ShapeError, "at least one element along axis 0"),
        (x, (2, 2), ((0, 0), (0, 0)), ShapeError, "an axis for each of the 2 entries"),
        (x > 0, (2,), ((0, 0),), DTypeError, "floating-point numbers, got dtype bool"),
    ]
    return [
        Refusal((x,), {"kernel": kernel, "stride": kernel, "padding": padding}, error, says)
        for x, kernel, padding, error, says in cases
    ]


avg_pool = register(Op(
    "avg_pool", _avg_pool, _type("avg_pool", "fc"), linear=True, batch=_batch,
    vjp=(lambda g, y, x, *, kernel, **p: avg_pool_spread(g, lengths=shape_of(x)[-len(kernel):], kernel=kernel, **p),),
    lower=Expand(_avg_by_ops),
    words=Words("y[p] = sum_k x[p stride + k - padding]/size(kernel)",
                "dE/dx[i] = sum_{p, k} g[p] (p stride + k - padding == i)/size(kernel)",
                "The mean of each window; every element receives its equal share of the gradients of its windows.",
                "窓ごとの平均。各要素は、自分を含む窓の勾配を均等に受け取る。"),
    samples=lambda: [Sample(arrays(x), settings) for x, _, settings in _cases()],
    refuses=_refusals,
))  # fmt: skip
avg_pool_spread = register(Op(
    "avg_pool_spread", _avg_pool_spread, _avg_spread_infer, linear=True, batch=_batch,
    vjp=(lambda h, y, g, *, lengths, **p: avg_pool(h, **p),),
    lower=Expand(_avg_spread_by_ops),
    words=Words("y[i] = sum_{p, k} x[p] (p stride + k - padding == i)/size(kernel)",
                "dE/dx[p] = sum_k g[p stride + k - padding]/size(kernel)",
                "What the elements receive when windows were averaged; its gradient is the average again.",
                "平均プーリングで各要素が受け取る勾配。これをさらに微分すると、再び窓ごとの平均になる。"),
    samples=lambda: [Sample(arrays(y), {**settings, "lengths": x[-len(settings["kernel"]):]})
                     for x, y, settings in _cases()],
    refuses=lambda: [Refusal(arrays((2, 3)), {**_cases()[0][2], "lengths": (5,)}, ShapeError, "gives (2, 2)")],
))  # fmt: skip
max_pool = register(Op(
    "max_pool", _max_pool, _type("max_pool", "f"), batch=_batch,
    vjp=(lambda g, y, x, **p: max_pool_spread(g, x, **p),), jvp=(lambda t, y, x, **p: max_pool_gather(t, x, **p),),
    lower=Expand(_max_by_ops),
    words=Words("y[p] = max_k x[p stride + k - padding]",
                "dE/dx[i] = sum_{p, k} g[p] (p stride + k - padding == i) (x[i] == y[p])/n[p], "
                "n[p] = sum_k (x[p stride + k - padding] == y[p])",
                "Only the largest element of each window receives the gradient; equal ones share it.",
                "窓の中の最大の要素だけが勾配を受け取る。同じ値が複数あれば等分する。"),
    samples=lambda: [Sample(arrays(x), settings) for x, _, settings in _cases()],
    refuses=_refusals,
))  # fmt: skip
max_pool_spread = register(Op(
    "max_pool_spread", _max_pool_spread, _max_spread_infer, batch=_batch,
    vjp=(lambda h, y, g, x, **p: max_pool_gather(h, x, **p), None),
    jvp=(lambda t, y, g, x, **p: max_pool_spread(t, x, **p), None),
    lower=Expand(_spread_by_ops),
    words=Words("y[i] = sum_{p, k} z[p] (p stride + k - padding == i) (x[i] == m[p])/n[p], "
                "m[p] = max_k x[p stride + k - padding], n[p] = sum_k (x[p stride + k - padding] == m[p])",
                "dE/dz[p] = sum_k g[p stride + k - padding] (x[p stride + k - padding] == m[p])/n[p]",
                "Each window's number goes to the place of its largest element.",
                "各窓の値を、その窓で最大だった要素の位置へ配る。", symbols=("z", "x")),
    samples=lambda: [Sample(arrays(y, x), settings) for x, y, settings in _cases()],
    refuses=lambda: [Refusal(arrays((2, 3), (2, 5)), _cases()[0][2], ShapeError, "gives (2, 2)"),
                     Refusal((np.ones(1), np.arange(2)), _cases()[0][2], DTypeError, "floating-point")],
))  # fmt: skip
max_pool_gather = register(Op(
    "max_pool_gather", _max_pool_gather, _gather_infer, batch=_batch,
    vjp=(lambda h, y, t, x, **p: max_pool_spread(h, x, **p), None),
    jvp=(lambda s, y, t, x, **p: max_pool_gather(s, x, **p), None),
    lower=Expand(_gather_by_ops),
    words=Words("y[p] = sum_k z[p stride + k - padding] (x[p stride + k - padding] == m[p])/n[p], "
                "m[p] = max_k x[p stride + k - padding], n[p] = sum_k (x[p stride + k - padding] == m[p])",
                "dE/dz[i] = sum_{p, k} g[p] (p stride + k - padding == i) (x[i] == m[p])/n[p]",
                "From each window the number at the place where another array has its largest element.",
                "各窓について、もう一方の配列が最大となる位置の値を取り出す。", symbols=("z", "x")),
    samples=lambda: [Sample(arrays(x, x, seed=1), settings) for x, _, settings in _cases()],
    refuses=lambda: [Refusal(arrays((2, 5), (2, 4)), _cases()[0][2], ShapeError, "two arrays of one shape"),
                     Refusal((np.ones(2), np.arange(2)), _cases()[0][2], DTypeError, "floating-point")],
))  # fmt: skip
