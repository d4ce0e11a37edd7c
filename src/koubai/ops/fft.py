"""Discrete Fourier transforms.

All are linear, so forward mode transforms the tangent, and the gradient goes through the adjoint: of the
matrix F with entries exp(-2 pi i j k / n) it is F^H, n times the inverse transform. `norm` says where NumPy
puts the factor 1/n; the adjoint has it on the other side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from koubai.errors import DTypeError, ShapeError
from koubai.graph import Op, Refusal, Sample, Type, Words, register
from koubai.ops.define import arrays, dtype_by_example

__all__ = ["fft", "ifft", "irfft", "rfft"]

ADJOINT_NORM = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def _check_length(name: str, shape: tuple[int, ...], axes: Sequence[int]) -> None:
    for axis in axes:
        if shape[axis] < 1:
            raise ShapeError(f"{name}: expected at least one element along axis {axis}, got shape {shape}")


def _complex_transform(name: str, forward: Callable[..., Any], adjoint: Callable[[], Op], words: Words) -> Op:
    """A transform ``(x, axes, norm)`` of complex numbers, over several axes."""

    def infer(x: Type, *, axes: tuple[int, ...], norm: str) -> Type:
        _check_length(name, x.shape, axes)
        return Type(x.shape, dtype_by_example(name, np.fft.fft, [np.ones(1, x.dtype)]))

    def batch(op: Op, size: int, batched: Sequence[bool], x: Any, *, axes: tuple[int, ...], norm: str) -> Any:
        return op(x, axes=tuple(i + 1 for i in axes), norm=norm)

    def samples() -> list[Sample]:
        a, b = arrays((4,), (4,))
        (c,) = arrays((3, 2))
        return [
            Sample((a + 1j * b,), {"axes": (0,), "norm": "backward"}),
            Sample((c,), {"axes": (0,), "norm": "ortho"}),
            Sample((c + 1j * c[::-1],), {"axes": (0, 1), "norm": "forward"}),
        ]

    return register(Op(
        name, lambda x, *, axes, norm: forward(x, axes=axes, norm=norm), infer, words, linear=True, batch=batch,
        vjp=(lambda g, y, x, *, axes, norm: adjoint()(g, axes=axes, norm=ADJOINT_NORM[norm]),),
        samples=samples,
        refuses=lambda: [Refusal(arrays((0, 2)), {"axes": (0,), "norm": "ortho"}, ShapeError, "at least one element")],
    ))  # fmt: skip


fft = _complex_transform(
    "fft", np.fft.fftn, lambda: ifft,
    Words("y[k] = c sum_j x[j] e^(-2 pi i j k/n), c = 1 if norm == backward else 1/n if norm == forward else 1/sqrt(n)",
          "dE/dx[j] = c sum_k g[k] e^(2 pi i j k/n)",
          "The discrete Fourier transform; the gradient goes back through the inverse transform, unscaled.",
          "離散フーリエ変換。勾配はスケーリングなしの逆変換で戻る。", symbols=("x",)),
)  # fmt: skip
ifft = _complex_transform(
    "ifft", np.fft.ifftn, lambda: fft,
    Words("y[j] = c sum_k x[k] e^(2 pi i j k/n), c = 1 if norm == forward else 1/n if norm == backward else 1/sqrt(n)",
          "dE/dx[k] = c sum_j g[j] e^(-2 pi i j k/n)",
          "The inverse discrete Fourier transform; the gradient goes back through the transform divided by n.",
          "逆離散フーリエ変換。勾配は 1/n 倍の順変換で戻る。", symbols=("x",)),
)  # fmt: skip


def _weights(n: int, axis: int, ndim: int, ends: float, inner: float, dtype: Any) -> Any:
    """One weight a frequency of a real signal of length n: `inner` for those that stand for a conjugate too."""
    w = np.full(n // 2 + 1, inner, dtype)
    w[0] = ends
    if n % 2 == 0:
        w[-1] = ends
    return w.reshape((-1,) + (1,) * (ndim - 1 - axis))


def _real_dtype(x: Any) -> Any:
    return np.finfo(x.dtype).dtype if x.dtype.kind in "fc" else np.dtype(np.float64)


def _rfft_infer(x: Type, *, axis: int, norm: str) -> Type:
    if x.dtype.kind == "c":
        raise DTypeError(f"rfft: expected real numbers, got {x.dtype}; use fft")
    _check_length("rfft", x.shape, (axis,))
    shape = (*x.shape[:axis], x.shape[axis] // 2 + 1, *x.shape[axis + 1 :])
    return Type(shape, dtype_by_example("rfft", np.fft.rfft, [np.ones(1, x.dtype)]))


def _rfft_vjp(g: Any, y: Any, x: Any, *, axis: int, norm: str) -> Any:
    # irfft counts each inner frequency twice, for its conjugate; the gradient of one half wants it once.
    n = x.shape[axis]
    return irfft(g * _weights(n, axis, g.ndim, 1.0, 0.5, _real_dtype(g)), n=n, axis=axis, norm=ADJOINT_NORM[norm])


def _irfft_infer(x: Type, *, n: int, axis: int, norm: str) -> Type:
    if n < 1 or x.shape[axis] != n // 2 + 1:
        raise ShapeError(
            f"irfft: a real signal of length {n} has {n // 2 + 1} frequencies, but axis {axis} of shape {x.shape} "
            f"has {x.shape[axis]}"
        )
    shape = (*x.shape[:axis], n, *x.shape[axis + 1 :])
    return Type(shape, dtype_by_example("irfft", lambda v: np.fft.irfft(v, 1), [np.ones(1, x.dtype)]))


def _irfft_vjp(g: Any, y: Any, x: Any, *, n: int, axis: int, norm: str) -> Any:
    return rfft(g, axis=axis, norm=ADJOINT_NORM[norm]) * _weights(n, axis, g.ndim, 1.0, 2.0, _real_dtype(g))


def _half_samples(**params: Any) -> Callable[[], list[Sample]]:
    return lambda: [
        Sample(arrays((4,)), {"axis": 0, "norm": "backward", **dict.fromkeys(params, 6)}),
        Sample(arrays((3, 2)), {"axis": 0, "norm": "forward", **dict.fromkeys(params, 5)}),
        Sample(arrays((2, 3)), {"axis": 1, "norm": "ortho", **dict.fromkeys(params, 4)}),
    ]


rfft = register(Op(
    "rfft", lambda x, *, axis, norm: np.fft.rfft(x, axis=axis, norm=norm), _rfft_infer,
    vjp=(_rfft_vjp,), linear=True,
    batch=lambda op, size, batched, x, *, axis, norm: op(x, axis=axis + 1, norm=norm),
    words=Words("y[k] = c sum_j x[j] e^(-2 pi i j k/n), "
                "c = 1 if norm == backward else 1/n if norm == forward else 1/sqrt(n)",
                "dE/dx[j] = c Re(sum_k g[k] e^(2 pi i j k/n))",
                "The Fourier transform of real numbers: the half of the frequencies that says all.",
                "実数列のフーリエ変換。独立な半分の周波数だけを返す。", symbols=("x",)),
    samples=_half_samples(),
    refuses=lambda: [Refusal((np.ones(2, complex),), {"axis": 0, "norm": "ortho"}, DTypeError, "expected real"),
                     Refusal((np.ones(0),), {"axis": 0, "norm": "ortho"}, ShapeError, "at least one element")],
))  # fmt: skip
irfft = register(Op(
    "irfft", lambda x, *, n, axis, norm: np.fft.irfft(x, n=n, axis=axis, norm=norm), _irfft_infer,
    vjp=(_irfft_vjp,), linear=True,
    batch=lambda op, size, batched, x, *, n, axis, norm: op(x, n=n, axis=axis + 1, norm=norm),
    words=Words("y[j] = c Re(sum_k u[k] x[k] e^(2 pi i j k/n)), u[k] = 1 if k == 0 or 2 k == n else 2, "
                "c = 1 if norm == forward else 1/n if norm == backward else 1/sqrt(n)",
                "dE/dx[k] = c u[k] sum_j g[j] e^(-2 pi i j k/n)",
                "Real numbers from half of their frequencies, the other half being the conjugate.",
                "半分の周波数から実数列を復元する逆変換。残り半分は複素共役とみなす。", symbols=("x",)),
    samples=lambda: [Sample((s.args[0] + 1j * s.args[0] ** 2,), s.params) for s in _half_samples(n=None)()]
    + [Sample(arrays((3,)), {"n": 4, "axis": 0, "norm": "backward"})],
    refuses=lambda: [Refusal((np.ones(3),), {"n": 8, "axis": 0, "norm": "ortho"}, ShapeError, "has 5 frequencies")],
))  # fmt: skip
