"""SciPy's special functions under their own names and signatures, differentiable.

On plain arrays they compute plain arrays; with a tensor among the arguments the result is a tensor.
"""

from __future__ import annotations

from typing import Any

from koubai.ops import special as ops
from koubai.tensor.numpy.arguments import operand

__all__ = ["expit", "log_expit", "logit"]


def expit(x: Any) -> Any:
    """The logistic sigmoid ``1/(1 + exp(-x))``, element by element.

    Examples
    --------
    >>> import koubai as kb
    >>> float(kb.special.expit(0.0))
    0.5
    """
    return ops.expit(operand(x))


def log_expit(x: Any) -> Any:
    """``log(expit(x))`` without overflow, right to the last digits in both tails.

    Examples
    --------
    >>> import koubai as kb
    >>> float(kb.special.log_expit(-1000.0))
    -1000.0
    """
    return ops.log_expit(operand(x))


def logit(x: Any) -> Any:
    """The log-odds ``log(x/(1 - x))``, the inverse of `expit`; -inf at 0, inf at 1, NaN outside.

    Examples
    --------
    >>> import koubai as kb
    >>> float(kb.special.logit(0.5))
    0.0
    """
    return ops.logit(operand(x))
