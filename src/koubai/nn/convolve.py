"""Convolution as functions: on arrays they compute, on tensors they record."""

from __future__ import annotations

from typing import Any

from koubai.errors import ShapeError
from koubai.nn.sizes import around, per_axis
from koubai.ops.conv import convolution
from koubai.ops.shape import reshape
from koubai.tensor.numpy.arguments import arrayed

__all__ = ["conv1d", "conv2d", "convolve"]

SPATIAL = {1: "length", 2: "height, width"}


def conv1d(
    x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """A kernel slid over sequences, as `conv2d` over images.

    Parameters
    ----------
    x : array (examples, in_channels, length), or (in_channels, length)
    weight : array (out_channels, in_channels / groups, kernel)
    bias : array (out_channels,), optional
    stride, padding, dilation, groups
        See `conv2d`.

    Returns
    -------
    array (examples, out_channels, places), or (out_channels, places)

    Examples
    --------
    >>> conv1d([[1.0, 2.0, 4.0, 8.0]], [[[-1.0, 1.0]]])
    array([[1., 2., 4.]])
    """
    return convolve(1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """A kernel slid over images, with a weighted sum at every place; it is not mirrored (a cross-correlation).

    ``y[n, o, p, q] = bias[o] + sum over c, k, l of weight[o, c, k, l] x[n, c, p s + k d, q s + l d]`` with the
    stride s and the dilation d, x counted from the corner of the padding.

    Parameters
    ----------
    x : array (examples, in_channels, height, width), or (in_channels, height, width)
    weight : array (out_channels, in_channels / groups, kernel height, kernel width)
    bias : array (out_channels,), optional
    stride : int or pair
        How far the kernel moves from one place to the next.
    padding : int, pair, ((top, bottom), (left, right)), "same" or "valid"
        Zeros around the image. "same" keeps height and width (stride 1 only), "valid" is 0.
    dilation : int or pair
        How far the kernel's elements lie apart.
    groups : int
        The channels are divided into groups, and each output channel sees only its own.

    Returns
    -------
    array (examples, out_channels, places down, places across), or without the first axis
        ``places = (length + padding - dilation (kernel - 1) - 1) // stride + 1``.

    Raises
    ------
    ShapeError
        If channels do not fit, or the kernel is larger than the padded image.
    UsageError
        If a setting makes no sense.

    References
    ----------
    LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE 86 (1998).

    Examples
    --------
    >>> import numpy as np
    >>> conv2d(np.ones((1, 3, 3)), np.ones((1, 1, 2, 2)))
    array([[[4., 4.],
            [4., 4.]]])
    """
    return convolve(2, x, weight, bias, stride, padding, dilation, groups)


def convolve(n: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """The convolution over n axes, with a bias."""
    name = f"conv{n}d"
    x, weight = arrayed(x), arrayed(weight)
    if weight.ndim != n + 2:
        raise ShapeError(
            f"{name}: expected a weight of shape (out_channels, in_channels / groups, {SPATIAL[n]}), got {weight.shape}"
        )
    if x.ndim not in (n + 1, n + 2):
        raise ShapeError(
            f"{name}: expected an input of shape (examples, channels, {SPATIAL[n]}) or (channels, {SPATIAL[n]}), "
            f"got {x.shape}"
        )
    kernel = weight.shape[2:]
    stride, dilation = per_axis(name, "stride", stride, n), per_axis(name, "dilation", dilation, n)
    images = x if x.ndim == n + 2 else reshape(x, shape=(1, *x.shape))
    y = convolution(
        images,
        weight,
        stride=stride,
        padding=around(name, padding, kernel, stride, dilation),
        dilation=dilation,
        groups=per_axis(name, "groups", groups, 1)[0],
    )
    if bias is not None:
        bias = arrayed(bias)
        if bias.shape != weight.shape[:1]:
            raise ShapeError(f"{name}: expected a bias of shape ({weight.shape[0]},), got {bias.shape}")
        y = y + reshape(bias, shape=(weight.shape[0], *(1,) * n))
    return y if images is x else reshape(y, shape=y.shape[1:])
