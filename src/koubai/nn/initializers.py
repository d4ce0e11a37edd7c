"""The kinds of initializers: callables ``(key, shape, dtype) -> array`` that are plain data.

They can be compared, printed and pickled; `koubai.nn.init` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod, sqrt
from typing import Any, Literal

import numpy as np

from koubai.errors import ShapeError
from koubai.ops import random
from koubai.ops.random import Key

Array = np.ndarray[Any, Any]
Mode = Literal["fan_in", "fan_out", "fan_avg"]


@dataclass(frozen=True)
class Constant:
    """The same value everywhere."""

    value: float

    def __call__(self, key: Key, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        return np.full(shape, self.value, dtype)


@dataclass(frozen=True)
class Uniform:
    """Uniform between two bounds."""

    low: float
    high: float

    def __call__(self, key: Key, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        unit = np.asarray(random.uniform(key, shape, dtype))
        result: Array = unit * dtype.type(self.high - self.low) + dtype.type(self.low)
        return result


@dataclass(frozen=True)
class Normal:
    """Normally distributed."""

    mean: float
    std: float

    def __call__(self, key: Key, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        unit = np.asarray(random.normal(key, shape, dtype))
        result: Array = unit * dtype.type(self.std) + dtype.type(self.mean)
        return result


@dataclass(frozen=True)
class TruncatedNormal:
    """Normally distributed, drawn again until within the bounds."""

    mean: float
    std: float
    low: float
    high: float

    def __call__(self, key: Key, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        result = np.full(shape, np.nan, dtype)
        missing = ~np.isfinite(result)
        stream = 0
        while missing.any():
            unit = np.asarray(random.normal(key, shape, dtype, stream))
            result = np.where(missing, unit * dtype.type(self.std) + dtype.type(self.mean), result)
            missing = missing & ((result < self.low) | (result > self.high))
            stream += 1
        return result


@dataclass(frozen=True)
class Scaled:
    """Uniform or normal with the standard deviation gain / sqrt(fan)."""

    normal: bool
    gain: float
    mode: Mode
    in_axis: int
    out_axis: int

    def __call__(self, key: Key, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        inputs, outputs = fans(shape, self.in_axis, self.out_axis)
        fan = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2.0}[self.mode]
        std = self.gain / sqrt(fan) if fan else 0.0
        if self.normal:
            return Normal(0.0, std)(key, shape, dtype)
        return Uniform(-sqrt(3.0) * std, sqrt(3.0) * std)(key, shape, dtype)


@dataclass(frozen=True)
class Orthogonal:
    """Orthonormal rows or columns, times the gain."""

    gain: float

    def __call__(self, key: Key, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        if len(shape) < 2:
            raise ShapeError(f"orthogonal: expected a shape with at least two axes, got {shape}")
        rows, columns = shape[0], prod(shape[1:])
        square = random.normal(key, (max(rows, columns), min(rows, columns)), np.float64)
        q, r = np.linalg.qr(square)
        # R's diagonal is made positive: only then is Q uniform over the orthogonal matrices (Mezzadri 2007).
        q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
        return (self.gain * (q if rows >= columns else q.T)).reshape(shape).astype(dtype)


@dataclass(frozen=True)
class Identity:
    """The identity matrix, times the gain."""

    gain: float

    def __call__(self, key: Key, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        if len(shape) != 2:
            raise ShapeError(f"identity: expected the shape of a matrix, got {shape}")
        return self.gain * np.eye(*shape, dtype=dtype)


@dataclass(frozen=True)
class Sparse:
    """Normally distributed, with a fixed share of each column zero."""

    sparsity: float
    std: float

    def __call__(self, key: Key, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        if len(shape) != 2:
            raise ShapeError(f"sparse: expected the shape of a matrix, got {shape}")
        lots = np.asarray(random.uniform(key, shape, np.float64, stream=1))
        order = np.argsort(lots, axis=0, kind="stable")
        zeros = int(np.ceil(self.sparsity * shape[0]))
        result = Normal(0.0, self.std)(key, shape, dtype)
        np.put_along_axis(result, order[:zeros], 0.0, axis=0)
        return result


def fans(shape: tuple[int, ...], in_axis: int = 0, out_axis: int = 1) -> tuple[int, int]:
    """How many inputs an output has, and how many outputs an input; other axes (a kernel's) count in both.

    Examples
    --------
    >>> fans((64, 32)), fans((8, 3, 5, 5), in_axis=1, out_axis=0)
    ((64, 32), (75, 200))
    """
    if len(shape) < 2:
        raise ShapeError(
            f"initializer: fan in and fan out need a shape with at least two axes, got {shape}; "
            f"use uniform, normal or constant for vectors"
        )
    rest = prod(shape) // (shape[in_axis] * shape[out_axis] or 1)
    return shape[in_axis] * rest, shape[out_axis] * rest
