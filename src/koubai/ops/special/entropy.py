"""Functions like x log y, which are 0 where x is 0 whatever the logarithm says: entropies and divergences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from koubai.graph import Sample, Words
from koubai.ops.define import arrays, binary, elementwise, unary
from koubai.ops.elementwise import where
from koubai.ops.lowering import Scalar
from koubai.ops.special.kernel import kernel

__all__ = ["entr", "kl_div", "rel_entr", "xlog1py", "xlogy"]


@kernel("xlogy", native=True)
def _xlogy(x: Any, y: Any) -> Any:
    return np.where((x == 0) & ~np.isnan(y), 0, x * np.log(y))


@kernel("xlog1py", native=True)
def _xlog1py(x: Any, y: Any) -> Any:
    return np.where((x == 0) & ~np.isnan(y), 0, x * np.log1p(y))


@kernel("entr", native=True)
def _entr(x: Any) -> Any:
    return np.where(x == 0, 0, np.where(x < 0, -np.inf, -x * np.log(x)))


def _log_quotient(x: Any, y: Any) -> Any:
    """x ln(x/y), also where the quotient leaves the range or is near one."""
    quotient = x / y
    near = (quotient > 0.5) & (quotient < 2)
    plain = np.where((quotient > 0) & (quotient < np.inf), np.log(quotient), np.log(x) - np.log(y))
    return x * np.where(near, np.log1p((x - y) / y), plain)


@kernel("rel_entr")
def _rel_entr(x: Any, y: Any) -> Any:
    inside = np.where((x > 0) & (y > 0), _log_quotient(x, y), np.inf)
    inside = np.where((x == 0) & (y >= 0), 0.0, inside)
    return np.where(np.isnan(x) | np.isnan(y), np.nan, inside)


@kernel("kl_div")
def _kl_div(x: Any, y: Any) -> Any:
    inside = np.where((x > 0) & (y > 0), _log_quotient(x, y) - x + y, np.inf)
    inside = np.where((x == 0) & (y >= 0), y, inside)
    return np.where(np.isnan(x) | np.isnan(y), np.nan, inside)


def _weight(x: Any, unsafe: Any) -> Any:
    """1, or 0 where x is 0 and its logarithm does not exist: there the product is constantly 0."""
    return where((x == 0) & unsafe, 0.0, 1.0)


def _over(x: Any, y: Any) -> Any:
    """x/y, and 0 for 0/0; elsewhere 0/y stays a quotient, whose slope in x is 1/y."""
    return x / where((x == 0) & (y == 0), 1.0, y)


def _positive(low: float = 0.3, high: float = 2.0) -> Any:
    def samples() -> list[Sample]:
        return [*binary(low, high, complex=False)(), Sample((np.array([0.0, 1.5]), *arrays((2,), low=low, high=high)))]

    return samples


def _times_log(log: str) -> Scalar:
    """x times a logarithm, 0 where x is 0 unless y is NaN."""

    def body(e: Any, x: Any, y: Any) -> Any:
        nothing = e.both(e.eq(x, e.number(0, x)), e.eq(y, y))
        return e.select(nothing, e.number(0, x), e.mul(x, getattr(e, log)(y)))

    return Scalar(body)


def _entr_of(e: Any, x: Any) -> Any:
    zero = e.number(0, x)
    y = e.select(e.lt(x, zero), e.number(-np.inf, x), e.mul(e.neg(x), e.log(x)))
    return e.select(e.eq(x, zero), zero, y)


def _divergence(beyond: Callable[[Any, Any, Any, Any], Any], at_zero: Callable[[Any, Any, Any], Any]) -> Scalar:
    """x ln(x/y) and what else belongs to it, where both are positive; in float64, since the terms may cancel."""

    def body(e: Any, a: Any, b: Any) -> Any:
        x, y = e.cast(a, np.float64), e.cast(b, np.float64)
        zero, inf = e.number(0, x), e.number(np.inf, x)
        quotient = e.div(x, y)
        near = e.both(e.gt(quotient, e.number(0.5, x)), e.lt(quotient, e.number(2, x)))
        inside = e.both(e.gt(quotient, zero), e.lt(quotient, inf))
        far = e.select(inside, e.log(quotient), e.sub(e.log(x), e.log(y)))
        log = e.select(near, e.log1p(e.div(e.sub(x, y), y)), far)
        positive = e.both(e.gt(x, zero), e.gt(y, zero))
        value = e.select(positive, beyond(e, e.mul(x, log), x, y), inf)
        value = e.select(e.both(e.eq(x, zero), e.ge(y, zero)), at_zero(e, x, y), value)
        value = e.select(e.both(e.eq(x, x), e.eq(y, y)), value, e.number(np.nan, x))
        return e.cast(value, a.dtype)

    return Scalar(body)


xlogy = elementwise(
    "xlogy", _xlogy,
    lambda z, x, y: xlogy(_weight(x, y <= 0), y), lambda z, x, y: _over(x, y),
    lower=_times_log("log"),
    words=Words("y = a ln(b) if a != 0 else 0", "dy/da = ln(b), dy/db = a/b",
                "a times ln b, which is 0 for a = 0 even at b = 0.",
                "a と ln b の積。a = 0 なら b = 0 でも0とする。"),
    samples=_positive(),
)  # fmt: skip
xlog1py = elementwise(
    "xlog1py", _xlog1py,
    lambda z, x, y: xlog1py(_weight(x, y <= -1), y), lambda z, x, y: _over(x, 1.0 + y),
    lower=_times_log("log1p"),
    words=Words("y = a ln(1 + b) if a != 0 else 0", "dy/da = ln(1 + b), dy/db = a/(1 + b)",
                "a times ln(1 + b), which is 0 for a = 0 even at b = -1.",
                "a と ln(1 + b) の積。a = 0 なら b = -1 でも0とする。"),
    samples=_positive(),
)  # fmt: skip
entr = elementwise(
    "entr", _entr, lambda y, x: -1.0 - xlogy(1.0, x), lower=Scalar(_entr_of),
    words=Words("y = -x ln(x) if x > 0 else 0 if x == 0 else -inf", "dy/dx = -1 - ln(x)",
                "A term of the entropy: -x ln x.",
                "エントロピーの一項 -x ln x。"),
    samples=unary(0.2, 2.0, complex=False),
)  # fmt: skip
rel_entr = elementwise(
    "rel_entr", _rel_entr,
    lambda z, x, y: xlogy(1.0, x / y) + 1.0, lambda z, x, y: -_over(x, y),
    lower=_divergence(lambda e, log, x, y: log, lambda e, x, y: e.number(0, x)),
    words=Words("y = a ln(a/b) if a > 0 and b > 0 else 0 if a == 0 and b >= 0 else inf",
                "dy/da = ln(a/b) + 1, dy/db = -a/b", "A term of the relative entropy: a ln(a/b).",
                "相対エントロピーの一項 a ln(a/b)。"),
    samples=binary(0.3, 2.0, complex=False),
)  # fmt: skip
kl_div = elementwise(
    "kl_div", _kl_div,
    lambda z, x, y: xlogy(1.0, x / y), lambda z, x, y: 1.0 - _over(x, y),
    lower=_divergence(lambda e, log, x, y: e.add(e.sub(log, x), y), lambda e, x, y: y),
    words=Words("y = a ln(a/b) - a + b if a > 0 and b > 0 else b if a == 0 and b >= 0 else inf",
                "dy/da = ln(a/b), dy/db = 1 - a/b",
                "A term of the Kullback-Leibler divergence: never negative, zero for a = b.",
                "カルバック・ライブラー情報量の一項。負にならず、a = b で0。"),
    samples=binary(0.3, 2.0, complex=False),
)  # fmt: skip
