"""grad, vjp, jvp, jacobian, hessian, hvp, vmap: functions of functions.

Each call binds its arguments to fresh identity nodes that point to the caller's tensors, so that nested
derivatives cannot be confused (Siskind and Pearlmutter 2005), runs the function, and reads the graph that
results. When the arguments are tensors, or the function reaches an argument of an enclosing transform, the
gradient is recorded as part of that graph; otherwise it is computed on plain arrays and nothing is kept.
"""

from koubai.tensor.transforms.gradients import grad, jvp, value_and_grad, vjp
from koubai.tensor.transforms.jacobian import hessian, hvp, jacobian
from koubai.tensor.transforms.vmap import vmap

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp", "vmap"]
