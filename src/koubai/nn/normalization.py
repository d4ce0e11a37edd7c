"""Normalization as layers: BatchNorm1d, BatchNorm2d, LayerNorm, GroupNorm."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from koubai.errors import ShapeError, UsageError
from koubai.nn import init
from koubai.nn.functional import floating
from koubai.nn.located import Located
from koubai.nn.normalize import batch_norm, group_norm, layer_norm, moments, over_examples, standardized
from koubai.nn.parameter import Buffer, Parameter
from koubai.nn.sizes import lengths, per_axis
from koubai.ops.shape import reshape, stop_gradient

__all__ = ["BatchNorm1d", "BatchNorm2d", "GroupNorm", "LayerNorm"]


class _Affine(Located):
    """A weight of ones and a bias of zeros, of the same shape; None where there are none."""

    weight: Parameter | None
    bias: Parameter | None
    eps: float

    def _set_affine(self, shape: tuple[int, ...], weight: bool, bias: bool, dtype: Any) -> None:
        self.weight = Parameter(shape=shape, initializer=init.ones(), dtype=dtype) if weight else None
        self.bias = Parameter(shape=shape, initializer=init.zeros(), dtype=dtype) if bias else None

    def _set_eps(self, eps: float) -> None:
        if not eps > 0:
            raise UsageError(f"{type(self).__name__}: expected eps above 0, got {eps!r}")
        self.eps = float(eps)


class _BatchNorm(_Affine):
    dimensions: ClassVar[tuple[int, ...]]
    shapes: ClassVar[str]
    running_mean: Any
    running_var: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        (self.num_features,) = per_axis(type(self).__name__, "num_features", num_features, 1)
        if not isinstance(momentum, (int, float)) or not 0.0 <= momentum <= 1.0:
            raise UsageError(f"{type(self).__name__}: expected momentum to be a number from 0 to 1, got {momentum!r}")
        self.momentum, self.affine = float(momentum), bool(affine)
        self._set_eps(eps)
        self._set_affine((self.num_features,), self.affine, self.affine, dtype)
        self.running_mean = Buffer(np.zeros(self.num_features, dtype))
        self.running_var = Buffer(np.ones(self.num_features, dtype))

    def reset(self) -> None:
        self.running_mean = np.zeros(self.num_features)
        self.running_var = np.ones(self.num_features)

    def forward(self, x: Any) -> Any:
        x = floating("batch_norm", x)
        if x.ndim not in self.dimensions or x.shape[1] != self.num_features:
            channels = f"{self.num_features} channels"
            raise ShapeError(f"expected an input of shape {self.shapes.format(channels)}, got {x.shape}")
        if not self.training:
            return batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.eps)
        axes = over_examples(x)
        mean, beyond, var = moments(x, axes)
        self._remember(mean, var, x.size // self.num_features)
        weight, bias = (v if v is None else reshape(v, shape=mean.shape) for v in (self.weight, self.bias))
        y = standardized(beyond, var, self.eps, weight)
        return y if bias is None else y + bias

    def _remember(self, mean: Any, var: Any, count: int) -> None:
        """Move the running statistics towards this batch's; the variance as estimated for the whole."""
        shape, new = (self.num_features,), self.momentum
        mean, var = (reshape(stop_gradient(v), shape=shape) for v in (mean, var))
        self.running_mean = (1.0 - new) * self.running_mean + new * mean
        self.running_var = (1.0 - new) * self.running_var + new * (count / (count - 1)) * var

    def extra_repr(self) -> str:
        settings = {"eps": (self.eps, 1e-5), "momentum": (self.momentum, 0.1), "affine": (self.affine, True)}
        changed = [f"{name}={value}" for name, (value, usual) in settings.items() if value != usual]
        return ", ".join([str(self.num_features), *changed])


class BatchNorm1d(_BatchNorm):
    """Batch normalization of features (examples, channels), or of sequences (examples, channels, length).

    Parameters
    ----------
    num_features, eps, momentum, affine, dtype
        As in `BatchNorm2d`.

    Examples
    --------
    >>> import koubai as kb
    >>> layer = kb.nn.BatchNorm1d(2)
    >>> layer(np.array([[1.0, 10.0], [3.0, 30.0]])).numpy().round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> layer.running_mean.numpy()
    array([0.2, 2. ], dtype=float32)
    """

    dimensions = (2, 3)
    shapes = "(examples, {0}) or (examples, {0}, length)"


class BatchNorm2d(_BatchNorm):
    """Batch normalization of images: each channel brought to mean 0 and variance 1, then scaled and shifted.

    In training by the mean and the variance of the batch, over examples and places, and these move the running
    statistics by ``running = (1 - momentum) running + momentum batch's``, the variance divided by one less than
    the number of values. In eval mode by the running statistics.

    Parameters
    ----------
    num_features : int
        How many channels there are.
    eps : float
        Above 0: ``(x - mean) / sqrt(var + eps) weight + bias``.
    momentum : float
        From 0 to 1: the share of a new batch in the running statistics.
    affine : bool
        Whether there are weight and bias.
    dtype : numpy dtype

    Attributes
    ----------
    weight, bias : Parameter (num_features,) or None
        1 and 0 at first.
    running_mean, running_var : Buffer (num_features,)
        0 and 1 at first; `init` brings them back there.

    Raises
    ------
    ShapeError
        With the layer's path: if the input has other axes or channels, or in training only one value a channel.

    References
    ----------
    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
    shift", ICML 2015.

    Examples
    --------
    >>> import koubai as kb
    >>> layer = kb.nn.BatchNorm2d(3)
    >>> y = layer(np.arange(96.0).reshape(2, 3, 4, 4)).numpy()
    >>> bool(abs(y.mean(axis=(0, 2, 3))).max() < 1e-6)
    True
    """

    dimensions = (4,)
    shapes = "(examples, {0}, height, width)"


class LayerNorm(_Affine):
    """Each example brought to mean 0 and variance 1 over its last axes, then scaled and shifted. See `layer_norm`.

    Parameters
    ----------
    normalized_shape : int or sequence of ints
        The lengths of the last axes.
    eps : float
        Above 0.
    elementwise_affine : bool
        Whether there are weight and bias.
    bias : bool
        Whether there is a bias, if there is a weight.
    dtype : numpy dtype

    Attributes
    ----------
    weight, bias : Parameter of normalized_shape, or None
        1 and 0 at first.

    References
    ----------
    Ba, Kiros and Hinton, "Layer normalization", 2016.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.nn.LayerNorm(2)(np.array([[1.0, 3.0], [10.0, 30.0]])).numpy().round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        self.normalized_shape = lengths("LayerNorm", normalized_shape)
        self.elementwise_affine = bool(elementwise_affine)
        self._set_eps(eps)
        self._set_affine(self.normalized_shape, self.elementwise_affine, self.elementwise_affine and bias, dtype)

    def forward(self, x: Any) -> Any:
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        shape = self.normalized_shape
        parts = [str(shape[0] if len(shape) == 1 else shape), *[f"eps={self.eps}"] * (self.eps != 1e-5)]
        parts += ["elementwise_affine=False"] * (not self.elementwise_affine)
        return ", ".join([*parts, *["bias=False"] * (self.elementwise_affine and self.bias is None)])


class GroupNorm(_Affine):
    """Each group of channels of each example brought to mean 0 and variance 1, then each channel scaled and shifted.

    Unlike batch normalization it treats every example by itself, in training as afterwards. See `group_norm`.

    Parameters
    ----------
    num_groups : int
        Divides the channels; 1 normalizes all of an example's numbers together.
    num_channels : int
    eps : float
        Above 0.
    affine : bool
        Whether there are weight and bias.
    dtype : numpy dtype

    Attributes
    ----------
    weight, bias : Parameter (num_channels,) or None
        1 and 0 at first.

    References
    ----------
    Wu and He, "Group normalization", ECCV 2018.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.nn.GroupNorm(2, 4)(np.array([[1.0, 3.0, 10.0, 30.0]])).numpy().round(3)
    array([[-1.,  1., -1.,  1.]])
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, dtype: Any = np.float32
    ) -> None:
        (self.num_groups,) = per_axis("GroupNorm", "num_groups", num_groups, 1)
        (self.num_channels,) = per_axis("GroupNorm", "num_channels", num_channels, 1)
        if self.num_channels % self.num_groups:
            raise UsageError(
                f"GroupNorm: expected num_groups to divide num_channels, got {num_groups} and {num_channels}"
            )
        self.affine = bool(affine)
        self._set_eps(eps)
        self._set_affine((self.num_channels,), self.affine, self.affine, dtype)

    def forward(self, x: Any) -> Any:
        x = floating("group_norm", x)
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ShapeError(f"expected an input of shape (examples, {self.num_channels}, *spatial), got {x.shape}")
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        parts = [str(self.num_groups), str(self.num_channels), *[f"eps={self.eps}"] * (self.eps != 1e-5)]
        return ", ".join([*parts, *["affine=False"] * (not self.affine)])
