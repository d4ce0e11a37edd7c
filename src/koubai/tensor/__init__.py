"""What a user holds: Tensor, the functions of NumPy on tensors, own layers, and the transforms.

May import `diff`, `compile`, `ops`, `graph` and `errors`.
"""

from koubai.tensor import methods as _methods
from koubai.tensor import protocol as _protocol
from koubai.tensor.compiled import Compiled, compile
from koubai.tensor.function import Function
from koubai.tensor.tensor import Tensor, no_grad, tensor
from koubai.tensor.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp, vmap

_methods.install()
_protocol.install()

__all__ = [
    "Compiled",
    "Function",
    "Tensor",
    "compile",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "no_grad",
    "tensor",
    "value_and_grad",
    "vjp",
    "vmap",
]
