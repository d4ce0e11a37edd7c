"""Normalization as functions: on arrays they compute, on tensors they record."""

from __future__ import annotations

from math import prod
from typing import Any

from koubai.errors import ShapeError, UsageError
from koubai.nn.functional import floating
from koubai.nn.sizes import lengths, per_axis
from koubai.ops import elementwise as e
from koubai.ops import reduce as r
from koubai.ops.shape import reshape
from koubai.tensor.numpy.arguments import arrayed

__all__ = ["batch_norm", "group_norm", "layer_norm", "moments", "standardized"]


def moments(x: Any, axes: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """The mean over the axes, which stay; what x has beyond it; and the mean square of that, the variance."""
    count = prod(x.shape[k] for k in axes)
    mean = r.sum(x, axis=axes, keepdims=True) / count
    beyond = x - mean
    return mean, beyond, r.sum(e.square(beyond), axis=axes, keepdims=True) / count


def standardized(beyond: Any, var: Any, eps: float, weight: Any = None) -> Any:
    """``beyond / sqrt(var + eps)``, times a weight of the variance's shape: one factor for many numbers."""
    factor = 1.0 / e.sqrt(var + eps)
    return beyond * (factor if weight is None else factor * weight)


def _scaled(y: Any, weight: Any, bias: Any) -> Any:
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias


def batch_norm(
    x: Any, mean: Any = None, var: Any = None, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """Each channel brought to a common location and scale: ``(x - mean) / sqrt(var + eps) weight + bias``.

    Parameters
    ----------
    x : array (examples, channels, *spatial)
    mean, var : arrays (channels,), optional
        By default those of x itself, over all axes but the channels' (the variance divided by the number of
        values, not by one less).
    weight, bias : arrays (channels,), optional
    eps : float
        Above 0.

    Returns
    -------
    array of x's shape

    Raises
    ------
    ShapeError
        If shapes do not fit, or there are fewer than two values a channel to take a variance of.

    References
    ----------
    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
    shift", ICML 2015.

    Examples
    --------
    >>> batch_norm([[1.0, 0.0], [3.0, 0.0]]).round(3)
    array([[-1.,  0.],
           [ 1.,  0.]])
    """
    x = floating("batch_norm", x)
    if (mean is None) != (var is None):
        raise UsageError("batch_norm: expected both mean and var, or neither")
    eps = _positive("batch_norm", eps)
    if x.ndim < 2:
        raise ShapeError(f"batch_norm: expected an input of shape (examples, channels, *spatial), got {x.shape}")
    weight, bias = (_of_channels("batch_norm", what, v, x) for what, v in (("weight", weight), ("bias", bias)))
    if mean is None:
        _, beyond, var = moments(x, over_examples(x))
    else:
        mean, var = (_of_channels("batch_norm", what, v, x) for what, v in (("mean", mean), ("var", var)))
        beyond = x - mean
    return _scaled(standardized(beyond, var, eps, weight), None, bias)


def over_examples(x: Any) -> tuple[int, ...]:
    """All axes but the channels', if there is a variance along them."""
    channels = x.shape[1]
    if x.size < 2 * channels:
        raise ShapeError(
            f"batch_norm: expected at least two values for each channel, to take their variance, got an input of shape "
            f"{x.shape}; give more examples at once (fit's drop_last leaves a last single one out), or call eval() to "
            f"use the running statistics"
        )
    return (0, *range(2, x.ndim))


def _of_channels(name: str, what: str, v: Any, x: Any) -> Any:
    """One number a channel, aligned with axis 1 of x."""
    if v is None:
        return None
    v = arrayed(v)
    if v.shape != x.shape[1:2]:
        raise ShapeError(
            f"{name}: expected {what} of shape ({x.shape[1]},), one number for each channel of the input, whose shape "
            f"is {x.shape}; got {v.shape}"
        )
    return reshape(v, shape=(x.shape[1], *(1,) * (x.ndim - 2)))


def _positive(name: str, eps: float) -> float:
    if not eps > 0:
        raise UsageError(f"{name}: expected eps above 0, got {eps}")
    return eps


def layer_norm(x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Each example brought to mean 0 and variance 1 over its last axes, then scaled and shifted.

    Parameters
    ----------
    x : array (..., *normalized_shape)
    normalized_shape : int or sequence of ints
        The lengths of the last axes.
    weight, bias : arrays of that shape, optional
    eps : float
        Above 0: ``(x - mean) / sqrt(var + eps) weight + bias``.

    Returns
    -------
    array of x's shape

    References
    ----------
    Ba, Kiros and Hinton, "Layer normalization", 2016.

    Examples
    --------
    >>> layer_norm([[1.0, 3.0], [10.0, 30.0]], 2).round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    x, shape = floating("layer_norm", x), lengths("layer_norm", normalized_shape)
    first = x.ndim - len(shape)
    if x.shape[max(first, 0) :] != shape:
        raise ShapeError(f"layer_norm: expected an input whose last axes are {shape}, got {x.shape}")
    given = []
    for what, v in (("weight", weight), ("bias", bias)):
        v = None if v is None else arrayed(v)
        if v is not None and v.shape != shape:
            raise ShapeError(f"layer_norm: expected {what} of shape {shape}, got {v.shape}")
        given.append(v)
    _, beyond, var = moments(x, tuple(range(first, x.ndim)))
    return _scaled(standardized(beyond, var, _positive("layer_norm", eps)), *given)


def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Each group of channels of each example brought to mean 0 and variance 1, then each channel scaled and shifted.

    Parameters
    ----------
    x : array (examples, channels, *spatial)
    num_groups : int
        Divides the channels.
    weight, bias : arrays (channels,), optional
    eps : float
        Above 0.

    Returns
    -------
    array of x's shape

    References
    ----------
    Wu and He, "Group normalization", ECCV 2018.

    Examples
    --------
    >>> group_norm([[1.0, 3.0, 10.0, 30.0]], 2).round(3)
    array([[-1.,  1., -1.,  1.]])
    """
    x, (num_groups,) = floating("group_norm", x), per_axis("group_norm", "num_groups", num_groups, 1)
    if x.ndim < 2 or x.shape[1] % num_groups or 0 in x.shape[1:]:
        raise ShapeError(
            f"group_norm: expected (examples, channels, *spatial) with channels that {num_groups} groups divide, none "
            f"empty, got {x.shape}"
        )
    weight, bias = (_of_channels("group_norm", what, v, x) for what, v in (("weight", weight), ("bias", bias)))
    groups = reshape(x, shape=(x.shape[0], num_groups, prod(x.shape[1:]) // num_groups))
    _, beyond, var = moments(groups, (2,))
    y = standardized(beyond, var, _positive("group_norm", eps))
    return _scaled(reshape(y, shape=x.shape), weight, bias)
