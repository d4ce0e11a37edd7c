"""Trigonometric and hyperbolic functions, their inverses, and what is measured in the plane.

At the origin arctan2 and hypot have derivative 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.graph import Words
from koubai.ops.define import binary, elementwise, unary
from koubai.ops.elementwise.choice import where
from koubai.ops.elementwise.complex import absolute
from koubai.ops.elementwise.exponential import sqrt
from koubai.ops.lowering import Scalar

sin = elementwise(
    "sin", np.sin, lambda y, x: cos(x),
    lower=Scalar(lambda e, x: e.sin(x)),
    words=Words("y = sin(x)", "dy/dx = cos(x)", "The sine's slope is the cosine.", "正弦の傾きは余弦。"),
    samples=unary(),
)  # fmt: skip
cos = elementwise(
    "cos", np.cos, lambda y, x: -sin(x),
    lower=Scalar(lambda e, x: e.cos(x)),
    words=Words("y = cos(x)", "dy/dx = -sin(x)", "The cosine's slope is minus the sine.",
                "余弦の傾きは正弦の符号を変えたもの。"),
    samples=unary(),
)  # fmt: skip
tan = elementwise(
    "tan", np.tan, lambda y, x: 1.0 + y * y,
    lower=Scalar(lambda e, x: e.tan(x)),
    words=Words("y = tan(x)", "dy/dx = 1 + y^2", "The tangent's slope is one plus its square.",
                "正接の傾きは 1 + y²。"),
    samples=unary(-1.2, 1.2),
)  # fmt: skip
arcsin = elementwise(
    "arcsin", np.arcsin, lambda y, x: 1.0 / sqrt(1.0 - x * x),
    lower=Scalar(lambda e, x: e.asin(x)),
    words=Words("y = arcsin(x)", "dy/dx = 1/sqrt(1 - x^2)", "The angle whose sine is x.", "正弦が x となる角。"),
    samples=unary(-0.8, 0.8),
)  # fmt: skip
arccos = elementwise(
    "arccos", np.arccos, lambda y, x: -1.0 / sqrt(1.0 - x * x),
    lower=Scalar(lambda e, x: e.acos(x)),
    words=Words("y = arccos(x)", "dy/dx = -1/sqrt(1 - x^2)", "The angle whose cosine is x.", "余弦が x となる角。"),
    samples=unary(-0.8, 0.8),
)  # fmt: skip
arctan = elementwise(
    "arctan", np.arctan, lambda y, x: 1.0 / (1.0 + x * x),
    lower=Scalar(lambda e, x: e.atan(x)),
    words=Words("y = arctan(x)", "dy/dx = 1/(1 + x^2)", "The angle whose tangent is x.", "正接が x となる角。"),
    samples=unary(),
)  # fmt: skip
sinh = elementwise(
    "sinh", np.sinh, lambda y, x: cosh(x),
    lower=Scalar(lambda e, x: e.sinh(x)),
    words=Words("y = sinh(x)", "dy/dx = cosh(x)", "The hyperbolic sine.", "双曲線正弦。傾きは cosh x。"),
    samples=unary(),
)  # fmt: skip
cosh = elementwise(
    "cosh", np.cosh, lambda y, x: sinh(x),
    lower=Scalar(lambda e, x: e.cosh(x)),
    words=Words("y = cosh(x)", "dy/dx = sinh(x)", "The hyperbolic cosine.", "双曲線余弦。傾きは sinh x。"),
    samples=unary(),
)  # fmt: skip
tanh = elementwise(
    "tanh", np.tanh, lambda y, x: 1.0 - y * y,
    lower=Scalar(lambda e, x: e.tanh(x)),
    words=Words("y = tanh(x)", "dy/dx = 1 - y^2",
                "The hyperbolic tangent; its slope is 1 - y², largest in the middle and nearly zero when saturated.",
                "双曲線正接。傾きは 1 - y² で、中央で最大、飽和するとほぼ0になる。"),
    samples=unary(),
)  # fmt: skip
arcsinh = elementwise(
    "arcsinh", np.arcsinh, lambda y, x: 1.0 / sqrt(x * x + 1.0),
    lower=Scalar(lambda e, x: e.asinh(x)),
    words=Words("y = arcsinh(x)", "dy/dx = 1/sqrt(x^2 + 1)", "The inverse of sinh.", "sinh の逆関数。"),
    samples=unary(),
)  # fmt: skip
arccosh = elementwise(
    "arccosh", np.arccosh, lambda y, x: 1.0 / (sqrt(x - 1.0) * sqrt(x + 1.0)),
    lower=Scalar(lambda e, x: e.acosh(x)),
    words=Words("y = arccosh(x)", "dy/dx = 1/(sqrt(x - 1) sqrt(x + 1))", "The inverse of cosh.", "cosh の逆関数。"),
    samples=unary(1.3, 3.0),
)  # fmt: skip
arctanh = elementwise(
    "arctanh", np.arctanh, lambda y, x: 1.0 / (1.0 - x * x),
    lower=Scalar(lambda e, x: e.atanh(x)),
    words=Words("y = arctanh(x)", "dy/dx = 1/(1 - x^2)", "The inverse of tanh.", "tanh の逆関数。"),
    samples=unary(-0.8, 0.8),
)  # fmt: skip


def _sinc_slope(y: Any, x: Any) -> Any:
    # (cos(pi x) - sinc x)/x loses every digit near 0, where the series -pi^2 x/3 + pi^4 x^3/30 takes over;
    # at |x| < 1e-3 the next term, pi^6 x^5/840, is below 1e-15.
    near = absolute(x) < 1e-3
    away = where(near, 1.0, x)
    series = x * (-(np.pi**2) / 3.0 + (np.pi**4 / 30.0) * x * x)
    return where(near, series, (cos(np.pi * away) - sinc(away)) / away)


def _sinc(e: Any, x: Any) -> Any:
    angle = e.mul(e.number(np.pi, x), x)
    angle = e.select(e.eq(angle, e.number(0, x)), e.number(np.finfo(x.dtype).eps, x), angle)
    return e.div(e.sin(angle), angle)


sinc = elementwise(
    "sinc", np.sinc, _sinc_slope, lower=Scalar(_sinc),
    words=Words("y = sin(pi x)/(pi x) if x != 0 else 1", "dy/dx = (cos(pi x) - y)/x if x != 0 else 0",
                "The normalized cardinal sine.",
                "正規化された sinc 関数。"),
    samples=unary(0.2, 2.0, complex=False),
)  # fmt: skip
arctan2 = elementwise(
    "arctan2", np.arctan2,
    lambda y, a, b: b / _radius2(a, b), lambda y, a, b: -a / _radius2(a, b),
    lower=Scalar(lambda e, x, z: e.atan2(x, z)),
    words=Words("y = arg(b + i a)", "dy/da = b/(a^2 + b^2), dy/db = -a/(a^2 + b^2)",
                "The angle of the point (b, a); at the origin the gradient is taken as zero.",
                "点 (b, a) の偏角。原点では勾配を0とする。", symbols=("a", "b")),
    samples=binary(0.3, 2.0, complex=False),
)  # fmt: skip
hypot = elementwise(
    "hypot", np.hypot,
    lambda y, a, b: a / where(y == 0, np.inf, y), lambda y, a, b: b / where(y == 0, np.inf, y),
    lower=Scalar(lambda e, x, z: e.hypot(x, z)),
    words=Words("y = sqrt(a^2 + b^2)", "dy/da = a/y, dy/db = b/y",
                "The length of (a, b); at the origin the gradient is taken as zero.",
                "ベクトル (a, b) の長さ。原点では勾配を0とする。"),
    samples=binary(0.3, 2.0, complex=False),
)  # fmt: skip


def _radius2(a: Any, b: Any) -> Any:
    radius2 = a * a + b * b
    # Infinity, so that the second derivatives are zero at the origin too.
    return where(radius2 == 0, np.inf, radius2)
