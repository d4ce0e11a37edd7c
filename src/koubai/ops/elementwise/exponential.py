"""Powers, roots, exponentials and logarithms.

x**0 has derivative 0 in x everywhere, and 0**p has derivative 0 in p.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from koubai.graph import Words
from koubai.ops.define import binary, elementwise, unary
from koubai.ops.elementwise.choice import where
from koubai.ops.lowering import Choice, Scalar

LN2 = float(np.log(2.0))
LN10 = float(np.log(10.0))


def _whole_power(e: Any, x: Any, p: int) -> Any:
    """x^p for p > 0 by repeated squaring."""
    y = None
    while True:
        if p % 2:
            y = x if y is None else e.mul(y, x)
        p //= 2
        if p == 0:
            return y
        x = e.mul(x, x)


def _constant_power(p: float, as_array: bool) -> Callable[..., Any]:
    """As NumPy: roots, squares and reciprocals stand for powers, but of a single number x^(1/2) is a power."""

    def body(e: Any, x: Any, _: Any) -> Any:
        if p == 0:
            return e.number(1, x)
        if p == int(p) and (abs(p) <= 4 or x.dtype.kind != "f"):
            return _whole_power(e, x if p > 0 else e.div(e.number(1, x), x), abs(int(p)))
        if p == 0.5 and as_array:
            return e.sqrt(x)
        if abs(p) == 0.5:
            positive = e.add(x, e.number(0, x))  # 0.0 for -0.0
            root = e.select(e.eq(x, e.number(-np.inf, x)), e.number(np.inf, x), e.sqrt(positive))
            return root if p > 0 else e.div(e.number(1, x), root)
        return e.pow(x, e.number(p, x))

    return body


def _power_form(x: Any, p: Any) -> Scalar | None:
    if isinstance(p, (int, float, np.integer, np.floating)) and np.isfinite(p):
        real = any(getattr(v, "dtype", np.dtype(type(v))).kind == "f" for v in (x, p))
        if real or p >= 0:  # NumPy refuses the others
            return Scalar(_constant_power(float(p) if real else int(p), as_array=bool(getattr(x, "ndim", 0))))
        return None
    return Scalar(lambda e, x, p: e.pow(x, p)) if np.result_type(_dtype(x), _dtype(p)).kind == "f" else None


def _dtype(x: Any) -> np.dtype[Any]:
    return x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype


def _power_base(y: Any, x: Any, p: Any) -> Any:
    # x**(p-1) is infinite at x = 0 for p < 1, which is right, but at p = 0 the derivative is 0. A constant
    # exponent stays a number, so that x**1 and x**2 keep NumPy's fast ways.
    if isinstance(p, (int, float, np.generic)):
        lowered: Any = p - 1 if p != 0 else 0  # type: ignore[operator]
        return p * x**lowered
    return p * x ** where(p == 0, 1, p - 1)


def _power_exponent(y: Any, x: Any, p: Any) -> Any:
    return y * log(where(x == 0, 1, x))


power = elementwise(
    "power", lambda x, p: x**p, _power_base, _power_exponent,
    lower=Choice(_power_form),
    words=Words("y = a^p", "dy/da = p a^(p - 1), dy/dp = y ln(a)",
                "A power multiplies the gradient by the exponent and lowers the exponent by one.",
                "べき乗は、指数を前に出して指数を1下げたものを勾配に掛ける。"),
    samples=binary(0.5, 2.0),
)  # fmt: skip
square = elementwise(
    "square", np.square, lambda y, x: 2.0 * x,
    lower=Scalar(lambda e, x: e.mul(x, x)),
    words=Words("y = x^2", "dy/dx = 2 x", "A square multiplies the gradient by twice its input.",
                "2乗は、勾配に入力の2倍を掛ける。"),
    samples=unary(),
)  # fmt: skip
sqrt = elementwise(
    "sqrt", np.sqrt, lambda y, x: 0.5 / y,
    lower=Scalar(lambda e, x: e.sqrt(x)),
    words=Words("y = sqrt(x)", "dy/dx = 1/(2 y)", "A square root divides the gradient by twice its result.",
                "平方根は、勾配を出力の2倍で割る。"),
    samples=unary(0.3, 2.0),
)  # fmt: skip
cbrt = elementwise(
    "cbrt", np.cbrt, lambda y, x: 1.0 / (3.0 * y * y),
    lower=Scalar(lambda e, x: e.cbrt(x)),
    words=Words("y = cbrt(x)", "dy/dx = 1/(3 y^2)", "The cube root.", "立方根。勾配を 3y² で割る。"),
    samples=unary(0.3, 2.0, complex=False),
)  # fmt: skip


def _reciprocal(e: Any, x: Any) -> Any:
    """Of integers as NumPy does it: through float64, the fraction dropped."""
    real = x if x.dtype.kind == "f" else e.cast(x, np.float64)
    return e.cast(e.div(e.number(1, real), real), x.dtype)


reciprocal = elementwise(
    "reciprocal", np.reciprocal, lambda y, x: -y * y,
    lower=Scalar(_reciprocal),
    words=Words("y = 1/x", "dy/dx = -y^2", "The reciprocal multiplies the gradient by minus its square.",
                "逆数は、勾配に -y² を掛ける。"),
    samples=unary(0.5, 2.0),
)  # fmt: skip
exp = elementwise(
    "exp", np.exp, lambda y, x: y,
    lower=Scalar(lambda e, x: e.exp(x)),
    words=Words("y = e^x", "dy/dx = y", "The exponential is its own derivative.",
                "指数関数は微分しても変わらず、勾配に出力自身を掛ける。"),
    samples=unary(),
)  # fmt: skip
exp2 = elementwise(
    "exp2", np.exp2, lambda y, x: LN2 * y,
    lower=Scalar(lambda e, x: e.exp2(x)),
    words=Words("y = 2^x", "dy/dx = y ln(2)", "The exponential with base two.", "底2の指数関数。"),
    samples=unary(complex=False),
)  # fmt: skip
expm1 = elementwise(
    "expm1", np.expm1, lambda y, x: y + 1.0,
    lower=Scalar(lambda e, x: e.expm1(x)),
    words=Words("y = e^x - 1", "dy/dx = y + 1", "e^x - 1 without losing digits near zero.",
                "0付近でも桁落ちしない e^x - 1。"),
    samples=unary(),
)  # fmt: skip
log = elementwise(
    "log", np.log, lambda y, x: 1.0 / x,
    lower=Scalar(lambda e, x: e.log(x)),
    words=Words("y = ln(x)", "dy/dx = 1/x", "A logarithm divides the gradient by its input.",
                "対数は、勾配を入力で割る。"),
    samples=unary(0.3, 2.0),
)  # fmt: skip
log2 = elementwise(
    "log2", np.log2, lambda y, x: (1.0 / LN2) / x,
    lower=Scalar(lambda e, x: e.log2(x)),
    words=Words("y = log2(x)", "dy/dx = 1/(x ln(2))", "The logarithm to base two.", "底2の対数。"),
    samples=unary(0.3, 2.0),
)  # fmt: skip
log10 = elementwise(
    "log10", np.log10, lambda y, x: (1.0 / LN10) / x,
    lower=Scalar(lambda e, x: e.log10(x)),
    words=Words("y = log10(x)", "dy/dx = 1/(x ln(10))", "The logarithm to base ten.", "常用対数。"),
    samples=unary(0.3, 2.0),
)  # fmt: skip
log1p = elementwise(
    "log1p", np.log1p, lambda y, x: 1.0 / (1.0 + x),
    lower=Scalar(lambda e, x: e.log1p(x)),
    words=Words("y = ln(1 + x)", "dy/dx = 1/(1 + x)", "ln(1 + x) without losing digits near zero.",
                "0付近でも桁落ちしない ln(1 + x)。"),
    samples=unary(-0.5, 2.0),
)  # fmt: skip


def _log_of_sum(power: str, factor: float, ln_of_two: float) -> Scalar:
    """The larger one and the logarithm of 1 + base^-difference; equal ones, which may be infinite, apart."""

    def body(e: Any, x: Any, z: Any) -> Any:
        difference = e.sub(x, z)
        first = e.gt(difference, e.number(0, x))
        below = e.select(first, e.neg(difference), difference)
        more = e.mul(e.number(factor, x), e.log1p(getattr(e, power)(below)))
        y = e.select(e.ne(difference, difference), difference, e.add(e.select(first, x, z), more))
        return e.select(e.eq(x, z), e.add(x, e.number(ln_of_two, x)), y)

    return Scalar(body)


logaddexp = elementwise(
    "logaddexp", np.logaddexp, lambda y, x, z: exp(x - y), lambda y, x, z: exp(z - y),
    lower=_log_of_sum("exp", 1.0, LN2),
    words=Words("y = ln(e^a + e^b)", "dy/da = e^(a - y), dy/db = e^(b - y)",
                "A sum of exponentials kept as its logarithm; each term's share of the sum is its derivative.",
                "指数の和を対数のまま計算する。各項の勾配は和に占める割合になる。"),
    samples=binary(complex=False),
)  # fmt: skip
logaddexp2 = elementwise(
    "logaddexp2", np.logaddexp2, lambda y, x, z: exp2(x - y), lambda y, x, z: exp2(z - y),
    lower=_log_of_sum("exp2", 1.0 / LN2, 1.0),
    words=Words("y = log2(2^a + 2^b)", "dy/da = 2^(a - y), dy/db = 2^(b - y)",
                "A sum of powers of two kept as its logarithm.", "2のべきの和を対数のまま計算する。"),
    samples=binary(complex=False),
)  # fmt: skip
