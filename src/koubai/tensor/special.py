"""SciPy's special functions under their own names and signatures, differentiable.

On plain arrays they compute plain arrays; with a tensor among the arguments the result is a tensor. All are
for real arguments, broadcast, and keep the dtype; how exact they are stands beside each family in
`koubai.ops.special`.
"""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from koubai.errors import DTypeError, UsageError
from koubai.graph import Op
from koubai.ops import elementwise as e
from koubai.ops import reduce as r
from koubai.ops import special as ops
from koubai.ops.define import shape_of
from koubai.ops.shape import astype, broadcast_to, reshape, stop_gradient
from koubai.tensor.numpy.arguments import arrayed, axes, operand

__all__ = [
    "beta",
    "betaln",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcinv",
    "erfinv",
    "expit",
    "gamma",
    "gammaln",
    "i0",
    "i1",
    "j0",
    "j1",
    "kl_div",
    "log_expit",
    "log_softmax",
    "logit",
    "logsumexp",
    "ndtr",
    "polygamma",
    "psi",
    "rel_entr",
    "softmax",
    "xlog1py",
    "xlogy",
]


def _function(op: Op, example: str, says: str = "") -> Any:
    """The function of NumPy's kind for an elementwise op, documented from its record."""

    def unary(x: Any) -> Any:
        return op(operand(x))

    def binary(x: Any, y: Any) -> Any:
        return op(operand(x), operand(y))

    made = binary if len(op.samples()[0].args) == 2 else unary
    made.__name__ = made.__qualname__ = op.name
    made.__module__ = __name__
    made.__doc__ = (
        f"{op.words.en}\n\n{op.words.formula}; {op.words.derivative}. {says}\n\n"
        f"Examples\n--------\n>>> import koubai as kb\n{example}\n"
    )
    return made


expit = _function(ops.expit, ">>> float(kb.special.expit(0.0))\n0.5")
log_expit = _function(ops.log_expit, ">>> float(kb.special.log_expit(-1000.0))\n-1000.0")
logit = _function(ops.logit, ">>> float(kb.special.logit(0.5))\n0.0", "-inf at 0, inf at 1, NaN outside.")
erf = _function(ops.erf, ">>> float(kb.special.erf(10.0))\n1.0")
erfc = _function(ops.erfc, ">>> f'{kb.special.erfc(10.0):.6e}'\n'2.088488e-45'")
erfinv = _function(ops.erfinv, ">>> float(kb.special.erfinv(1.0))\ninf", "NaN outside of [-1, 1].")
erfcinv = _function(ops.erfcinv, ">>> float(kb.special.erfcinv(0.0))\ninf", "NaN outside of [0, 2].")
ndtr = _function(ops.ndtr, ">>> f'{kb.special.ndtr(-1.96):.6f}'\n'0.024998'")
gammaln = _function(ops.gammaln, ">>> float(kb.special.gammaln(2.0))\n0.0", "inf at 0, -1, -2, ...")
gamma = _function(ops.gamma, ">>> float(kb.special.gamma(5.0))\n24.0", "inf at 0, NaN at -1, -2, ...")
digamma = _function(ops.digamma, ">>> f'{kb.special.digamma(1.0):.10f}'\n'-0.5772156649'", "NaN at -1, -2, ...")
psi = digamma
beta = _function(ops.beta, ">>> f'{kb.special.beta(2.0, 3.0):.10f}'\n'0.0833333333'", "NaN at negative integers.")
betaln = _function(ops.betaln, ">>> f'{kb.special.betaln(1e9, 1e-9):.6f}'\n'20.723266'", "NaN at negative integers.")
i0 = _function(ops.i0, ">>> float(kb.special.i0(0.0))\n1.0")
i1 = _function(ops.i1, ">>> f'{kb.special.i1(1.0):.10f}'\n'0.5651591040'")
j0 = _function(ops.j0, ">>> f'{kb.special.j0(1.0):.10f}'\n'0.7651976866'")
j1 = _function(ops.j1, ">>> f'{kb.special.j1(1.0):.10f}'\n'0.4400505857'")
xlogy = _function(ops.xlogy, ">>> float(kb.special.xlogy(0.0, 0.0))\n0.0")
xlog1py = _function(ops.xlog1py, ">>> float(kb.special.xlog1py(0.0, -1.0))\n0.0")
entr = _function(ops.entr, ">>> float(kb.special.entr(0.0))\n0.0", "-inf for x < 0.")
rel_entr = _function(ops.rel_entr, ">>> float(kb.special.rel_entr(0.0, 2.0))\n0.0",
                     "0 for a = 0 <= b, inf outside of a > 0, b > 0.")  # fmt: skip
kl_div = _function(ops.kl_div, ">>> float(kb.special.kl_div(0.0, 2.0))\n2.0",
                   "b for a = 0 <= b, inf outside of a > 0, b > 0.")  # fmt: skip


def polygamma(n: Any, x: Any) -> Any:
    """The n-th derivative of `digamma` at x.

    Parameters
    ----------
    n : int or array of ints, at least 0
    x : array

    Raises
    ------
    DTypeError, UsageError
        If n is not made of integers, or a negative one is among them.

    Examples
    --------
    >>> import koubai as kb
    >>> f"{kb.special.polygamma(1, 1.0):.10f}"
    '1.6449340668'
    """
    orders = np.asarray(n)
    if orders.dtype.kind == "f" and (orders == np.floor(orders)).all():
        orders = orders.astype(np.int64)
    if orders.dtype.kind not in "iu":
        raise DTypeError(f"polygamma: expected the order n to be an integer, got {orders.dtype}")
    if orders.size and orders.min() < 0:
        raise UsageError(f"polygamma: expected the order n to be at least 0, got {orders.min()}")
    x = operand(x)
    if orders.ndim == 0:
        return ops.polygamma(x, n=index(orders.item()))
    y = ops.polygamma(x, n=0) * np.ones(orders.shape)
    for order in np.unique(orders):
        y = e.where(orders == order, ops.polygamma(x, n=int(order)), y)
    return y


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """The logarithm of the sum of ``b * exp(a)``, without overflow.

    Parameters
    ----------
    a : array
    axis : int, tuple of ints or None
        The axes summed over; None means all.
    b : array, optional
        Factors of the exponentials, which may be zero or negative.
    keepdims : bool
    return_sign : bool
        Return the logarithm of the absolute value of the sum, and the sum's sign beside it. Without it a
        negative sum gives NaN.

    Examples
    --------
    >>> import koubai as kb
    >>> f"{kb.special.logsumexp([1000.0, 1000.0]):.6f}"
    '1000.693147'
    """
    a = _floating(a)
    if b is not None:
        b = operand(b)
        shape = np.broadcast_shapes(a.shape, shape_of(b))
        a, b = broadcast_to(a, shape=shape), broadcast_to(b, shape=shape)
    over = axes("logsumexp", axis, a.ndim)
    if b is None:
        y = r.logsumexp(a, axis=over, keepdims=keepdims)
        return (y, _ones(y)) if return_sign else y
    top = stop_gradient(r.max(e.where(b == 0, -np.inf, a), axis=over, keepdims=True))
    top = e.where(e.isfinite(top), top, 0.0)
    total = r.sum(b * e.exp(e.where(b == 0, top, a) - top), axis=over, keepdims=True)
    sign = e.sign(total)
    size = sign * total if return_sign else total
    y = ops.xlogy(1.0, size) + top
    if not keepdims:
        shape = r.reduced_shape(tuple(a.shape), over, False)
        y, sign = reshape(y, shape=shape), reshape(sign, shape=shape)
    return (y, sign) if return_sign else y


def _floating(x: Any) -> Any:
    x = arrayed(x)
    return astype(x, dtype=np.dtype(np.float64)) if x.dtype.kind in "biu" else x


def _ones(y: Any) -> Any:
    return np.ones(y.shape, y.dtype)[()]


def softmax(x: Any, axis: Any = None) -> Any:
    """``exp(x)`` divided by its sum over the axes: positive numbers whose sum is one.

    Parameters
    ----------
    x : array
    axis : int, tuple of ints or None
        The axes over which the sum is one; None means all.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.special.softmax([0.0, 0.0])
    array([0.5, 0.5])
    """
    x = _floating(x)
    over = axes("softmax", axis, x.ndim)
    y = e.exp(_below_zero(x, over))
    return y / r.sum(y, axis=over, keepdims=True)


def log_softmax(x: Any, axis: Any = None) -> Any:
    """The logarithm of `softmax`, without overflow: ``x - logsumexp(x)``.

    Parameters
    ----------
    x : array
    axis : int, tuple of ints or None

    Examples
    --------
    >>> import koubai as kb
    >>> kb.special.log_softmax([1000.0, 0.0])
    array([    0., -1000.])
    """
    x = _floating(x)
    over = axes("log_softmax", axis, x.ndim)
    shifted = _below_zero(x, over)
    return shifted - r.logsumexp(shifted, axis=over, keepdims=True)


def _below_zero(x: Any, over: tuple[int, ...]) -> Any:
    """x less its largest element: the result is the same, with all digits of small differences in large numbers."""
    return x - stop_gradient(r.max(x, axis=over, keepdims=True))
