"""Pooling as functions: on arrays they compute, on tensors they record."""

from __future__ import annotations

from math import prod
from typing import Any

from koubai.errors import ShapeError
from koubai.nn.functional import floating
from koubai.nn.sizes import around, per_axis
from koubai.ops import pool
from koubai.ops import reduce as r

__all__ = ["avg_pool1d", "avg_pool2d", "global_avg_pool", "max_pool1d", "max_pool2d"]


def max_pool1d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The largest element of each window along the last axis. See `max_pool2d`.

    Parameters
    ----------
    x : array (..., length)
    kernel_size, stride, padding
        As in `max_pool2d`.

    Examples
    --------
    >>> max_pool1d([1.0, 5.0, 2.0, 3.0], 2)
    array([5., 3.])
    """
    return _pooled("max_pool", 1, x, kernel_size, stride, padding)


def max_pool2d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The largest element of each window over the last two axes.

    It alone receives the window's gradient; equal ones share it. What does not fill a window at the end is left
    out.

    Parameters
    ----------
    x : array (..., height, width)
    kernel_size : int or pair
        The window's height and width.
    stride : int or pair, optional
        How far the window moves; by default its own size.
    padding : int, pair, or ((top, bottom), (left, right))
        Less than the window's size. Padding is never the largest.

    Returns
    -------
    array (..., windows down, windows across)
        ``windows = (length + padding - kernel_size) // stride + 1``.

    Raises
    ------
    ShapeError
        If the window is larger than the padded array.
    UsageError
        If a setting makes no sense.

    Examples
    --------
    >>> import numpy as np
    >>> max_pool2d(np.arange(16.0).reshape(4, 4), 2)
    array([[ 5.,  7.],
           [13., 15.]])
    """
    return _pooled("max_pool", 2, x, kernel_size, stride, padding)


def avg_pool1d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The mean of each window along the last axis. See `avg_pool2d`.

    Parameters
    ----------
    x : array (..., length)
    kernel_size, stride, padding
        As in `avg_pool2d`.

    Examples
    --------
    >>> avg_pool1d([1.0, 5.0, 2.0, 3.0], 2)
    array([3. , 2.5])
    """
    return _pooled("avg_pool", 1, x, kernel_size, stride, padding)


def avg_pool2d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The mean of each window over the last two axes; zeros of the padding count, as by default in PyTorch.

    Parameters
    ----------
    x : array (..., height, width)
    kernel_size, stride, padding
        As in `max_pool2d`.

    Returns
    -------
    array (..., windows down, windows across)

    Raises
    ------
    ShapeError
        If the window is larger than the padded array.
    UsageError
        If a setting makes no sense.

    Examples
    --------
    >>> import numpy as np
    >>> avg_pool2d(np.arange(16.0).reshape(4, 4), 2)
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """
    return _pooled("avg_pool", 2, x, kernel_size, stride, padding)


def _pooled(kind: str, n: int, x: Any, kernel_size: Any, stride: Any, padding: Any) -> Any:
    name = f"{kind}{n}d"
    kernel = per_axis(name, "kernel_size", kernel_size, n)
    return getattr(pool, kind)(
        floating(name, x),
        kernel=kernel,
        stride=kernel if stride is None else per_axis(name, "stride", stride, n),
        padding=around(name, padding, kernel),
    )


def global_avg_pool(x: Any, keepdims: bool = True) -> Any:
    """The mean of each channel over all its places.

    Parameters
    ----------
    x : array (examples, channels, *spatial)
    keepdims : bool
        Whether the spatial axes stay, with length 1.

    Returns
    -------
    array (examples, channels, 1, ...), or (examples, channels)

    References
    ----------
    Lin, Chen and Yan, "Network in network", ICLR 2014.

    Examples
    --------
    >>> import numpy as np
    >>> global_avg_pool(np.arange(8.0).reshape(1, 2, 2, 2), keepdims=False)
    array([[1.5, 5.5]])
    """
    x = floating("global_avg_pool", x)
    count = prod(x.shape[2:])
    if x.ndim < 3 or count == 0:
        raise ShapeError(
            f"global_avg_pool: expected (examples, channels, *spatial), none of these empty, got {x.shape}"
        )
    return r.sum(x, axis=tuple(range(2, x.ndim)), keepdims=keepdims) / count
