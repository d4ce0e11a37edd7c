"""Activations as functions, in lower case: on arrays they compute, on tensors they record.

Definitions, argument names and defaults are PyTorch's (`axis` stands for dim). All are written so that
neither value nor gradient overflows or turns into NaN for large inputs. At a kink the derivative is that of
the flat side, or of the side of smaller x: relu'(0) = 0.
"""

from koubai.nn.activate.curves import (
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    softshrink,
    softsign,
    tanh,
    tanhshrink,
)
from koubai.nn.activate.gates import (
    gelu,
    glu,
    logsigmoid,
    mish,
    sigmoid,
    silu,
    softplus,
    swish,
)
from koubai.nn.activate.rectifiers import (
    celu,
    elu,
    leaky_relu,
    prelu,
    relu,
    relu6,
    selu,
    threshold,
)
from koubai.nn.activate.shares import (
    log_softmax,
    softmax,
    softmin,
)

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "swish",
    "tanh",
    "tanhshrink",
    "threshold",
]
