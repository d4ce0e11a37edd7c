"""Ops that move elements without changing them: reshape, transpose, broadcast, join, flip, pad, roll.

All are linear, so forward mode applies the op to the tangent; each gradient moves the elements back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from koubai.errors import ShapeError
from koubai.graph import Node, Op, Refusal, Sample, Type, Words, register, registered, type_of, variadic
from koubai.ops.define import arrays, ndim_of, shape_of
from koubai.ops.elementwise import where
from koubai.ops.lowering import Expand, Place, Scalar, View

Shape = tuple[int, ...]


def _linear(name: str, forward: Callable[..., Any], infer: Callable[..., Any], **fields: Any) -> Op:
    return register(Op(name, forward, infer, linear=True, **fields))


# reshape


def _reshape_infer(x: Type, *, shape: Shape) -> Type:
    if np.prod(x.shape, dtype=np.int64) != np.prod(shape, dtype=np.int64):
        raise ShapeError(f"reshape: expected a shape of the same size as {x.shape}, got {shape}")
    return Type(shape, x.dtype)


def _reshape_source(e: Any, index: Any, x: Type, *, shape: Shape) -> list[Any]:
    """Axes are flattened together only as far as it takes for their lengths to have the same product."""
    if 0 in shape:
        return [0] * x.ndim
    found: list[Any] = []
    new, old = iter(zip(index, shape)), iter(x.shape)
    for length in old:
        lengths, there, flat, here = [length], length, 0, 1
        while here != there:
            if here < there:
                i, n = next(new)
                flat, here = e.plus(e.times(flat, n), i), here * n
            else:
                lengths.append(next(old))
                there *= lengths[-1]
        block: list[Any] = []
        for n in reversed(lengths[1:]):
            block.insert(0, e.rest(flat, n))
            flat = e.quotient(flat, n)
        found += [flat, *block]
    return found


reshape = _linear(
    "reshape", lambda x, *, shape: np.reshape(x, shape)[()], _reshape_infer,
    vjp=(lambda g, y, x, *, shape: reshape(g, shape=shape_of(x)),),
    batch=lambda op, size, batched, x, *, shape: op(x, shape=(size, *shape)),
    lower=View(_reshape_source),
    words=Words("y = reshape(x, shape)", "dE/dx = reshape(g, shape(x))",
                "The same elements in another shape; the gradient goes back to the old one.",
                "要素はそのままで形だけを変える。勾配は元の形に戻す。"),
    samples=lambda: [Sample(arrays((2, 3)), {"shape": (3, 2)}), Sample(arrays((1,)), {"shape": ()}),
                     Sample(arrays(()), {"shape": (1, 1)}), Sample(arrays((0, 3)), {"shape": (2, 0)})],
    refuses=lambda: [Refusal(arrays((2, 3)), {"shape": (4,)}, ShapeError, "same size")],
)  # fmt: skip


# transpose


def inverse_axes(axes: Shape) -> Shape:
    """The permutation that undoes `axes`."""
    inverse = [0] * len(axes)
    for i, axis in enumerate(axes):
        inverse[axis] = i
    return tuple(inverse)


transpose = _linear(
    "transpose", lambda x, *, axes: np.transpose(x, axes)[()],
    lambda x, *, axes: Type(tuple(x.shape[i] for i in axes), x.dtype),
    vjp=(lambda g, y, x, *, axes: transpose(g, axes=inverse_axes(axes)),),
    batch=lambda op, size, batched, x, *, axes: op(x, axes=(0, *(i + 1 for i in axes))),
    lower=View(lambda e, index, x, *, axes: [index[i] for i in inverse_axes(axes)]),
    words=Words("y = transpose(x, axes)", "dE/dx = transpose(g, argsort(axes))",
                "The axes in another order; the gradient takes them back.",
                "軸を並べ替える。勾配は逆の並べ替えで戻す。"),
    samples=lambda: [Sample(arrays((2, 3)), {"axes": (1, 0)}), Sample(arrays((2, 3, 4)), {"axes": (2, 0, 1)}),
                     Sample(arrays(()), {"axes": ()}), Sample(arrays((0, 2)), {"axes": (1, 0)})],
)  # fmt: skip


# broadcast_to


def _broadcast_infer(x: Type, *, shape: Shape) -> Type:
    try:
        fits = np.broadcast_shapes(x.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"broadcast_to: expected a shape that broadcasts to {shape}, got {x.shape}")
    return Type(shape, x.dtype)


def summed_to(g: Any, shape: Shape) -> Any:
    """`g` summed over the axes along which an array of `shape` was broadcast."""
    from koubai.ops.reduce import sum as total  # whose gradient is broadcast_to: neither can come first

    extra = ndim_of(g) - len(shape)
    axis = (*range(extra), *(i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1))
    if axis:
        g = total(g, axis=axis, keepdims=False)
    return g if shape_of(g) == shape else reshape(g, shape=shape)


def _broadcast_source(e: Any, index: Any, x: Type, *, shape: Shape) -> list[Any]:
    return [0 if n == 1 else i for i, n in zip(index[len(shape) - x.ndim :], x.shape)]


def _broadcast_batch(op: Op, size: int, batched: Sequence[bool], x: Any, *, shape: Shape) -> Any:
    missing = len(shape) - (ndim_of(x) - 1)
    return op(reshape(x, shape=(size, *(1,) * missing, *shape_of(x)[1:])), shape=(size, *shape))


broadcast_to = _linear(
    "broadcast_to", lambda x, *, shape: np.broadcast_to(x, shape)[()], _broadcast_infer,
    vjp=(lambda g, y, x, *, shape: summed_to(g, shape_of(x)),),
    batch=_broadcast_batch,
    lower=View(_broadcast_source),
    words=Words("y = broadcast(x, shape)", "dE/dx = sum_to(g, shape(x))",
                "Copies along an axis; the gradients of all copies are summed.",
                "軸に沿って複製する。勾配はすべての複製について足し合わせる。"),
    samples=lambda: [Sample(arrays((3,)), {"shape": (2, 3)}), Sample(arrays((2, 1)), {"shape": (4, 2, 3)}),
                     Sample(arrays(()), {"shape": (2,)}), Sample(arrays((1,)), {"shape": (0,)})],
    refuses=lambda: [Refusal(arrays((3,)), {"shape": (2,)}, ShapeError, "broadcasts to")],
)  # fmt: skip


# concatenate


def stacked(x: Any, batched: bool, size: int) -> Any:
    """`x` with the new axis in front: as it is when it has one, otherwise repeated `size` times."""
    return x if batched else broadcast_to(x, shape=(size, *shape_of(x)))


def _concatenate_infer(*types: Type, axis: int) -> Type:
    first = types[0].shape
    for i, t in enumerate(types):
        if len(t.shape) != len(first) or t.shape[:axis] + t.shape[axis + 1 :] != first[:axis] + first[axis + 1 :]:
            raise ShapeError(
                f"concatenate: expected shapes that agree outside axis {axis}, got {first} and {t.shape} (array {i})"
            )
    length = sum(t.shape[axis] for t in types)
    dtype = np.result_type(*(t.dtype for t in types))
    return Type((*first[:axis], length, *first[axis + 1 :]), dtype)


def _concatenate_target(e: Any, i: int, index: Any, types: Sequence[Type], *, axis: int) -> tuple[Any, ...]:
    start = sum(t.shape[axis] for t in types[:i])
    return tuple(e.plus(k, start) if n == axis else k for n, k in enumerate(index))


def _concatenate_vjp(i: int, g: Any, y: Any, *xs: Any, axis: int) -> Any:
    start = sum(shape_of(x)[axis] for x in xs[:i])
    return g[(slice(None),) * axis + (slice(start, start + shape_of(xs[i])[axis]),)]


def _concatenate_jvp(i: int, t: Any, y: Any, *xs: Any, axis: int) -> Any:
    start = sum(shape_of(x)[axis] for x in xs[:i])
    after = y.shape[axis] - start - shape_of(xs[i])[axis]
    return pad(t, width=((0, 0),) * axis + ((start, after),) + ((0, 0),) * (y.ndim - axis - 1))


def _concatenate_batch(op: Op, size: int, batched: Sequence[bool], *xs: Any, axis: int) -> Any:
    return op(*(stacked(x, b, size) for x, b in zip(xs, batched)), axis=axis + 1)


concatenate = register(Op(
    "concatenate", lambda *xs, axis: np.concatenate(xs, axis), _concatenate_infer,
    vjp=variadic(_concatenate_vjp), jvp=variadic(_concatenate_jvp), batch=_concatenate_batch,
    lower=Place(_concatenate_target, covers=True),
    words=Words("y = concatenate(x_1, x_2, ...)", "dE/dx_k[i] = g[s_k + i], s_k = sum_{j < k} length(x_j)",
                "Arrays joined along an axis; each takes its own piece of the gradient.",
                "軸に沿ってつなぐ。勾配は切り分けて各入力へ返す。", symbols=("x...",)),
    samples=lambda: [Sample(arrays((2,), (3,), (0,)), {"axis": 0}), Sample(arrays((2, 3), (2, 1)), {"axis": 1})],
    refuses=lambda: [Refusal(arrays((2, 3), (3, 1)), {"axis": 1}, ShapeError, "agree outside axis 1")],
))  # fmt: skip

GROUP = 64


def join(parts: Sequence[Any], axis: int) -> Any:
    """`concatenate` of any number of arrays.

    The rule of one input adds up the lengths before it, so that a gradient by n inputs of one op takes n^2
    steps. Joined in groups, and these in groups again, it takes 64 n for each level.
    """
    if not any(isinstance(x, Node) for x in parts):
        return concatenate(*parts, axis=axis)
    if len(parts) > GROUP:
        _concatenate_infer(*(x.type if isinstance(x, Node) else type_of(x) for x in parts), axis=axis)
    while len(parts) > GROUP:
        parts = [concatenate(*parts[i : i + GROUP], axis=axis) for i in range(0, len(parts), GROUP)]
    return concatenate(*parts, axis=axis)


def stack(rows: Sequence[Any]) -> Any:
    """Arrays of one shape along a new axis in front."""
    return join([reshape(row, shape=(1, *shape_of(row))) for row in rows], 0)


# flip, roll, pad


def _flip_source(e: Any, index: Any, x: Type, *, axis: Shape) -> list[Any]:
    return [e.plus(e.times(i, -1), n - 1) if k in axis else i for k, (i, n) in enumerate(zip(index, x.shape))]


flip = _linear(
    "flip", lambda x, *, axis: np.flip(x, axis)[()], lambda x, *, axis: Type(x.shape, x.dtype),
    vjp=(lambda g, y, x, *, axis: flip(g, axis=axis),),
    batch=lambda op, size, batched, x, *, axis: op(x, axis=tuple(i + 1 for i in axis)),
    lower=View(_flip_source),
    words=Words("y = flip(x, axis)", "dE/dx = flip(g, axis)", "The reversed order; so is the gradient's.",
                "順序を逆にする。勾配も逆順になる。"),
    samples=lambda: [Sample(arrays((3,)), {"axis": (0,)}), Sample(arrays((2, 3)), {"axis": (0, 1)})],
)  # fmt: skip


def _roll_source(e: Any, index: Any, x: Type, *, shift: Shape, axis: Shape) -> list[Any]:
    found = list(index)
    for s, k in zip(shift, axis):
        n = x.shape[k]
        found[k] = e.rest(e.plus(found[k], -s % n if n else 0), n)
    return found


roll = _linear(
    "roll", lambda x, *, shift, axis: np.roll(x, shift, axis), lambda x, *, shift, axis: Type(x.shape, x.dtype),
    vjp=(lambda g, y, x, *, shift, axis: roll(g, shift=tuple(-s for s in shift), axis=axis),),
    batch=lambda op, size, batched, x, *, shift, axis: op(x, shift=shift, axis=tuple(i + 1 for i in axis)),
    lower=View(_roll_source),
    words=Words("y = roll(x, shift)", "dE/dx = roll(g, -shift)",
                "A circular shift; the gradient is shifted back.", "循環シフト。勾配は逆向きにシフトする。"),
    samples=lambda: [Sample(arrays((4,)), {"shift": (1,), "axis": (0,)}),
                     Sample(arrays((2, 3)), {"shift": (-1, 2), "axis": (0, 1)})],
)  # fmt: skip


def _unpadded(g: Any, y: Any, x: Any, *, width: tuple[tuple[int, int], ...]) -> Any:
    return g[tuple(slice(before, before + n) for (before, _), n in zip(width, x.shape))]


pad = _linear(
    "pad", lambda x, *, width: np.pad(x, width),
    lambda x, *, width: Type(tuple(n + a + b for n, (a, b) in zip(x.shape, width)), x.dtype),
    vjp=(_unpadded,),
    batch=lambda op, size, batched, x, *, width: op(x, width=((0, 0), *width)),
    lower=Place(lambda e, i, index, types, *, width: tuple(e.plus(k, a) for k, (a, _) in zip(index, width))),
    words=Words("y = pad(x, width)", "dE/dx = crop(g, width)",
                "Zeros around an array; the gradient of the padding is dropped.",
                "周囲を0で埋める。埋めた部分の勾配は捨てる。"),
    samples=lambda: [Sample(arrays((3,)), {"width": ((1, 2),)}), Sample(arrays((2, 3)), {"width": ((0, 1), (2, 0))})],
)  # fmt: skip


# triangles


@lru_cache(maxsize=64)
def _below(m: int, n: int, k: int) -> Any:
    """Which elements of a matrix lie on or below diagonal k; the same array for the same matrix."""
    mask = np.tri(m, n, k, dtype=np.bool_)
    mask.flags.writeable = False
    return mask


def _triangle_of(name: str) -> Expand:
    def by(x: Any, *, k: int) -> Any:
        zero = x.dtype.type(0)
        if name == "tril":
            return where(_below(*x.shape[-2:], k), x, zero)
        return where(_below(*x.shape[-2:], k - 1), zero, x)

    return Expand(by)


def _triangle(name: str, forward: Callable[..., Any], words: Words) -> Op:
    return _linear(
        name, lambda x, *, k: forward(x, k), lambda x, *, k: Type(x.shape, x.dtype),
        vjp=(lambda g, y, x, *, k: registered(name)(g, k=k),),
        batch=lambda op, size, batched, x, *, k: op(x, k=k),
        lower=_triangle_of(name),
        words=words,
        samples=lambda: [Sample(arrays((3, 3)), {"k": 0}), Sample(arrays((2, 3, 4)), {"k": 1})],
    )  # fmt: skip


tril = _triangle("tril", np.tril, Words("y = tril(x, k)", "dE/dx = tril(g, k)",
                                        "The lower triangle; gradient flows through it only.",
                                        "下三角部分。勾配もその部分だけを流れる。"))  # fmt: skip
triu = _triangle("triu", np.triu, Words("y = triu(x, k)", "dE/dx = triu(g, k)",
                                        "The upper triangle; gradient flows through it only.",
                                        "上三角部分。勾配もその部分だけを流れる。"))  # fmt: skip


# dtype

astype = _linear(
    "astype", lambda x, *, dtype: x.astype(dtype) if hasattr(x, "astype") else np.asarray(x, dtype)[()],
    lambda x, *, dtype: Type(x.shape, dtype),
    vjp=(lambda g, y, x, *, dtype: g,),
    batch=lambda op, size, batched, x, *, dtype: op(x, dtype=dtype),
    lower=Scalar(lambda e, x: x, as_is=(0,)),
    words=Words("y = x", "dy/dx = 1", "The same numbers in another precision.",
                "精度(dtype)を変える。勾配は元の精度に戻す。"),
    samples=lambda: [Sample(arrays((2, 3)), {"dtype": np.dtype(np.complex128)}),
                     Sample(arrays((3,)), {"dtype": np.dtype(np.float64)})],
)  # fmt: skip
discrete = register(Op(
    "discrete", lambda x, *, dtype: x.astype(dtype), lambda x, *, dtype: Type(x.shape, dtype),
    batch=lambda op, size, batched, x, *, dtype: op(x, dtype=dtype),
    lower=Scalar(lambda e, x, *, dtype: x, as_is=(0,)),
    words=Words("y = (x != 0) if dtype == bool else trunc(x)", "0",
                "A conversion to integers or truth values; no gradient.",
                "整数・真偽値への変換。勾配は流れない。"),
    samples=lambda: [Sample(arrays((2, 3)), {"dtype": np.dtype(np.int64)})],
))  # fmt: skip
stop_gradient = register(Op(
    "stop_gradient", lambda x: x, lambda x: x,
    batch=lambda op, size, batched, x: op(x), lower=View(lambda e, index, x: index),
    words=Words("y = x", "0", "The same value; no gradient goes back.", "値はそのまま。勾配を止める。"),
    samples=lambda: [Sample(arrays((3,)))],
))  # fmt: skip
