"""Pooling as layers: MaxPool1d, MaxPool2d, AvgPool1d, AvgPool2d, GlobalAvgPool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from koubai.nn import pool
from koubai.nn.located import Located
from koubai.nn.sizes import around, as_text, per_axis

__all__ = ["AvgPool1d", "AvgPool2d", "GlobalAvgPool", "MaxPool1d", "MaxPool2d"]


class _Pool(Located):
    """Windows over the last `axes` axes."""

    axes: ClassVar[int]
    function: ClassVar[Callable[..., Any]]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        name = type(self).__name__
        self.kernel_size = per_axis(name, "kernel_size", kernel_size, self.axes)
        self.stride = self.kernel_size if stride is None else per_axis(name, "stride", stride, self.axes)
        self.padding = around(name, padding, self.kernel_size)

    def forward(self, x: Any) -> Any:
        return type(self).function(x, self.kernel_size, self.stride, self.padding)

    def extra_repr(self) -> str:
        kernel, stride, padding = map(as_text, (self.kernel_size, self.stride, self.padding))
        moved = [f"stride={stride}"] * (stride != kernel)
        return ", ".join([kernel, *moved, *[f"padding={padding}"] * (padding != "0")])


class MaxPool1d(_Pool):
    """The largest element of each window along the last axis. See `max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import koubai as kb
    >>> kb.nn.MaxPool1d(2)(np.array([[[1.0, 5.0, 2.0, 3.0]]]))
    array([[[5., 3.]]])
    """

    axes = 1
    function = pool.max_pool1d


class MaxPool2d(_Pool):
    """The largest element of each window over the last two axes. See `max_pool2d`.

    Parameters
    ----------
    kernel_size : int or pair
    stride : int or pair, optional
        By default the window's size.
    padding : int, pair, or ((top, bottom), (left, right))

    Examples
    --------
    >>> import numpy as np
    >>> import koubai as kb
    >>> kb.nn.MaxPool2d(2)(np.ones((10, 6, 28, 28))).shape
    (10, 6, 14, 14)
    """

    axes = 2
    function = pool.max_pool2d


class AvgPool1d(_Pool):
    """The mean of each window along the last axis. See `avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> import koubai as kb
    >>> kb.nn.AvgPool1d(2)(np.array([[[1.0, 5.0, 2.0, 3.0]]]))
    array([[[3. , 2.5]]])
    """

    axes = 1
    function = pool.avg_pool1d


class AvgPool2d(_Pool):
    """The mean of each window over the last two axes. See `avg_pool2d`.

    Parameters
    ----------
    kernel_size : int or pair
    stride : int or pair, optional
        By default the window's size.
    padding : int, pair, or ((top, bottom), (left, right))
        Zeros, which count.

    Examples
    --------
    >>> import numpy as np
    >>> import koubai as kb
    >>> kb.nn.AvgPool2d((2, 4))(np.ones((10, 6, 28, 28))).shape
    (10, 6, 14, 7)
    """

    axes = 2
    function = pool.avg_pool2d


class GlobalAvgPool(Located):
    """The mean of each channel over all its places, whatever the image's size. See `global_avg_pool`.

    Parameters
    ----------
    keepdims : bool
        Whether the spatial axes stay, with length 1 (PyTorch's AdaptiveAvgPool2d(1)).

    Examples
    --------
    >>> import numpy as np
    >>> import koubai as kb
    >>> kb.nn.GlobalAvgPool()(np.ones((10, 6, 7, 7))).shape
    (10, 6, 1, 1)
    """

    def __init__(self, keepdims: bool = True) -> None:
        self.keepdims = keepdims

    def forward(self, x: Any) -> Any:
        return pool.global_avg_pool(x, self.keepdims)

    def extra_repr(self) -> str:
        return "" if self.keepdims else "keepdims=False"
