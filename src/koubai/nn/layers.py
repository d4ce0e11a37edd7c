"""Layers: Linear, Dropout, Flatten, Identity."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from koubai.errors import ShapeError, UsageError
from koubai.graph import value_of
from koubai.nn import functional as F
from koubai.nn import init
from koubai.nn.init import Initializer
from koubai.nn.module import Module
from koubai.nn.parameter import Buffer, Parameter
from koubai.ops.random import dropout_mask, key_of

__all__ = ["Dropout", "Flatten", "Identity", "Linear"]


class Linear(Module):
    """``u = x W + b``: every output is a weighted sum of all inputs, plus a bias.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
        Whether there is a b.
    dtype : numpy dtype
    weight_init, bias_init : initializer, optional
        See `koubai.nn.init`. By default both are uniform on ±1/sqrt(in_features), as in PyTorch.

    Attributes
    ----------
    weight : Parameter (in_features, out_features), also under the name W
    bias : Parameter (out_features,) or None, also under the name b

    Examples
    --------
    >>> import koubai as kb
    >>> kb.nn.Linear(3, 2)(np.ones((5, 3))).shape
    (5, 2)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        dtype: Any = np.float32,
        *,
        weight_init: Initializer | None = None,
        bias_init: Initializer | None = None,
    ) -> None:
        for name, n in (("in_features", in_features), ("out_features", out_features)):
            if not isinstance(n, (int, np.integer)) or n < 1:
                raise UsageError(f"Linear: expected {name} to be a positive integer, got {n!r}")
        self.in_features, self.out_features = int(in_features), int(out_features)
        bound = 1.0 / sqrt(in_features)
        default = init.uniform(-bound, bound)
        shape = (self.in_features, self.out_features)
        self.weight = Parameter(shape=shape, initializer=weight_init or default, dtype=dtype)
        self.bias = None
        if bias:
            self.bias = Parameter(shape=shape[1:], initializer=bias_init or default, dtype=dtype)

    @property
    def W(self) -> Parameter:
        return self.weight

    @property
    def b(self) -> Parameter | None:
        return self.bias

    def forward(self, x: Any) -> Any:
        try:
            return F.linear(x, self.weight, self.bias)
        except ShapeError as error:
            raise ShapeError(f"{self.path or 'Linear'}: {error}") from None

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}" + ("" if self.bias is not None else ", bias=False")


class Flatten(Module):
    """All axes from `start_axis` on as one: images to rows.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.nn.Flatten()(np.zeros((5, 8, 8))).shape
    (5, 64)
    """

    def __init__(self, start_axis: int = 1) -> None:
        self.start_axis = start_axis

    def forward(self, x: Any) -> Any:
        return F.flatten(x, self.start_axis)


class Identity(Module):
    """Its input, unchanged."""

    def forward(self, x: Any) -> Any:
        return x


class Dropout(Module):
    """In training, each input is dropped (0) with probability p, and the others are divided by 1 - p.

    In eval mode the identity. Which inputs are dropped follows from the outermost model's seed, this
    layer's path there, and the number of calls in training so far (the buffer `steps`, which `init` sets
    back to 0): the same model trained again drops the same. Under `koubai.vmap` every example has a mask of
    its own, the same as when the stack is given at once.

    Parameters
    ----------
    p : float
        From 0 to 1.

    References
    ----------
    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15 (2014).

    Examples
    --------
    >>> import koubai as kb
    >>> layer = kb.nn.Dropout(0.5)
    >>> sorted(set(layer(np.ones(100)).tolist()))
    [0.0, 2.0]
    >>> layer.eval()(np.ones(2))
    array([1., 1.])
    """

    steps: Any

    def __init__(self, p: float = 0.5) -> None:
        if not isinstance(p, (int, float, np.number)) or not 0.0 <= p <= 1.0:
            raise UsageError(f"Dropout: expected a probability from 0 to 1, got {p!r}")
        self.p = float(p)
        self.steps = Buffer(np.int64(0), persistent=False)

    def reset(self) -> None:
        self.steps = 0

    def forward(self, x: Any) -> Any:
        if not self.training or self.p == 0.0:
            return x
        x = F.floating("Dropout", x)
        steps = self.steps
        self.steps = steps + 1
        if value_of(x) is not None and value_of(steps) is not None:
            steps = value_of(steps)  # a plain number: plain inputs give plain outputs
        return x * dropout_mask(x, steps, key=key_of(self.seed, self.path, "dropout"), rate=self.p)

    def extra_repr(self) -> str:
        return f"{self.p}"
