"""Windows that slide over the last axes as an array of their own, and such windows added up in place again.

Each is the other's gradient. Pooling is made of these two in compiled code, where none of them is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from koubai.errors import ShapeError
from koubai.graph import Op, Refusal, Sample, Type, Words, register
from koubai.ops.define import arrays, shape_of
from koubai.ops.lowering import Choice, Place, View
from koubai.ops.windows import Windows, sliding

__all__ = ["overlap_add", "sliding_windows"]

Shape = tuple[int, ...]


def _windows(name: str, shape: Shape, kernel: Shape, stride: Shape) -> Windows:
    n = len(kernel)
    if len(shape) < n or not n:
        raise ShapeError(f"{name}: expected an axis for each of the {n} entries in kernel, got shape {shape}")
    return sliding(name, shape, len(shape) - n, kernel, stride, ((0, 0),) * n, (1,) * n)


# sliding_windows


def _slid(x: Any, *, kernel: Shape, stride: Shape) -> Any:
    _windows("sliding_windows", x.shape, kernel, stride)
    axes = tuple(range(x.ndim - len(kernel), x.ndim))
    view: Any = np.lib.stride_tricks.sliding_window_view(x, kernel, axes)
    return view[(..., *(slice(None, None, step) for step in stride), *(slice(None),) * len(kernel))]


def _slid_infer(x: Type, *, kernel: Shape, stride: Shape) -> Type:
    count = _windows("sliding_windows", x.shape, kernel, stride).count
    return Type((*x.shape[: -len(kernel)], *count, *kernel), x.dtype)


def _slid_source(e: Any, index: Any, x: Type, *, kernel: Shape, stride: Shape) -> list[Any]:
    n = len(kernel)
    return [
        *index[: -2 * n],
        *(e.plus(e.times(p, step), k) for p, k, step in zip(index[-2 * n : -n], index[-n:], stride)),
    ]


# overlap_add


def _added_windows(shape: Shape, lengths: Shape, stride: Shape) -> Windows:
    n = len(lengths)
    if n == 0 or len(shape) < 2 * n:
        raise ShapeError(
            f"overlap_add: expected an axis of windows and an axis inside of a window for each of the {n} lengths, "
            f"got shape {shape}"
        )
    windows = _windows("overlap_add", (*shape[: -2 * n], *lengths), shape[-n:], stride)
    if windows.count != shape[-2 * n : -n]:
        raise ShapeError(
            f"overlap_add: over axes of lengths {lengths} slide {windows.count} windows of {shape[-n:]}, "
            f"got shape {shape}"
        )
    return windows


def _added(y: Any, *, lengths: Shape, stride: Shape) -> Any:
    windows = _added_windows(y.shape, lengths, stride)
    lead = y.shape[: y.ndim - 2 * len(lengths)]
    x: Any = np.zeros((*lead, *lengths), y.dtype)
    for place, where in windows.places():
        x[(..., *where)] += y[(..., *place)]
    return x


def _added_infer(y: Type, *, lengths: Shape, stride: Shape) -> Type:
    _added_windows(y.shape, lengths, stride)
    return Type((*y.shape[: len(y.shape) - 2 * len(lengths)], *lengths), y.dtype)


def _added_target(e: Any, i: int, index: Any, types: Sequence[Type], *, lengths: Shape, stride: Shape) -> list[Any]:
    return _slid_source(e, index, types[0], kernel=types[0].shape[-len(lengths) :], stride=stride)


def _added_source(e: Any, index: Any, y: Type, *, lengths: Shape, stride: Shape) -> list[Any]:
    lead, inner = index[: -len(lengths)], index[-len(lengths) :]
    return [*lead, *(e.quotient(i, n) for i, n in zip(inner, stride)), *(e.rest(i, n) for i, n in zip(inner, stride))]


def _added_form(y: Any, *, lengths: Shape, stride: Shape) -> Any:
    """Windows that cover everything once are the same elements in another order."""
    n = len(lengths)
    count, kernel = shape_of(y)[-2 * n : -n], shape_of(y)[-n:]
    if kernel == stride and all(a * b == c for a, b, c in zip(count, kernel, lengths)):
        return View(_added_source)
    if all(k <= step for k, step in zip(kernel, stride)):
        return Place(_added_target)
    return Place(_added_target, meeting=n)


# The records


def _cases() -> list[tuple[Shape, Shape, dict[str, Any]]]:
    """The shape of an array, of its windows, and settings."""
    return [
        ((2, 6), (2, 3, 2), {"stride": (2,)}),
        ((3, 7), (3, 2, 2), {"stride": (4,)}),
        ((2, 5, 4), (2, 2, 3, 3, 2), {"stride": (2, 1)}),
        ((0, 3), (0, 2, 2), {"stride": (1,)}),
    ]


def _kernel(windows: Shape, settings: dict[str, Any]) -> Shape:
    return windows[len(windows) - len(settings["stride"]) :]


sliding_windows = register(Op(
    "sliding_windows", _slid, _slid_infer, linear=True,
    vjp=(lambda g, y, x, *, kernel, stride: overlap_add(g, lengths=shape_of(x)[-len(kernel):], stride=stride),),
    batch=lambda op, size, batched, x, **p: op(x, **p),
    lower=View(_slid_source),
    words=Words("y[p, k] = x[p stride + k]", "dE/dx[i] = sum_{p, k} g[p, k] (p stride + k == i)",
                "Every window of an array as an array of its own; an element's gradients from all its windows add up.",
                "配列の各窓を取り出して並べる。要素の勾配は、その要素を含む全窓からの和になる。"),
    samples=lambda: [Sample(arrays(x), {"kernel": _kernel(y, p), **p}) for x, y, p in _cases()],
    refuses=lambda: [Refusal(arrays((3,)), {"kernel": (4,), "stride": (1,)}, ShapeError, "the kernel covers 4"),
                     Refusal(arrays((3,)), {"kernel": (1, 1), "stride": (1, 1)}, ShapeError, "each of the 2 entries")],
))  # fmt: skip
overlap_add = register(Op(
    "overlap_add", _added, _added_infer, linear=True,
    vjp=(lambda g, x, y, *, lengths, stride: sliding_windows(g, kernel=shape_of(y)[-len(lengths):], stride=stride),),
    batch=lambda op, size, batched, y, **p: op(y, **p),
    lower=Choice(_added_form),
    words=Words("y[i] = sum_{p, k} x[p, k] (p stride + k == i)", "dE/dx[p, k] = g[p stride + k]",
                "Windows put back to where they come from, added where they overlap.",
                "窓を元の位置に戻し、重なる部分は足し合わせる。"),
    samples=lambda: [Sample(arrays(y), {"lengths": x[len(x) - len(p["stride"]):], **p}) for x, y, p in _cases()],
    refuses=lambda: [Refusal(arrays((3,)), {"lengths": (4,), "stride": (1,)}, ShapeError, "axis inside of a window"),
                     Refusal(arrays((2, 3)), {"lengths": (4,), "stride": (2,)}, ShapeError, "slide (1,) windows")],
))  # fmt: skip
