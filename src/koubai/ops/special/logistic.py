"""The logistic function, its inverse and its logarithm, and functions like x log y."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.graph import Words
from koubai.ops.define import elementwise, unary
from koubai.ops.elementwise import absolute, exp, log1p, minimum
from koubai.ops.lowering import Expand, Scalar
from koubai.ops.shape import astype
from koubai.ops.special.kernel import kernel, real_dtype

__all__ = ["expit", "log_expit", "logit"]


@kernel("expit", native=True)
def _expit(x: Any) -> Any:
    # With e^-|x| nothing overflows, and for x < 0 the result keeps its relative precision.
    z = np.exp(-np.abs(x))
    return np.where(np.signbit(x), z, 1) / (1 + z)


@kernel("log_expit", native=True)
def _log_expit(x: Any) -> Any:
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


@kernel("logit")
def _logit(p: Any) -> Any:
    # Near 1/2 the quotient p/(1 - p) is near 1 and its logarithm loses digits; 2 artanh(2p - 1) does not.
    middle = np.abs(p - 0.5) < 0.25
    safe = np.where(middle, p, 0.5)
    return np.where(middle, 2.0 * np.arctanh(2.0 * safe - 1.0), np.log(p) - np.log1p(-p))


def _log_expit_of_ops(x: Any) -> Any:
    # In this form log_expit(x) and log_expit(-x), which meet in the binary cross entropy, share the logarithm.
    x = astype(x, dtype=real_dtype("log_expit", x.dtype))
    return minimum(x, 0.0) - log1p(exp(-absolute(x)))


def _logit_of(e: Any, p: Any) -> Any:
    half, two, one = e.number(0.5, p), e.number(2, p), e.number(1, p)
    middle = e.lt(e.fabs(e.sub(p, half)), e.number(0.25, p))
    near = e.mul(two, e.atanh(e.sub(e.mul(two, e.select(middle, p, half)), one)))
    return e.select(middle, near, e.sub(e.log(p), e.log1p(e.neg(p))))


expit = elementwise(
    "expit", _expit, lambda y, x: y * (1.0 - y),
    lower=Scalar(lambda e, x: e.expit(x)),
    words=Words("y = 1/(1 + e^-x)", "dy/dx = y (1 - y)",
                "The logistic sigmoid; its slope y (1 - y) is at most 1/4 and vanishes when saturated.",
                "ロジスティックシグモイド。傾きは y(1 - y) で最大 1/4、飽和するとほぼ0になる。"),
    samples=unary(complex=False),
)  # fmt: skip
log_expit = elementwise(
    "log_expit", _log_expit, lambda y, x: expit(-x),
    lower=Expand(_log_expit_of_ops),
    words=Words("y = ln(1/(1 + e^-x))", "dy/dx = 1/(1 + e^x)",
                "The logarithm of the logistic sigmoid, without overflow and without losing digits.",
                "シグモイドの対数。桁あふれも桁落ちもしない。"),
    samples=unary(complex=False),
)  # fmt: skip
logit = elementwise(
    "logit", _logit, lambda y, p: 1.0 / (p * (1.0 - p)),
    lower=Scalar(_logit_of),
    words=Words("y = ln(p/(1 - p))", "dy/dp = 1/(p (1 - p))", "The log-odds, the inverse of the logistic sigmoid.",
                "対数オッズ。シグモイドの逆関数。"),
    samples=unary(0.1, 0.9, complex=False),
)  # fmt: skip
