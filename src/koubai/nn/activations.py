"""Activations as modules: each calls the function of the same name in `activate`, with fixed options."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.errors import UsageError
from koubai.nn import activate as f
from koubai.nn.init import constant
from koubai.nn.module import Module
from koubai.nn.parameter import Parameter

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Swish",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class Activation(Module):
    """A function of its input; its options are its attributes, in the order of its arguments."""

    def extra_repr(self) -> str:
        options = {k: v for k, v in self.__dict__.items() if not k.startswith("_")}
        return ", ".join(f"{name}={value!r}" for name, value in options.items())


class ReLU(Activation):
    """See `relu`."""

    def forward(self, x: Any) -> Any:
        return f.relu(x)


class LeakyReLU(Activation):
    """See `leaky_relu`."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        return f.leaky_relu(x, self.negative_slope)


class PReLU(Module):
    """See `prelu`.

    Parameters
    ----------
    num_parameters : int
        1, or the number of channels.
    init : float
        The slopes at first.
    dtype : numpy dtype

    Examples
    --------
    >>> PReLU().weight.item()
    0.25
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, dtype: Any = np.float32) -> None:
        if num_parameters < 1:
            raise UsageError(f"PReLU: expected a positive number of parameters, got {num_parameters}")
        self.weight = Parameter(shape=(num_parameters,), initializer=constant(init), dtype=dtype)

    def forward(self, x: Any) -> Any:
        return f.prelu(x, self.weight)

    def extra_repr(self) -> str:
        return f"{self.weight.size}"


class ELU(Activation):
    """See `elu`."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        return f.elu(x, self.alpha)


class SELU(Activation):
    """See `selu`."""

    def forward(self, x: Any) -> Any:
        return f.selu(x)


class CELU(Activation):
    """See `celu`."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        return f.celu(x, self.alpha)


class ReLU6(Activation):
    """See `relu6`."""

    def forward(self, x: Any) -> Any:
        return f.relu6(x)


class Threshold(Activation):
    """See `threshold`."""

    def __init__(self, threshold: float, value: float) -> None:
        self.threshold = threshold
        self.value = value

    def forward(self, x: Any) -> Any:
        return f.threshold(x, self.threshold, self.value)


class Sigmoid(Activation):
    """See `sigmoid`."""

    def forward(self, x: Any) -> Any:
        return f.sigmoid(x)


class LogSigmoid(Activation):
    """See `logsigmoid`."""

    def forward(self, x: Any) -> Any:
        return f.logsigmoid(x)


class Softplus(Activation):
    """See `softplus`."""

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = beta

    def forward(self, x: Any) -> Any:
        return f.softplus(x, self.beta)


class SiLU(Activation):
    """See `silu`."""

    def forward(self, x: Any) -> Any:
        return f.silu(x)


Swish = SiLU


class Mish(Activation):
    """See `mish`."""

    def forward(self, x: Any) -> Any:
        return f.mish(x)


class GELU(Activation):
    """See `gelu`."""

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        return f.gelu(x, self.approximate)


class GLU(Activation):
    """See `glu`."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return f.glu(x, self.axis)


class Tanh(Activation):
    """See `tanh`."""

    def forward(self, x: Any) -> Any:
        return f.tanh(x)


class Softsign(Activation):
    """See `softsign`."""

    def forward(self, x: Any) -> Any:
        return f.softsign(x)


class Hardtanh(Activation):
    """See `hardtanh`."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self.min_val = min_val
        self.max_val = max_val

    def forward(self, x: Any) -> Any:
        return f.hardtanh(x, self.min_val, self.max_val)


class Hardsigmoid(Activation):
    """See `hardsigmoid`."""

    def forward(self, x: Any) -> Any:
        return f.hardsigmoid(x)


class Hardswish(Activation):
    """See `hardswish`."""

    def forward(self, x: Any) -> Any:
        return f.hardswish(x)


class Tanhshrink(Activation):
    """See `tanhshrink`."""

    def forward(self, x: Any) -> Any:
        return f.tanhshrink(x)


class Softshrink(Activation):
    """See `softshrink`."""

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd

    def forward(self, x: Any) -> Any:
        return f.softshrink(x, self.lambd)


class Hardshrink(Activation):
    """See `hardshrink`."""

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd

    def forward(self, x: Any) -> Any:
        return f.hardshrink(x, self.lambd)


class Softmax(Activation):
    """See `softmax`."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return f.softmax(x, self.axis)


class LogSoftmax(Activation):
    """See `log_softmax`."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return f.log_softmax(x, self.axis)


class Softmin(Activation):
    """See `softmin`."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return f.softmin(x, self.axis)
