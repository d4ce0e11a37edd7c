"""Products of matrices, and of arrays by index: the work horses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from koubai.errors import ShapeError
from koubai.graph import Op, Refusal, Sample, Type, Words, register
from koubai.ops.define import arrays, conjugated, ndim_of
from koubai.ops.lowering import Product
from koubai.ops.shape import reshape, transpose


def swapped(x: Any) -> Any:
    """The last two axes exchanged."""
    n = ndim_of(x)
    return transpose(x, axes=(*range(n - 2), n - 1, n - 2))


def adjoint(x: Any) -> Any:
    """The conjugate transpose of the matrices in the last two axes."""
    return conjugated(swapped(x))


def _matmul_infer(a: Type, b: Type) -> Type:
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise ShapeError(f"matmul: expected (..., n, k) and (..., k, m) with the same k, got {a.shape} and {b.shape}")
    try:
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ShapeError(
            f"matmul: expected leading axes that broadcast, got {a.shape[:-2]} and {b.shape[:-2]}"
        ) from None
    return Type((*stack, a.shape[-2], b.shape[-1]), np.result_type(a.dtype, b.dtype))


def _matmul_batch(op: Op, size: int, batched: Sequence[bool], a: Any, b: Any) -> Any:
    rank = max(ndim_of(a) - batched[0], ndim_of(b) - batched[1])
    if batched == (True, False) and ndim_of(a) == 3 and ndim_of(b) == 2:
        # One tall product instead of a stack of small ones.
        y = op(reshape(a, shape=(a.shape[0] * a.shape[1], a.shape[2])), b)
        return reshape(y, shape=(a.shape[0], a.shape[1], b.shape[1]))
    aligned = [
        reshape(x, shape=(size, *(1,) * (rank - ndim_of(x) + 1), *x.shape[1:])) if on else x
        for x, on in zip((a, b), batched)
    ]
    return op(*aligned)


def _matmul_samples() -> list[Sample]:
    shapes = [((2, 3), (3, 4)), ((2, 2, 3), (3, 2)), ((2, 1, 1, 3), (3, 3, 2)), ((0, 3), (3, 2)), ((2, 0), (0, 3))]
    a, b, c, d = arrays((2, 3), (2, 3), (3, 2), (3, 2))
    return [Sample(arrays(*pair)) for pair in shapes] + [Sample((a + 1j * b, c - 1j * d)), Sample((a, c - 1j * d))]


matmul = register(Op(
    "matmul", np.matmul, _matmul_infer,
    vjp=(lambda g, y, a, b: matmul(g, adjoint(b)), lambda g, y, a, b: matmul(adjoint(a), g)),
    linear=True, batch=_matmul_batch, lower=Product(),
    words=Words("Y = A B", "dE/dA = G B^T, dE/dB = A^T G",
                "A matrix product: each factor's gradient is the upstream gradient times the other, transposed.",
                "行列積。各行列の勾配は、上流の勾配に相手の転置を掛けたもの。"),
    samples=_matmul_samples,
    refuses=lambda: [Refusal(arrays((2, 3), (4, 5)), {}, ShapeError, "with the same k"),
                     Refusal(arrays((2, 2, 3), (3, 3, 2)), {}, ShapeError, "leading axes")],
))  # fmt: skip
