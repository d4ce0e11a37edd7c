"""Products of two arrays over named indices, and convolution.

Every product of NumPy (dot, inner, tensordot, einsum, ...) is one or several of these: the signatures above
bring it into a form where no operand repeats an index and every index that is summed stands in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from string import ascii_letters
from typing import Any, NamedTuple

import numpy as np

from koubai.errors import ShapeError, UnsupportedError
from koubai.graph import Op, Refusal, Sample, Type, Words, register
from koubai.ops.define import arrays, conjugated, ndim_of, shape_of
from koubai.ops.elementwise import where
from koubai.ops.index import getitem
from koubai.ops.lowering import Expand
from koubai.ops.matmul import matmul
from koubai.ops.reduce import places
from koubai.ops.reduce import sum as total
from koubai.ops.shape import astype, concatenate, flip, pad, reshape, transpose
from koubai.ops.slide import sliding_windows

# einsum


class Plan(NamedTuple):
    """How a product over indices becomes one matrix product: each index belongs to one of four groups.

    `shared` stand in both operands and the result, `summed` in both operands only, `left` and `right` in one
    operand and the result.
    """

    shared: str
    summed: str
    left: str
    right: str
    a: tuple[int, ...]
    b: tuple[int, ...]
    result: tuple[int, ...]


@lru_cache(maxsize=4096)
def split(subscripts: str) -> tuple[str, str, str]:
    """``"ij,jk->ik"`` in its three parts."""
    operands, result = subscripts.split("->")
    a, b = operands.split(",")
    return a, b, result


@lru_cache(maxsize=4096)
def _plan(subscripts: str) -> Plan:
    a, b, result = split(subscripts)
    shared = "".join(k for k in result if k in a and k in b)
    left = "".join(k for k in result if k not in b)
    right = "".join(k for k in result if k not in a)
    summed = "".join(k for k in a if k not in result)
    made = shared + left + right
    return Plan(
        shared, summed, left, right,
        tuple(a.index(k) for k in shared + left + summed),
        tuple(b.index(k) for k in shared + summed + right),
        tuple(made.index(k) for k in result),
    )  # fmt: skip


def _einsum(a: Any, b: Any, *, subscripts: str) -> Any:
    plan = _plan(subscripts)
    shared, summed = len(plan.shared), len(plan.summed)
    if summed and not (plan.left or plan.right) and shared:
        return np.einsum(subscripts, a, b)
    a = np.transpose(a, plan.a)
    b = np.transpose(b, plan.b)
    if summed == a.ndim == b.ndim:  # a product of vectors, which NumPy does faster than one of matrices
        return np.dot(a.reshape(-1), b.reshape(-1))
    stack = a.shape[:shared]
    kept = a.shape[shared : shared + len(plan.left)], b.shape[shared + summed :]
    if not summed:
        y = a.reshape((*a.shape, *(1,) * len(plan.right))) * b.reshape((*stack, *(1,) * len(plan.left), *kept[1]))
    else:
        inner = prod(b.shape[shared : shared + summed])
        y = a.reshape((*stack, prod(kept[0]), inner)) @ b.reshape((*stack, inner, prod(kept[1])))
    return np.transpose(y.reshape((*stack, *kept[0], *kept[1])), plan.result)[()]


def _einsum_of_ops(a: Any, b: Any, *, subscripts: str) -> Any:
    plan = _plan(subscripts)
    shared, summed = len(plan.shared), len(plan.summed)
    a, b = transpose(a, axes=plan.a), transpose(b, axes=plan.b)
    stack, left, right = shape_of(a)[:shared], shape_of(a)[shared : ndim_of(a) - summed], shape_of(b)[shared + summed :]
    if summed and (left or right):
        inner = prod(shape_of(b)[shared : shared + summed])
        y = matmul(reshape(a, shape=(*stack, prod(left), inner)), reshape(b, shape=(*stack, inner, prod(right))))
    else:
        # A matrix product would have an axis of length one: the factors are multiplied where they are summed.
        b = reshape(b, shape=(*stack, *(1,) * len(left), *shape_of(b)[shared:]))
        y = reshape(a, shape=(*shape_of(a), *(1,) * len(right))) * b
        y = _summed(y, tuple(range(shared, shared + summed)))
    return transpose(reshape(y, shape=(*stack, *left, *right)), axes=plan.result)


def _summed(x: Any, axis: tuple[int, ...]) -> Any:
    """The sum in the dtype of x, small integers included."""
    y = total(x, axis=axis, keepdims=False) if axis else x
    return y if y.dtype == x.dtype else astype(y, dtype=x.dtype)


def _einsum_infer(a: Type, b: Type, *, subscripts: str) -> Type:
    first, second, result = split(subscripts)
    for number, (indices, t) in enumerate([(first, a), (second, b)]):
        if len(indices) != t.ndim:
            raise ShapeError(
                f"einsum: operand {number} of {subscripts!r} needs {len(indices)} axes ({indices}), got shape {t.shape}"
            )
    length = dict(zip(first, a.shape))
    for k, n in zip(second, b.shape):
        if length.setdefault(k, n) != n:
            raise ShapeError(
                f"einsum: index {k!r} of {subscripts!r} has length {length[k]} in one operand and {n} in the other"
            )
    return Type(tuple(length[k] for k in result), np.result_type(a.dtype, b.dtype))


def _einsum_vjp_left(g: Any, y: Any, a: Any, b: Any, *, subscripts: str) -> Any:
    first, second, result = split(subscripts)
    return einsum(g, conjugated(b), subscripts=f"{result},{second}->{first}")


def _einsum_vjp_right(g: Any, y: Any, a: Any, b: Any, *, subscripts: str) -> Any:
    first, second, result = split(subscripts)
    return einsum(conjugated(a), g, subscripts=f"{first},{result}->{second}")


def _einsum_batch(op: Op, size: int, batched: Sequence[bool], a: Any, b: Any, *, subscripts: str) -> Any:
    first, second, result = split(subscripts)
    new = unused_index(first + second)
    return op(a, b, subscripts=f"{new * batched[0]}{first},{new * batched[1]}{second}->{new}{result}")


def unused_index(taken: str) -> str:
    """A letter that names no index yet."""
    for k in ascii_letters:
        if k not in taken:
            return k
    raise UnsupportedError("einsum: more than 52 different indices; there are no more letters to name them")


def _einsum_samples() -> list[Sample]:
    cases = [
        ("ij,jk->ik", (2, 3), (3, 4)), ("i,i->", (3,), (3,)), ("i,j->ji", (2,), (3,)), ("ij,ij->i", (2, 3), (2, 3)),
        ("ij,ij->ji", (2, 3), (2, 3)), ("bij,kjb->ibk", (2, 3, 4), (2, 4, 2)), ("ij,ij->", (2, 3), (2, 3)),
        ("ij,j->i", (2, 0), (0,)), (",i->i", (), (2,)), (",->", (), ()),
    ]  # fmt: skip
    samples = [Sample(arrays(a, b), {"subscripts": s}) for s, a, b in cases]
    a, b, c, d = arrays((2, 3), (2, 3), (3, 2), (3, 2))
    samples.append(Sample((a + 1j * b, c - 1j * d), {"subscripts": "ij,jk->ki"}))
    return [*samples, Sample((a, c - 1j * d), {"subscripts": "ij,jk->k" + "i"})]


einsum = register(Op(
    "einsum", _einsum, _einsum_infer,
    vjp=(_einsum_vjp_left, _einsum_vjp_right), linear=True, batch=_einsum_batch, lower=Expand(_einsum_of_ops),
    words=Words("y = einsum(a, b)", "dE/da = einsum(g, b), dE/db = einsum(a, g)",
                "A product summed over the indices that the result lacks; each factor's gradient is such a product "
                "of the upstream gradient and the other factor.",
                "添字に沿った積和。各因子の勾配は、上流の勾配と相手の因子との同じ形の積和になる。"),
    samples=_einsum_samples,
    refuses=lambda: [
        Refusal(arrays((2, 3), (4, 5)), {"subscripts": "ij,jk->ik"}, ShapeError, "index 'j'"),
        Refusal(arrays((2, 3), (4,)), {"subscripts": "ij,jk->ik"}, ShapeError, "needs 2 axes"),
    ],
))  # fmt: skip


# convolve


def _windows(a: Any, length: int) -> Any:
    return np.lib.stride_tricks.sliding_window_view(a, length, axis=-1)


def _convolve(a: Any, v: Any, *, mode: str) -> Any:
    if a.ndim == v.ndim == 1:
        return np.convolve(a, v, mode)  # type: ignore[call-overload]
    if not (np.isfinite(a).all() and np.isfinite(v).all()):  # zeros around would spread what is not finite
        return np.vectorize(lambda a, v: _convolve(a, v, mode=mode), signature="(n),(m)->(k)")(a, v)
    if mode == "full":
        around = v.shape[-1] - 1
        a = np.pad(a, [(0, 0)] * (a.ndim - 1) + [(around, around)])
    return (_windows(a, v.shape[-1]) @ v[..., ::-1, None])[..., 0]


def _convolve_of_ops(a: Any, v: Any, *, mode: str) -> Any:
    if mode == "full" and shape_of(a)[-1] < shape_of(v)[-1]:
        a, v = v, a
    *stack, length = shape_of(v)
    turned = reshape(flip(v, axis=(len(stack),)), shape=(*stack, 1, length))
    inner = _folded(_slid(a, length) * turned)
    around = length - 1
    if mode == "valid" or not around:
        return inner
    # Only what overlaps counts at the ends: zeros there, times NaN, would not be zero.
    no, n = ((0, 0),) * (ndim_of(a) - 1), shape_of(a)[-1]
    before = _slid(pad(getitem(a, pattern=(..., slice(0, around))), width=(*no, (around, 0))), length) * turned
    after = _slid(pad(getitem(a, pattern=(..., slice(n - around, n))), width=(*no, (0, around))), length) * turned
    zero = np.zeros((), before.dtype)[()]
    before = where(_distance(before) >= around, before, zero)
    after = where(_distance(after) < around, after, zero)
    return concatenate(_folded(before), inner, _folded(after), axis=ndim_of(inner) - 1)


def _slid(a: Any, length: int) -> Any:
    return sliding_windows(a, kernel=(length,), stride=(1,))


def _folded(windows: Any) -> Any:
    return _summed(windows, (ndim_of(windows) - 1,))


def _distance(windows: Any) -> Any:
    """How far from the first element of the first window each one lies."""
    return places(windows, axis=ndim_of(windows) - 2) + places(windows, axis=ndim_of(windows) - 1)


def _convolve_infer(a: Type, v: Type, *, mode: str) -> Type:
    if a.ndim == 0 or v.ndim == 0 or 0 in (a.shape[-1], v.shape[-1]):
        raise ShapeError(f"convolve: expected two arrays that are not empty, got shapes {a.shape} and {v.shape}")
    n, m = a.shape[-1], v.shape[-1]
    if mode == "valid" and n < m:
        raise ShapeError(f"convolve: expected the first array to be the longer one, got lengths {n} and {m}")
    try:
        stack = np.broadcast_shapes(a.shape[:-1], v.shape[:-1])
    except ValueError:
        raise ShapeError(f"convolve: expected leading axes that broadcast, got {a.shape} and {v.shape}") from None
    return Type((*stack, n + m - 1 if mode == "full" else n - m + 1), np.result_type(a.dtype, v.dtype))


def _reversed(x: Any) -> Any:
    return conjugated(flip(x, axis=(x.ndim - 1,)))


def _convolve_vjp_signal(g: Any, y: Any, a: Any, v: Any, *, mode: str) -> Any:
    return convolve(g, _reversed(v), mode="valid" if mode == "full" else "full")


def _convolve_vjp_kernel(g: Any, y: Any, a: Any, v: Any, *, mode: str) -> Any:
    if mode == "full":
        return convolve(g, _reversed(a), mode="valid")
    return flip(convolve(conjugated(a), flip(g, axis=(g.ndim - 1,)), mode="valid"), axis=(g.ndim - 1,))


def _convolve_batch(op: Op, size: int, batched: Sequence[bool], a: Any, v: Any, *, mode: str) -> Any:
    rank = max(ndim_of(a) - batched[0], ndim_of(v) - batched[1])
    aligned = [
        reshape(x, shape=(size, *(1,) * (rank - ndim_of(x) + 1), *shape_of(x)[1:])) if on else x
        for x, on in zip((a, v), batched)
    ]
    return op(*aligned, mode=mode)


def _convolve_samples() -> list[Sample]:
    a, b, c, d = arrays((5,), (5,), (3,), (3,))
    pairs = [(a, c), (arrays((2, 4))[0], c[:2]), (arrays((2, 1, 4))[0], arrays((3, 2))[0]), (a + 1j * b, c - 1j * d)]
    return [Sample(pair, {"mode": mode}) for pair in pairs for mode in ("full", "valid")]


convolve = register(Op(
    "convolve", _convolve, _convolve_infer,
    vjp=(_convolve_vjp_signal, _convolve_vjp_kernel), linear=True, batch=_convolve_batch,
    lower=Expand(_convolve_of_ops),
    words=Words("y[n] = sum_m a[n + s - m] v[m], s = 0 if mode == full else length(v) - 1",
                "dE/da[n] = sum_m g[n - s + m] v[m], dE/dv[m] = sum_n g[n] a[n + s - m]",
                "A convolution along the last axis; the gradient of each factor is a correlation with the other.",
                "最後の軸に沿った畳み込み。各因子の勾配は、上流の勾配と相手との相関になる。", symbols=("a", "v")),
    samples=_convolve_samples,
    refuses=lambda: [Refusal(arrays((0,), (2,)), {"mode": "full"}, ShapeError, "not empty"),
                     Refusal(arrays((2,), (3,)), {"mode": "valid"}, ShapeError, "the longer one")],
))  # fmt: skip
