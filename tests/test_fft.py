"""Fourier transforms: NumPy's values, gradients of first and second order, batching, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import koubai as kb
from koubai.errors import DTypeError, ShapeError, UnsupportedError, UsageError

knf = kb.numpy.fft
RNG = np.random.default_rng(3)


def signal(name: str, shape: tuple[int, ...]) -> Any:
    x = RNG.standard_normal(shape)
    return x if name.startswith(("r", "ih")) else x + 1j * RNG.standard_normal(shape)


CASES: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    *[(name, (2, 5), {"norm": norm}) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
      for norm in (None, "ortho", "forward")],
    *[(name, (4, 3), {"axis": 0, "n": n}) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
      for n in (2, 3, 5, 6, 8)],
    *[(name, (4, 5), {"norm": norm})
      for name in ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn")
      for norm in (None, "ortho", "forward")],
    *[(name, (3, 4, 5), {"s": (6, 3), "axes": (0, 2)})
      for name in ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn")],
    *[(name, (2, 3, 4), {"s": (4, -1), "axes": (2, 1)}) for name in ("fftn", "rfftn", "irfftn")],
    ("fftn", (3, 4), {"axes": (0, 1, 0)}),
    ("fftn", (3, 4), {"s": (5, 2), "axes": (0, 0)}),
    ("fftn", (3, 4), {"axes": ()}),
    ("fft", (1,), {}),
    ("rfft", (1,), {}),
    ("fftn", (0, 3), {"axes": (1,)}),
    *[(name, (4, 5), {"axes": axes}) for name in ("fftshift", "ifftshift") for axes in (None, 1, (0, 1))],
]  # fmt: skip


@pytest.mark.parametrize(("name", "shape", "kwargs"), CASES)
def test_transform(name: str, shape: tuple[int, ...], kwargs: dict[str, Any]) -> None:
    x = signal(name, shape)
    f = lambda v: getattr(knf, name)(v, **kwargs)
    reference = lambda v: getattr(np.fft, name)(v, **kwargs)
    np.testing.assert_allclose(f(x), reference(x), atol=1e-13)
    assert f(x).dtype == reference(x).dtype
    kb.check_grads(f, x, order=2)
    stack = np.stack([x, 2 * x, x * x])
    rows = kb.vmap(f)(stack)
    for row, v in zip(rows, stack):
        np.testing.assert_allclose(row, reference(v), atol=1e-12)


def test_single_precision_stays() -> None:
    x = kb.tensor(RNG.standard_normal(6), dtype=np.float32, requires_grad=True)
    y = knf.irfft(knf.rfft(x))
    assert y.dtype == np.float32
    y.sum().backward()
    np.testing.assert_allclose(x.grad, np.ones(6), rtol=1e-6)


def test_real_input_of_a_complex_transform() -> None:
    kb.check_grads(knf.fft, RNG.standard_normal(5), order=2)
    kb.check_grads(knf.irfft, RNG.standard_normal(4), order=2)


def test_frequencies_are_numpys() -> None:
    np.testing.assert_array_equal(knf.fftfreq(5, 0.5), np.fft.fftfreq(5, 0.5))
    np.testing.assert_array_equal(knf.rfftfreq(6), np.fft.rfftfreq(6))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: knf.fft(np.ones(3), norm="both"), UsageError, "norm"),
        (lambda: knf.fft(np.ones(3), axis=1), ShapeError, "axis 1"),
        (lambda: knf.fft(np.ones(3), n=0), ShapeError, "at least 1"),
        (lambda: knf.fft(kb.tensor(np.ones(0))), ShapeError, "at least one element"),
        (lambda: knf.fft(2.0), ShapeError, "got a number"),
        (lambda: knf.fftn(np.ones((2, 3)), s=(2,), axes=(0, 1)), ShapeError, "1 lengths for 2 axes"),
        (lambda: knf.rfft(np.ones(3, complex)), DTypeError, "expected real"),
        (lambda: knf.rfftn(np.ones(3), axes=()), ShapeError, "at least one axis"),
        (lambda: knf.irfft(np.ones(1)), ShapeError, "which length"),
        (lambda: knf.fft(np.ones(3), out=np.ones(3, complex)), UnsupportedError, "out="),
    ],
)
def test_refusals(call: Any, error: Any, says: str) -> None:
    with pytest.raises(error, match=says):
        call()
