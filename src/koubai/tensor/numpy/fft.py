"""Discrete Fourier transforms under NumPy's names: `koubai.numpy.fft`.

Where a length is given, the axis is cut or filled up with zeros first, as NumPy does; the gradient of what was
cut away is zero. `norm` is one of "backward" (the inverse is divided by n), "ortho" and "forward".

Examples
--------
>>> import koubai as kb
>>> power = lambda x: (abs(kb.numpy.fft.rfft(x)) ** 2).sum()
>>> kb.grad(power)(np.array([1.0, 0.0, 0.0, 0.0]))
array([6., 0., 2., 0.])
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np
from numpy.fft import fftfreq, rfftfreq

from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.ops import fft as f
from koubai.ops import shape as s
from koubai.ops.define import conjugated
from koubai.ops.index import getitem
from koubai.tensor.numpy.arguments import arrayed, one_axis, refuse

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft", "irfft",
    "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip

Axes = tuple[int, ...]


def _norm(name: str, norm: Any) -> str:
    if norm is None:
        return "backward"
    if norm not in f.ADJOINT_NORM:
        raise UsageError(f'{name}: expected norm to be "backward", "ortho" or "forward", got {norm!r}')
    return str(norm)


def _array(name: str, a: Any, out: Any) -> Any:
    refuse(name, out=out)
    a = arrayed(a)
    if not a.ndim:
        raise ShapeError(f"{name}: expected an array with at least one axis, got a number")
    return a


def _axes_and_lengths(name: str, x: Any, lengths: Any, axes: Any) -> tuple[Axes, list[int | None]]:
    """The axes, and for each the length asked for, if any."""
    if axes is None:
        axes = range(x.ndim) if lengths is None else range(x.ndim - len(lengths), x.ndim)
    found = tuple(one_axis(name, axis, x.ndim) for axis in axes)
    given = lengths if lengths is not None else [None] * len(found)
    if len(given) != len(found):
        raise ShapeError(f"{name}: s has {len(given)} lengths for {len(found)} axes")
    wanted = [None if n is None else x.shape[axis] if n == -1 else index(n) for n, axis in zip(given, found)]
    for n in wanted:
        if n is not None and n < 1:
            raise ShapeError(f"{name}: expected lengths of at least 1, got {n}")
    return found, wanted


def _resized(x: Any, axis: int, n: int | None) -> Any:
    """`x` cut to n elements along the axis, or filled up with zeros."""
    have = x.shape[axis]
    if n is None or n == have:
        return x
    if n < have:
        return getitem(x, pattern=(slice(None),) * axis + (slice(n),))
    return s.pad(x, width=((0, 0),) * axis + ((0, n - have),) + ((0, 0),) * (x.ndim - axis - 1))


def _complex(name: str, op: Any, a: Any, lengths: Any, axes: Any, norm: Any, out: Any) -> Any:
    x = _array(name, a, out)
    found, wanted = _axes_and_lengths(name, x, lengths, axes)
    norm = _norm(name, norm)
    if not found:
        return x
    if len(set(found)) < len(found):
        # An axis that is named twice is transformed twice, the last one first.
        for axis, n in zip(reversed(found), reversed(wanted)):
            x = op(_resized(x, axis, n), axes=(axis,), norm=norm)
        return x
    for axis, n in zip(found, wanted):
        x = _resized(x, axis, n)
    return op(x, axes=found, norm=norm)


def _real(name: str, a: Any, lengths: Any, axes: Any, norm: Any, out: Any) -> Any:
    """The real transform of the last axis, then the complex one of the others."""
    x = _array(name, a, out)
    if x.dtype.kind == "c":
        raise DTypeError(f"{name}: expected real numbers, got {x.dtype}; use the transform without r")
    found, wanted = _axes_and_lengths(name, x, lengths, axes)
    _need_axis(name, found)
    norm = _norm(name, norm)
    y = f.rfft(_resized(x, found[-1], wanted[-1]), axis=found[-1], norm=norm)
    return _complex(name, f.fft, y, wanted[:-1], found[:-1], norm, None)


def _from_half(name: str, a: Any, lengths: Any, axes: Any, norm: Any, out: Any) -> Any:
    """The inverse complex transform of all axes but the last, then the one of the last that gives real numbers."""
    x = _array(name, a, out)
    found, wanted = _axes_and_lengths(name, x, lengths, axes)
    _need_axis(name, found)
    norm = _norm(name, norm)
    y = _complex(name, f.ifft, x, wanted[:-1], found[:-1], norm, None)
    n = wanted[-1]
    if n is None:
        n = 2 * (y.shape[found[-1]] - 1)
        if n < 1:
            raise ShapeError(f"{name}: axis {found[-1]} has a single frequency; say which length n to give back")
    return f.irfft(_resized(y, found[-1], n // 2 + 1), n=n, axis=found[-1], norm=norm)


def _need_axis(name: str, axes: Sequence[int]) -> None:
    if not axes:
        raise ShapeError(f"{name}: expected at least one axis to transform")


def _one(n: Any) -> Any:
    return None if n is None else (n,)


def fft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """Fourier transform along one axis, y_k = sum over j of x_j e^(-2 pi i j k/n). As `numpy.fft.fft`."""
    return _complex("fft", f.fft, a, _one(n), (axis,), norm, out)


def ifft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """Inverse of `fft`. As `numpy.fft.ifft`."""
    return _complex("ifft", f.ifft, a, _one(n), (axis,), norm, out)


def fftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """Fourier transform over several axes, all by default. As `numpy.fft.fftn`."""
    return _complex("fftn", f.fft, a, s, axes, norm, out)


def ifftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """Inverse of `fftn`. As `numpy.fft.ifftn`."""
    return _complex("ifftn", f.ifft, a, s, axes, norm, out)


def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """Fourier transform over two axes. As `numpy.fft.fft2`."""
    return _complex("fft2", f.fft, a, s, axes, norm, out)


def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """Inverse of `fft2`. As `numpy.fft.ifft2`."""
    return _complex("ifft2", f.ifft, a, s, axes, norm, out)


def rfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """Fourier transform of real numbers: the n // 2 + 1 frequencies that are not conjugates of others.

    As `numpy.fft.rfft`.
    """
    return _real("rfft", a, _one(n), (axis,), norm, out)


def irfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """Inverse of `rfft`; n is 2 (m - 1) by default, for m frequencies. As `numpy.fft.irfft`.

    The imaginary part of frequency 0 (and n/2) is ignored, so its gradient is zero.
    """
    return _from_half("irfft", a, _one(n), (axis,), norm, out)


def rfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """As `fftn`, of real numbers: half of the frequencies along the last axis. As `numpy.fft.rfftn`."""
    return _real("rfftn", a, s, axes, norm, out)


def irfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """Inverse of `rfftn`. As `numpy.fft.irfftn`."""
    return _from_half("irfftn", a, s, axes, norm, out)


def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """As `rfftn`, over two axes. As `numpy.fft.rfft2`."""
    return _real("rfft2", a, s, axes, norm, out)


def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """Inverse of `rfft2`. As `numpy.fft.irfft2`."""
    return _from_half("irfft2", a, s, axes, norm, out)


def hfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """Fourier transform of a signal with conjugate symmetry, given by its first half. As `numpy.fft.hfft`."""
    return irfft(conjugated(_array("hfft", a, out)), n, axis, f.ADJOINT_NORM[_norm("hfft", norm)])


def ihfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """Inverse of `hfft`. As `numpy.fft.ihfft`."""
    return conjugated(rfft(_array("ihfft", a, out), n, axis, f.ADJOINT_NORM[_norm("ihfft", norm)]))


def fftshift(x: Any, axes: Any = None) -> Any:
    """The frequency zero moved to the middle. As `numpy.fft.fftshift`."""
    return _shifted("fftshift", x, axes, lambda n: n // 2)


def ifftshift(x: Any, axes: Any = None) -> Any:
    """Inverse of `fftshift`. As `numpy.fft.ifftshift`."""
    return _shifted("ifftshift", x, axes, lambda n: -(n // 2))


def _shifted(name: str, x: Any, axes: Any, by: Any) -> Any:
    x = arrayed(x)
    if axes is None:
        axes = range(x.ndim)
    found = tuple(one_axis(name, axis, x.ndim) for axis in (axes if np.iterable(axes) else (axes,)))
    return s.roll(x, shift=tuple(by(x.shape[axis]) for axis in found), axis=found)
