"""Initializers: how a parameter's first value is drawn.

Each function here returns an initializer: a callable ``(key, shape, dtype) -> array``, where the key is the
pair of words that `koubai.ops.random.key_of` makes of the model's seed and the parameter's path. Any
callable of this form can be given to `Parameter`. A weight matrix has shape (inputs, outputs); for other
layouts name the axes with `in_axis` and `out_axis`.

Examples
--------
>>> import koubai as kb
>>> kb.nn.Linear(3, 2, weight_init=kb.nn.init.xavier_normal()).weight.shape
(3, 2)
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from koubai.errors import UsageError
from koubai.nn.initializers import (
    Constant,
    Identity,
    Mode,
    Normal,
    Orthogonal,
    Scaled,
    Sparse,
    TruncatedNormal,
    Uniform,
)
from koubai.ops.random import Key

__all__ = [
    "Initializer",
    "constant",
    "gain",
    "identity",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "orthogonal",
    "sparse",
    "truncated_normal",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

Initializer = Callable[[Key, tuple[int, ...], np.dtype[Any]], Any]

_GAINS = {"linear": 1.0, "identity": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3.0, "relu": sqrt(2.0), "selu": 0.75}


def gain(nonlinearity: str, slope: float = 0.01) -> float:
    """The factor that keeps the variance through a layer followed by this activation.

    Parameters
    ----------
    nonlinearity : {"linear", "identity", "sigmoid", "tanh", "relu", "leaky_relu", "selu"}
    slope : float
        Of the negative side of leaky_relu: the gain is sqrt(2 / (1 + slope**2)) (He et al. 2015).

    Examples
    --------
    >>> gain("relu") == 2**0.5
    True
    """
    if nonlinearity == "leaky_relu":
        return sqrt(2.0 / (1.0 + slope * slope))
    if nonlinearity not in _GAINS:
        known = ", ".join(sorted([*_GAINS, "leaky_relu"]))
        raise UsageError(f"gain: unknown nonlinearity {nonlinearity!r}; choose one of {known}")
    return _GAINS[nonlinearity]


def constant(value: float) -> Initializer:
    """`value` everywhere.

    Examples
    --------
    >>> constant(0.5)((0, 0), (2,), np.dtype(float))
    array([0.5, 0.5])
    """
    return Constant(value)


def zeros() -> Initializer:
    """0 everywhere. For biases; in weights of a hidden layer all units would stay equal.

    Examples
    --------
    >>> zeros()((0, 0), (2,), np.dtype(float))
    array([0., 0.])
    """
    return Constant(0.0)


def ones() -> Initializer:
    """1 everywhere.

    Examples
    --------
    >>> ones()((0, 0), (2,), np.dtype(float))
    array([1., 1.])
    """
    return Constant(1.0)


def uniform(low: float = 0.0, high: float = 1.0) -> Initializer:
    """Uniform from `low` up to, but not including, `high`.

    Parameters
    ----------
    low, high : float
        The bounds.

    Examples
    --------
    >>> bool(uniform(-1.0, 1.0)((0, 0), (100,), np.dtype(float)).max() < 1.0)
    True
    """
    if not high >= low:
        raise UsageError(f"uniform: expected low <= high, got {low} and {high}")
    return Uniform(low, high)


def normal(mean: float = 0.0, std: float = 1.0) -> Initializer:
    """Normally distributed with this mean and standard deviation.

    Parameters
    ----------
    mean : float
    std : float
        Not negative.

    Examples
    --------
    >>> normal(3.0, std=0.0)((0, 0), (2,), np.dtype(float))
    array([3., 3.])
    """
    return Normal(mean, _not_negative("normal", std))


def truncated_normal(mean: float = 0.0, std: float = 1.0, low: float = -2.0, high: float = 2.0) -> Initializer:
    """Normally distributed, but only between `low` and `high` (these are values, not deviations).

    Parameters
    ----------
    mean : float
    std : float
        Not negative; of the distribution before it is truncated.
    low, high : float
        The bounds.

    Raises
    ------
    UsageError
        If hardly any number would fall between the bounds.

    Examples
    --------
    >>> bool(truncated_normal(high=0.0)((0, 0), (100,), np.dtype(float)).max() <= 0.0)
    True
    """
    _not_negative("truncated_normal", std)
    if not low < high or low > mean + 4 * std or high < mean - 4 * std:
        raise UsageError(
            f"truncated_normal: expected low < high within 4 standard deviations of the mean, "
            f"got mean {mean}, std {std}, low {low}, high {high}"
        )
    return TruncatedNormal(mean, std, low, high)


def xavier_uniform(gain: float = 1.0, in_axis: int = 0, out_axis: int = 1) -> Initializer:
    """Uniform on ±gain sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010).

    Parameters
    ----------
    gain : float
        See `gain`.
    in_axis, out_axis : int
        The axes of the inputs and of the outputs; others, a kernel's, count in both.

    Examples
    --------
    >>> bool(abs(xavier_uniform()((0, 0), (3, 3), np.dtype(float))).max() <= 1.0)
    True
    """
    return Scaled(False, gain, "fan_avg", in_axis, out_axis)


def xavier_normal(gain: float = 1.0, in_axis: int = 0, out_axis: int = 1) -> Initializer:
    """Normal with standard deviation gain sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010).

    Parameters
    ----------
    gain : float
        See `gain`.
    in_axis, out_axis : int
        The axes of the inputs and of the outputs; others, a kernel's, count in both.

    Examples
    --------
    >>> round(float(xavier_normal()((0, 0), (500, 500), np.dtype(float)).std() * 500**0.5), 1)
    1.0
    """
    return Scaled(True, gain, "fan_avg", in_axis, out_axis)


def kaiming_uniform(
    slope: float = 0.0,
    mode: Mode = "fan_in",
    nonlinearity: str = "leaky_relu",
    in_axis: int = 0,
    out_axis: int = 1,
) -> Initializer:
    """Uniform on ±gain sqrt(3 / fan), for rectifiers (He et al. 2015).

    Parameters
    ----------
    slope : float
        Of the leaky rectifier's negative side.
    mode : {"fan_in", "fan_out", "fan_avg"}
        Whether to keep the variance forward, backward, or between the two.
    nonlinearity : str
        See `gain`.
    """
    return Scaled(False, gain(nonlinearity, slope), _mode(mode), in_axis, out_axis)


def kaiming_normal(
    slope: float = 0.0,
    mode: Mode = "fan_in",
    nonlinearity: str = "leaky_relu",
    in_axis: int = 0,
    out_axis: int = 1,
) -> Initializer:
    """Normal with standard deviation gain / sqrt(fan). See `kaiming_uniform`.

    Parameters
    ----------
    slope : float
        Of the leaky rectifier's negative side.
    mode : {"fan_in", "fan_out", "fan_avg"}
        Whether to keep the variance forward, backward, or between the two.
    nonlinearity : str
        See `gain`.
    in_axis, out_axis : int
        The axes of the inputs and of the outputs; others, a kernel's, count in both.

    Examples
    --------
    >>> round(float(kaiming_normal()((0, 0), (500, 500), np.dtype(float)).var() * 500), 1)
    2.0
    """
    return Scaled(True, gain(nonlinearity, slope), _mode(mode), in_axis, out_axis)


def lecun_uniform(in_axis: int = 0, out_axis: int = 1) -> Initializer:
    """Uniform on ±sqrt(3 / fan_in) (LeCun et al. 1998); for SELU networks too (Klambauer et al. 2017).

    Parameters
    ----------
    in_axis, out_axis : int
        The axes of the inputs and of the outputs; others, a kernel's, count in both.

    Examples
    --------
    >>> bool(abs(lecun_uniform()((0, 0), (3, 3), np.dtype(float))).max() <= 1.0)
    True
    """
    return Scaled(False, 1.0, "fan_in", in_axis, out_axis)


def lecun_normal(in_axis: int = 0, out_axis: int = 1) -> Initializer:
    """Normal with standard deviation sqrt(1 / fan_in). See `lecun_uniform`.

    Parameters
    ----------
    in_axis, out_axis : int
        The axes of the inputs and of the outputs; others, a kernel's, count in both.

    Examples
    --------
    >>> round(float(lecun_normal()((0, 0), (500, 500), np.dtype(float)).var() * 500), 1)
    1.0
    """
    return Scaled(True, 1.0, "fan_in", in_axis, out_axis)


def orthogonal(gain: float = 1.0) -> Initializer:
    """A random matrix with orthonormal rows or columns, times gain (Saxe et al. 2014).

    The first axis stays, all others are taken as one.

    Examples
    --------
    >>> q = orthogonal()((0, 0), (4, 2), np.dtype(float))
    >>> bool(np.allclose(q.T @ q, np.eye(2)))
    True
    """
    return Orthogonal(gain)


def identity(gain: float = 1.0) -> Initializer:
    """The identity matrix times gain.

    Examples
    --------
    >>> identity(2.0)((0, 0), (2, 2), np.dtype(float))
    array([[2., 0.],
           [0., 2.]])
    """
    return Identity(gain)


def sparse(sparsity: float, std: float = 0.01) -> Initializer:
    """Normal with `std`, but the share `sparsity` of each column, rounded up, is 0 (Martens 2010).

    Parameters
    ----------
    sparsity : float
        From 0 to 1.
    std : float
        Not negative.

    Examples
    --------
    >>> (sparse(0.5)((0, 0), (4, 3), np.dtype(float)) == 0).sum(axis=0)
    array([2, 2, 2])
    """
    if not 0.0 <= sparsity <= 1.0:
        raise UsageError(f"sparse: expected a share from 0 to 1, got {sparsity}")
    return Sparse(sparsity, _not_negative("sparse", std))


def _not_negative(name: str, std: float) -> float:
    if not std >= 0:
        raise UsageError(f"{name}: expected a standard deviation that is not negative, got {std}")
    return std


def _mode(mode: Mode) -> Mode:
    if mode not in ("fan_in", "fan_out", "fan_avg"):
        raise UsageError(f"kaiming: expected mode 'fan_in', 'fan_out' or 'fan_avg', got {mode!r}")
    return mode
