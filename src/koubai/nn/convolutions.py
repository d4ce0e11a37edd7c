"""Convolution as layers: Conv1d, Conv2d."""

from __future__ import annotations

from math import prod, sqrt
from typing import Any, ClassVar

import numpy as np

from koubai.errors import UsageError
from koubai.nn import init
from koubai.nn.convolve import convolve
from koubai.nn.init import Initializer
from koubai.nn.located import Located
from koubai.nn.parameter import Parameter
from koubai.nn.sizes import around, as_text, per_axis

__all__ = ["Conv1d", "Conv2d"]


class _Conv(Located):
    """A convolution over `axes` spatial axes."""

    axes: ClassVar[int]
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: Any = np.float32,
        *,
        weight_init: Initializer | None = None,
        bias_init: Initializer | None = None,
    ) -> None:
        name, n = type(self).__name__, self.axes
        (self.in_channels,) = per_axis(name, "in_channels", in_channels, 1)
        (self.out_channels,) = per_axis(name, "out_channels", out_channels, 1)
        self.kernel_size = per_axis(name, "kernel_size", kernel_size, n)
        self.stride = per_axis(name, "stride", stride, n)
        self.dilation = per_axis(name, "dilation", dilation, n)
        (self.groups,) = per_axis(name, "groups", groups, 1)
        pairs = around(name, padding, self.kernel_size, self.stride, self.dilation)
        self.padding = padding if isinstance(padding, str) else pairs
        for what, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % self.groups:
                raise UsageError(f"{name}: expected groups to divide {what}, got {groups} groups and {channels}")
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        bound = 1.0 / sqrt(prod(shape[1:]))
        default = init.uniform(-bound, bound)
        self.weight = Parameter(shape=shape, initializer=weight_init or default, dtype=dtype)
        self.bias = None
        if bias:
            self.bias = Parameter(shape=shape[:1], initializer=bias_init or default, dtype=dtype)

    def forward(self, x: Any) -> Any:
        return convolve(self.axes, x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        settings = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}
        shown = {name: as_text(setting) for name, setting in settings.items()}
        usual = {"stride": "1", "padding": "0", "dilation": "1"}
        parts = [str(self.in_channels), str(self.out_channels), as_text(self.kernel_size)]
        parts += [f"{name}={text}" for name, text in shown.items() if text != usual[name]]
        parts += [f"groups={self.groups}"] * (self.groups > 1)
        return ", ".join([*parts, *["bias=False"] * (self.bias is None)])


class Conv1d(_Conv):
    """A kernel slid over sequences (examples, channels, length): see `Conv2d`.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, dtype
        As in `Conv2d`, for one axis.

    Attributes
    ----------
    weight : Parameter (out_channels, in_channels / groups, kernel_size)
    bias : Parameter (out_channels,) or None

    Examples
    --------
    >>> import koubai as kb
    >>> kb.nn.Conv1d(3, 8, 5, padding="same")(np.ones((2, 3, 20))).shape
    (2, 8, 20)
    """

    axes = 1


class Conv2d(_Conv):
    """A kernel slid over images (examples, channels, height, width), with a weighted sum at every place.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or pair
    padding : int, pair, ((top, bottom), (left, right)), "same" or "valid"
        Zeros around the image. "same" keeps height and width (stride 1 only), "valid" is 0.
    groups : int
        The channels are divided into groups, and each output channel sees only its own; as many groups as
        channels is a depthwise convolution.
    bias : bool
        Whether a number is added to each output channel.
    dtype : numpy dtype
    weight_init, bias_init : initializer, optional
        See `koubai.nn.init` (with in_axis=1, out_axis=0). By default both are uniform on ±1/sqrt(the number of
        inputs to a sum), as in PyTorch.

    Attributes
    ----------
    weight : Parameter (out_channels, in_channels / groups, kernel height, kernel width)
    bias : Parameter (out_channels,) or None

    Raises
    ------
    UsageError
        If a setting makes no sense.
    ShapeError
        When called, with the layer's path: if the channels do not fit, or the kernel is larger than the padded
        image.

    Examples
    --------
    >>> import koubai as kb
    >>> layer = kb.nn.Conv2d(1, 6, 5, padding=2)
    >>> layer
    Conv2d(1, 6, 5, padding=2)
    >>> layer(np.ones((10, 1, 28, 28))).shape
    (10, 6, 28, 28)
    """

    axes = 2
