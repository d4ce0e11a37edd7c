"""Elementwise ops: arithmetic, powers, exponentials, trigonometry, comparisons.

Conventions where a derivative does not exist: ties in maximum and minimum share the gradient equally;
abs'(0) = sign'(0) = relu'(0) = 0; clip passes gradient on its inclusive bounds; x**0 has derivative 0 in
x everywhere, and 0**p has derivative 0 in p.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.graph import Sample, Words
from koubai.ops.define import Through, arrays, binary, conjugated, elementwise, predicate, unary
from koubai.ops.lowering import Scalar

LN2 = float(np.log(2.0))
LN10 = float(np.log(10.0))

# Arithmetic. Python's operators instead of the ufuncs: on NumPy scalars they cost a tenth.

add = elementwise(
    "add", lambda x, z: x + z, 1, 1,
    lower=Scalar(lambda e, x, z: e.add(x, z)),
    words=Words("y = a + b", "dy/da = 1, dy/db = 1",
                "A sum passes the gradient on to both of its terms unchanged.",
                "加算は、上流の勾配をそのまま両方の項へ流す。"),
    samples=binary(),
)  # fmt: skip
subtract = elementwise(
    "subtract", lambda x, z: x - z, 1, -1,
    lower=Scalar(lambda e, x, z: e.sub(x, z)),
    words=Words("y = a - b", "dy/da = 1, dy/db = -1",
                "A difference passes the gradient on to the first term, and its negative to the second.",
                "減算は、第1項へは勾配をそのまま、第2項へは符号を反転して流す。"),
    samples=binary(),
)  # fmt: skip
multiply = elementwise(
    "multiply", lambda x, z: x * z, lambda y, x, z: z, lambda y, x, z: x,
    lower=Scalar(lambda e, x, z: e.mul(x, z)),
    words=Words("y = a b", "dy/da = b, dy/db = a",
                "A product multiplies the gradient by the other factor.",
                "乗算は、上流の勾配に相手の値を掛けて流す(入力を入れ替えて掛ける)。"),
    samples=binary(),
)  # fmt: skip
divide = elementwise(
    "divide", lambda x, z: x / z,
    vjp=(lambda g, y, x, z: g / conjugated(z), lambda g, y, x, z: -(g * conjugated(y)) / conjugated(z)),
    jvp=(lambda t, y, x, z: t / z, lambda t, y, x, z: -(t * y) / z),
    lower=Scalar(lambda e, x, z: e.div(x, z)),
    words=Words("y = a / b", "dy/da = 1/b, dy/db = -y/b",
                "A quotient divides the gradient by the denominator; the denominator receives -y/b times it.",
                "除算は、分子へは勾配を分母で割って、分母へは -y/b 倍して流す。"),
    samples=binary(0.5, 2.0),
)  # fmt: skip
negative = elementwise(
    "negative", lambda x: -x, -1,
    lower=Scalar(lambda e, x: e.neg(x)),
    words=Words("y = -x", "dy/dx = -1", "The negative turns the gradient's sign.",
                "符号反転は、勾配の符号も反転させる。"),
    samples=unary(),
)  # fmt: skip
positive = elementwise(
    "positive", lambda x: +x, 1,
    lower=Scalar(lambda e, x: x),
    words=Words("y = +x", "dy/dx = 1", "Passes value and gradient on.", "値も勾配もそのまま通す。"),
    samples=unary(),
)  # fmt: skip
remainder = elementwise(
    "remainder", np.remainder, 1, lambda y, x, z: -floor_divide(x, z),
    words=Words("y = a mod b", "dy/da = 1, dy/db = -floor(a/b)",
                "The remainder with the divisor's sign; slope 1 between its jumps.",
                "除数と同じ符号をもつ剰余。不連続点の間では傾き1。"),
    samples=binary(0.6, 2.3, complex=False),
)  # fmt: skip
fmod = elementwise(
    "fmod", np.fmod, 1, lambda y, x, z: -trunc(x / z),
    words=Words("y = a - b trunc(a/b)", "dy/da = 1, dy/db = -trunc(a/b)",
                "The remainder with the dividend's sign; slope 1 between its jumps.",
                "被除数と同じ符号をもつ剰余。不連続点の間では傾き1。"),
    samples=binary(0.6, 2.3, complex=False),
)  # fmt: skip
floor_divide = predicate(
    "floor_divide", np.floor_divide, "y = floor(a/b)",
    "The quotient rounded down: piecewise constant, so no gradient.",
    "切り捨て除算。区分的に定数なので勾配は流れない。", binary(0.6, 2.3, complex=False),
)  # fmt: skip


# Powers, exponentials, logarithms.

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
    words=Words("y = a^p", "dy/da = p a^(p-1), dy/dp = y ln a",
                "A power multiplies the gradient by the exponent and lowers the exponent by one.",
                "べき乗は、指数を前に出して指数を1下げたものを勾配に掛ける。"),
    samples=binary(0.5, 2.0),
)  # fmt: skip
square = elementwise(
    "square", lambda x: x * x, lambda y, x: 2.0 * x,
    lower=Scalar(lambda e, x: e.mul(x, x)),
    words=Words("y = x^2", "dy/dx = 2x", "A square multiplies the gradient by twice its input.",
                "2乗は、勾配に入力の2倍を掛ける。"),
    samples=unary(),
)  # fmt: skip
sqrt = elementwise(
    "sqrt", np.sqrt, lambda y, x: 0.5 / y,
    lower=Scalar(lambda e, x: e.sqrt(x)),
    words=Words("y = sqrt x", "dy/dx = 1/(2y)", "A square root divides the gradient by twice its result.",
                "平方根は、勾配を出力の2倍で割る。"),
    samples=unary(0.3, 2.0),
)  # fmt: skip
cbrt = elementwise(
    "cbrt", np.cbrt, lambda y, x: 1.0 / (3.0 * y * y),
    lower=Scalar(lambda e, x: e.cbrt(x)),
    words=Words("y = cbrt x", "dy/dx = 1/(3 y^2)", "The cube root.", "立方根。勾配を 3y² で割る。"),
    samples=unary(0.3, 2.0, complex=False),
)  # fmt: skip
reciprocal = elementwise(
    "reciprocal", np.reciprocal, lambda y, x: -y * y,
    lower=Scalar(lambda e, x: e.div(e.number(1, x), x)),
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
    words=Words("y = 2^x", "dy/dx = y ln 2", "The exponential with base two.", "底2の指数関数。"),
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
    words=Words("y = ln x", "dy/dx = 1/x", "A logarithm divides the gradient by its input.",
                "対数は、勾配を入力で割る。"),
    samples=unary(0.3, 2.0),
)  # fmt: skip
log2 = elementwise(
    "log2", np.log2, lambda y, x: (1.0 / LN2) / x,
    lower=Scalar(lambda e, x: e.log2(x)),
    words=Words("y = log2 x", "dy/dx = 1/(x ln 2)", "The logarithm to base two.", "底2の対数。"),
    samples=unary(0.3, 2.0),
)  # fmt: skip
log10 = elementwise(
    "log10", np.log10, lambda y, x: (1.0 / LN10) / x,
    lower=Scalar(lambda e, x: e.log10(x)),
    words=Words("y = log10 x", "dy/dx = 1/(x ln 10)", "The logarithm to base ten.", "常用対数。"),
    samples=unary(0.3, 2.0),
)  # fmt: skip
log1p = elementwise(
    "log1p", np.log1p, lambda y, x: 1.0 / (1.0 + x),
    lower=Scalar(lambda e, x: e.log1p(x)),
    words=Words("y = ln(1 + x)", "dy/dx = 1/(1 + x)", "ln(1 + x) without losing digits near zero.",
                "0付近でも桁落ちしない ln(1 + x)。"),
    samples=unary(-0.5, 2.0),
)  # fmt: skip
logaddexp = elementwise(
    "logaddexp", np.logaddexp, lambda y, x, z: exp(x - y), lambda y, x, z: exp(z - y),
    words=Words("y = ln(e^a + e^b)", "dy/da = e^(a-y), dy/db = e^(b-y)",
                "A sum of exponentials kept as its logarithm; each term's share of the sum is its derivative.",
                "指数の和を対数のまま計算する。各項の勾配は和に占める割合になる。"),
    samples=binary(complex=False),
)  # fmt: skip
logaddexp2 = elementwise(
    "logaddexp2", np.logaddexp2, lambda y, x, z: exp2(x - y), lambda y, x, z: exp2(z - y),
    words=Words("y = log2(2^a + 2^b)", "dy/da = 2^(a-y), dy/db = 2^(b-y)",
                "A sum of powers of two kept as its logarithm.", "2のべきの和を対数のまま計算する。"),
    samples=binary(complex=False),
)  # fmt: skip

# Trigonometric and hyperbolic functions.

sin = elementwise(
    "sin", np.sin, lambda y, x: cos(x),
    lower=Scalar(lambda e, x: e.sin(x)),
    words=Words("y = sin x", "dy/dx = cos x", "The sine's slope is the cosine.", "正弦の傾きは余弦。"),
    samples=unary(),
)  # fmt: skip
cos = elementwise(
    "cos", np.cos, lambda y, x: -sin(x),
    lower=Scalar(lambda e, x: e.cos(x)),
    words=Words("y = cos x", "dy/dx = -sin x", "The cosine's slope is minus the sine.",
                "余弦の傾きは正弦の符号を変えたもの。"),
    samples=unary(),
)  # fmt: skip
tan = elementwise(
    "tan", np.tan, lambda y, x: 1.0 + y * y,
    lower=Scalar(lambda e, x: e.tan(x)),
    words=Words("y = tan x", "dy/dx = 1 + y^2", "The tangent's slope is one plus its square.",
                "正接の傾きは 1 + y²。"),
    samples=unary(-1.2, 1.2),
)  # fmt: skip
arcsin = elementwise(
    "arcsin", np.arcsin, lambda y, x: 1.0 / sqrt(1.0 - x * x),
    lower=Scalar(lambda e, x: e.asin(x)),
    words=Words("y = arcsin x", "dy/dx = 1/sqrt(1 - x^2)", "The angle whose sine is x.", "正弦が x となる角。"),
    samples=unary(-0.8, 0.8),
)  # fmt: skip
arccos = elementwise(
    "arccos", np.arccos, lambda y, x: -1.0 / sqrt(1.0 - x * x),
    lower=Scalar(lambda e, x: e.acos(x)),
    words=Words("y = arccos x", "dy/dx = -1/sqrt(1 - x^2)", "The angle whose cosine is x.", "余弦が x となる角。"),
    samples=unary(-0.8, 0.8),
)  # fmt: skip
arctan = elementwise(
    "arctan", np.arctan, lambda y, x: 1.0 / (1.0 + x * x),
    lower=Scalar(lambda e, x: e.atan(x)),
    words=Words("y = arctan x", "dy/dx = 1/(1 + x^2)", "The angle whose tangent is x.", "正接が x となる角。"),
    samples=unary(),
)  # fmt: skip
sinh = elementwise(
    "sinh", np.sinh, lambda y, x: cosh(x),
    lower=Scalar(lambda e, x: e.sinh(x)),
    words=Words("y = sinh x", "dy/dx = cosh x", "The hyperbolic sine.", "双曲線正弦。傾きは cosh x。"),
    samples=unary(),
)  # fmt: skip
cosh = elementwise(
    "cosh", np.cosh, lambda y, x: sinh(x),
    lower=Scalar(lambda e, x: e.cosh(x)),
    words=Words("y = cosh x", "dy/dx = sinh x", "The hyperbolic cosine.", "双曲線余弦。傾きは sinh x。"),
    samples=unary(),
)  # fmt: skip
tanh = elementwise(
    "tanh", np.tanh, lambda y, x: 1.0 - y * y,
    lower=Scalar(lambda e, x: e.tanh(x)),
    words=Words("y = tanh x", "dy/dx = 1 - y^2",
                "The hyperbolic tangent; its slope is 1 - y², largest in the middle and nearly zero when saturated.",
                "双曲線正接。傾きは 1 - y² で、中央で最大、飽和するとほぼ0になる。"),
    samples=unary(),
)  # fmt: skip
arcsinh = elementwise(
    "arcsinh", np.arcsinh, lambda y, x: 1.0 / sqrt(x * x + 1.0),
    lower=Scalar(lambda e, x: e.asinh(x)),
    words=Words("y = arcsinh x", "dy/dx = 1/sqrt(x^2 + 1)", "The inverse of sinh.", "sinh の逆関数。"),
    samples=unary(),
)  # fmt: skip
arccosh = elementwise(
    "arccosh", np.arccosh, lambda y, x: 1.0 / (sqrt(x - 1.0) * sqrt(x + 1.0)),
    lower=Scalar(lambda e, x: e.acosh(x)),
    words=Words("y = arccosh x", "dy/dx = 1/sqrt(x^2 - 1)", "The inverse of cosh.", "cosh の逆関数。"),
    samples=unary(1.3, 3.0),
)  # fmt: skip
arctanh = elementwise(
    "arctanh", np.arctanh, lambda y, x: 1.0 / (1.0 - x * x),
    lower=Scalar(lambda e, x: e.atanh(x)),
    words=Words("y = arctanh x", "dy/dx = 1/(1 - x^2)", "The inverse of tanh.", "tanh の逆関数。"),
    samples=unary(-0.8, 0.8),
)  # fmt: skip


def _sinc_slope(y: Any, x: Any) -> Any:
    # (cos(pi x) - sinc x)/x loses every digit near 0, where the series -pi^2 x/3 + pi^4 x^3/30 takes over;
    # at |x| < 1e-3 the next term, pi^6 x^5/840, is below 1e-15.
    near = absolute(x) < 1e-3
    away = where(near, 1.0, x)
    series = x * (-(np.pi**2) / 3.0 + (np.pi**4 / 30.0) * x * x)
    return where(near, series, (cos(np.pi * away) - sinc(away)) / away)


sinc = elementwise(
    "sinc", np.sinc, _sinc_slope,
    words=Words("y = sin(pi x)/(pi x)", "dy/dx = (cos(pi x) - y)/x", "The normalized cardinal sine.",
                "正規化された sinc 関数。"),
    samples=unary(0.2, 2.0, complex=False),
)  # fmt: skip
arctan2 = elementwise(
    "arctan2", np.arctan2,
    lambda y, a, b: b / _radius2(a, b), lambda y, a, b: -a / _radius2(a, b),
    lower=Scalar(lambda e, x, z: e.atan2(x, z)),
    words=Words("y = angle of the point (b, a)", "dy/da = b/(a^2 + b^2), dy/db = -a/(a^2 + b^2)",
                "The angle of the point (b, a); at the origin the gradient is taken as zero.",
                "点 (b, a) の偏角。原点では勾配を0とする。"),
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


# Sign, size, choice.

absolute = elementwise(
    "absolute", abs,
    vjp=(lambda g, y, x: g * sign(x),), jvp=(lambda t, y, x: real(conjugated(sign(x)) * t),),
    words=Words("y = |x|", "dy/dx = sign x", "The absolute value: gradient times the sign, zero at zero.",
                "絶対値。勾配に符号を掛ける。0では0とする。"),
    samples=unary(0.2, 2.0),
)  # fmt: skip


def _sign_rule(g: Any, y: Any, x: Any) -> Any:
    if y.dtype.kind != "c":
        return 0.0 * g
    size = absolute(x)
    return (g - y * real(conjugated(y) * g)) / where(size == 0, np.inf, size)


sign = elementwise(
    "sign", np.sign, vjp=(_sign_rule,), jvp=(_sign_rule,),
    words=Words("y = x/|x|, 0 at 0", "0 (real x)", "The sign; flat for real x. For complex x the direction x/|x|.",
                "符号。実数では区分的に定数なので勾配は0。複素数では方向 x/|x|。"),
    samples=unary(0.2, 2.0),
)  # fmt: skip
copysign = elementwise(
    "copysign", np.copysign, lambda y, x, z: where(y == x, 1.0, -1.0) * where(x == 0, 0.0, 1.0),
    lambda y, x, z: 0.0 * z,
    words=Words("y = |a| with the sign of b", "dy/da = sign a sign b, dy/db = 0",
                "The size of a with the sign of b.", "a の大きさに b の符号をつける。"),
    samples=binary(0.3, 2.0, complex=False),
)  # fmt: skip


def _picked(g: Any, y: Any, mine: Any, other: Any) -> Any:
    return where(mine == other, 0.5 * g, where(mine == y, g, 0.0))


def _extremum(name: str, forward: Any, en: str, ja: str) -> Any:
    short = name[-3:] if name[0] == "f" else name[:3]
    return elementwise(
        name, forward, Through(lambda g, y, x, z: _picked(g, y, x, z)), Through(lambda g, y, x, z: _picked(g, y, z, x)),
        words=Words(f"y = {short}(a, b)", "1 for the one chosen, 0 for the other; 1/2 each at a tie", en, ja),
        samples=binary(complex=False),
    )  # fmt: skip


maximum = _extremum("maximum", np.maximum, "The larger input receives the whole gradient; a tie shares it equally.",
                    "大きいほうの入力が勾配をすべて受け取る。等しいときは半分ずつ。")  # fmt: skip
minimum = _extremum("minimum", np.minimum, "The smaller input receives the whole gradient; a tie shares it equally.",
                    "小さいほうの入力が勾配をすべて受け取る。等しいときは半分ずつ。")  # fmt: skip
fmax = _extremum("fmax", np.fmax, "As maximum, but a NaN loses against a number.",
                 "maximum と同じ。ただし NaN は数に負ける。")  # fmt: skip
fmin = _extremum("fmin", np.fmin, "As minimum, but a NaN loses against a number.",
                 "minimum と同じ。ただし NaN は数に負ける。")  # fmt: skip


def _where(c: Any, x: Any, z: Any) -> Any:
    y: Any = np.where(c, x, z)
    return y[()]


where = elementwise(
    "where", _where,
    None, Through(lambda g, y, c, x, z: where(c, g, 0.0)), Through(lambda g, y, c, x, z: where(c, 0.0, g)),
    lower=Scalar(lambda e, c, x, z: e.select(e.cast(c, np.bool_), x, z), as_is=(0,)),
    words=Words("y = a where c else b", "1 for the one chosen, 0 for the other",
                "A choice sends the gradient to the branch that was taken.",
                "条件選択。選ばれたほうだけに勾配を流す。"),
    samples=lambda: [Sample((arrays(shape)[0] > 0, *arrays(shape, other, seed=1)))
                     for shape, other in [((), ()), ((3,), (3,)), ((2, 3), (3,)), ((0, 2), (1, 2))]],
)  # fmt: skip
clip = elementwise(
    "clip", np.clip,
    Through(lambda g, y, x, lo, hi: where(x == y, g, 0.0)),
    Through(lambda g, y, x, lo, hi: where((x < lo) & (lo < hi), g, 0.0)),
    Through(lambda g, y, x, lo, hi: where((x > hi) | (lo > hi), g, 0.0)),
    words=Words("y = min(max(x, lo), hi)", "dy/dx = 1 for lo <= x <= hi, else 0",
                "Gradient passes between the bounds, the bounds included; outside it goes to the bound.",
                "範囲内(境界を含む)では勾配を通し、範囲外では境界値のほうへ流す。"),
    samples=lambda: [Sample((x, -1.03, 1.01)) for x in arrays((), (3,), (2, 3), (0, 2))]
    + [Sample((*arrays((2, 3)), *arrays((3,), low=-1.5, high=-0.5), *arrays((2, 1), low=0.5, high=1.5)))],
)  # fmt: skip
relu = elementwise(
    "relu", lambda x: np.maximum(x, 0), Through(lambda g, y, x: where(x > 0, g, 0.0)),
    lower=Scalar(lambda e, x: e.select(e.le(x, e.number(0, x)), e.number(0, x), x)),
    words=Words("y = max(x, 0)", "dy/dx = 1 if x > 0 else 0",
                "The rectifier passes the gradient where its input is positive, and nothing elsewhere (0 at 0).",
                "ReLU。入力が正のところだけ勾配を通す。0での微分は0とする。"),
    samples=unary(complex=False),
)  # fmt: skip
nan_to_num = elementwise(
    "nan_to_num", lambda x, **params: np.nan_to_num(x, **params)[()],
    Through(lambda g, y, x, **params: where(isfinite(x), g, 0.0)),
    words=Words("y = x, with NaN and infinities replaced", "dy/dx = 1 where x is finite, else 0",
                "Gradient passes where the input was a finite number.", "有限の値だったところだけ勾配を通す。"),
    samples=unary(),
)  # fmt: skip

# Complex numbers.

conjugate = elementwise(
    "conjugate", np.conjugate,
    vjp=(lambda g, y, x: conjugated(g),), jvp=(lambda t, y, x: conjugated(t),),
    words=Words("y = conj x", "the gradient is conjugated too", "The complex conjugate.",
                "複素共役。勾配も共役になる。"),
    samples=unary(),
)  # fmt: skip
real = elementwise(
    "real", lambda x: np.real(x)[()] if np.iscomplexobj(x) else +x,
    vjp=(lambda g, y, x: g,), jvp=(lambda t, y, x: real(t),),
    words=Words("y = Re x", "the gradient is real", "The real part.", "実部。"),
    samples=unary(),
)  # fmt: skip
imag = elementwise(
    "imag", lambda x: np.imag(x)[()],
    vjp=(lambda g, y, x: 1j * g if x.dtype.kind == "c" else 0.0,), jvp=(lambda t, y, x: imag(t),),
    words=Words("y = Im x", "the gradient is imaginary", "The imaginary part.", "虚部。"),
    samples=unary(),
)  # fmt: skip


def _turn(x: Any) -> Any:
    size2 = absolute(x) ** 2
    return x / where(size2 == 0, np.inf, size2)


angle = elementwise(
    "angle", np.angle,
    vjp=(lambda g, y, x: g * (1j * _turn(x)),), jvp=(lambda t, y, x: imag(conjugated(_turn(x)) * t),),
    words=Words("y = arg x", "the gradient points across x, with length 1/|x|", "The angle of a complex number.",
                "複素数の偏角。"),
    samples=unary(0.3, 2.0),
)  # fmt: skip


# Comparisons and other piecewise constant functions.

def _comparison(name: str, forward: Any, symbol: str, lower: Scalar) -> Any:
    return predicate(
        name, forward, f"y = (a {symbol} b)", f"Whether a {symbol} b holds, element by element; no gradient.",
        f"要素ごとの比較 a {symbol} b。勾配は流れない。", binary(complex=False), lower=lower,
    )  # fmt: skip


equal = _comparison("equal", np.equal, "==", Scalar(lambda e, x, z: e.eq(x, z)))
not_equal = _comparison("not_equal", np.not_equal, "!=", Scalar(lambda e, x, z: e.ne(x, z)))
less = _comparison("less", np.less, "<", Scalar(lambda e, x, z: e.lt(x, z)))
less_equal = _comparison("less_equal", np.less_equal, "<=", Scalar(lambda e, x, z: e.le(x, z)))
greater = _comparison("greater", np.greater, ">", Scalar(lambda e, x, z: e.gt(x, z)))
greater_equal = _comparison("greater_equal", np.greater_equal, ">=", Scalar(lambda e, x, z: e.ge(x, z)))


def _logical(name: str, forward: Any, word: str) -> Any:
    return predicate(
        name, forward, f"y = a {word} b", f"The truth value of a {word} b; no gradient.",
        f"真偽値 a {word} b。勾配は流れない。",
        lambda: [Sample((a > 0, b > 0)) for a, b in [arrays((3,), (3,)), arrays((2, 3), (3,)), arrays((), ())]],
    )  # fmt: skip


logical_and = _logical("logical_and", np.logical_and, "and")
logical_or = _logical("logical_or", np.logical_or, "or")
logical_xor = _logical("logical_xor", np.logical_xor, "xor")
bitwise_and = _logical("bitwise_and", np.bitwise_and, "&")
bitwise_or = _logical("bitwise_or", np.bitwise_or, "|")
bitwise_xor = _logical("bitwise_xor", np.bitwise_xor, "^")


def _flat(name: str, forward: Any, formula: str, en: str, ja: str, samples: Any = None) -> Any:
    return predicate(name, forward, formula, en, ja, samples or unary(0.1, 2.3, complex=False))


logical_not = _flat("logical_not", np.logical_not, "y = not x", "The opposite truth value; no gradient.",
                    "真偽の反転。勾配は流れない。")  # fmt: skip
invert = _flat("invert", np.invert, "y = ~x", "Every bit turned; no gradient.", "全ビットの反転。勾配は流れない。",
               lambda: [Sample((arrays((3,))[0] > 0,)), Sample((np.arange(4),))])  # fmt: skip
isnan = _flat("isnan", np.isnan, "y = (x is NaN)", "Whether x is not a number.", "非数(NaN)かどうか。")
isinf = _flat("isinf", np.isinf, "y = (x is infinite)", "Whether x is infinite.", "無限大かどうか。")
isfinite = _flat("isfinite", np.isfinite, "y = (x is finite)", "Whether x is a finite number.", "有限の数かどうか。")
signbit = _flat("signbit", np.signbit, "y = (x < 0)", "Whether the sign bit is set.", "符号ビットが立っているか。")
floor = _flat("floor", np.floor, "y = floor x", "Rounded down; piecewise constant.", "切り捨て。区分的に定数。")
ceil = _flat("ceil", np.ceil, "y = ceil x", "Rounded up; piecewise constant.", "切り上げ。区分的に定数。")
trunc = _flat("trunc", np.trunc, "y = trunc x", "Rounded towards zero; piecewise constant.",
              "0方向への丸め。区分的に定数。")  # fmt: skip
rint = _flat("rint", np.rint, "y = round x", "Rounded to the nearest integer, halves to even.",
             "最も近い整数への丸め(中間は偶数へ)。")  # fmt: skip
round_to = _flat("round_to", np.round, "y = x rounded to decimals", "Rounded to a number of decimals.",
                 "指定した小数桁への丸め。")  # fmt: skip
heaviside = predicate("heaviside", np.heaviside, "y = 0 for x < 0, b at 0, 1 for x > 0", "The unit step.",
                      "ヘビサイドの階段関数。", binary(0.3, 2.0, complex=False))  # fmt: skip


def _shift(name: str, forward: Any, symbol: str, en: str, ja: str) -> Any:
    return predicate(name, forward, f"y = a {symbol} b", en, ja,
                     lambda: [Sample((np.arange(4), np.array([0, 1, 2, 1])))])  # fmt: skip


left_shift = _shift("left_shift", np.left_shift, "<<", "Bits shifted to the left; no gradient.",
                    "左へのビットシフト。勾配は流れない。")  # fmt: skip
right_shift = _shift("right_shift", np.right_shift, ">>", "Bits shifted to the right; no gradient.",
                     "右へのビットシフト。勾配は流れない。")  # fmt: skip
binary_exponent = _flat("binary_exponent", lambda x: np.frexp(x)[1], "y with 1/2 <= |x| 2^-y < 1",
                        "The exponent of a floating-point number; no gradient.",
                        "浮動小数点数の指数部。勾配は流れない。")  # fmt: skip
