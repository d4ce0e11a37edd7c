"""What a user holds: Tensor, the functions of NumPy on tensors, own layers, and the transforms.

May import `diff`, `compile`, `ops`, `graph` and `errors`.
"""

from koubai.tensor.tensor import Tensor, no_grad, tensor
from koubai.tensor import methods as _methods  # noqa: F401 - gives Tensor its methods
from koubai.tensor.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp, vmap

__all__ = [
    "Tensor",
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
