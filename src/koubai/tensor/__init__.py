"""What a user holds: Tensor, the functions of NumPy on tensors, own layers, and the transforms.

`tensor` is the class, which has `methods` like an array's, becomes `plain` values where they are asked for, and is
known to NumPy by `protocol`. `numpy` and `special` are the functions, `transforms` differentiate and vectorize,
`control` holds loops, `function` layers written by hand. `trace` records a function for `compiled`; `watch` sees the
state that it changes, and `trees` takes nested arguments apart.

May import `diff`, `compile`, `ops`, `graph` and `errors`.
"""

from koubai.tensor.compiled import Compiled, compile
from koubai.tensor.control import checkpoint, scan
from koubai.tensor.function import Function
from koubai.tensor.tensor import Tensor, no_grad, tensor
from koubai.tensor.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp, vmap

__all__ = [
    "Compiled",
    "Function",
    "Tensor",
    "checkpoint",
    "compile",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "no_grad",
    "scan",
    "tensor",
    "value_and_grad",
    "vjp",
    "vmap",
]
