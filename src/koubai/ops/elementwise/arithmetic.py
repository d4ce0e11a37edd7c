"""Sums, differences, products and quotients.

The four operations are Python's operators: on NumPy scalars they cost a tenth of what the ufuncs do.
"""

from __future__ import annotations

import operator

from koubai.graph import Words
from koubai.ops.define import binary, conjugated, elementwise, unary
from koubai.ops.lowering import Scalar

add = elementwise(
    "add", operator.add, 1, 1,
    lower=Scalar(lambda e, x, z: e.add(x, z)),
    words=Words("y = a + b", "dy/da = 1, dy/db = 1",
                "A sum passes the gradient on to both of its terms unchanged.",
                "加算は、上流の勾配をそのまま両方の項へ流す。"),
    samples=binary(),
)  # fmt: skip
subtract = elementwise(
    "subtract", operator.sub, 1, -1,
    lower=Scalar(lambda e, x, z: e.sub(x, z)),
    words=Words("y = a - b", "dy/da = 1, dy/db = -1",
                "A difference passes the gradient on to the first term, and its negative to the second.",
                "減算は、第1項へは勾配をそのまま、第2項へは符号を反転して流す。"),
    samples=binary(),
)  # fmt: skip
multiply = elementwise(
    "multiply", operator.mul, lambda y, x, z: z, lambda y, x, z: x,
    lower=Scalar(lambda e, x, z: e.mul(x, z)),
    words=Words("y = a b", "dy/da = b, dy/db = a",
                "A product multiplies the gradient by the other factor.",
                "乗算は、上流の勾配に相手の値を掛けて流す(入力を入れ替えて掛ける)。"),
    samples=binary(),
)  # fmt: skip
divide = elementwise(
    "divide", operator.truediv,
    vjp=(lambda g, y, x, z: g / conjugated(z), lambda g, y, x, z: -(g * conjugated(y)) / conjugated(z)),
    jvp=(lambda t, y, x, z: t / z, lambda t, y, x, z: -(t * y) / z),
    lower=Scalar(lambda e, x, z: e.div(x, z)),
    words=Words("y = a/b", "dy/da = 1/b, dy/db = -y/b",
                "A quotient divides the gradient by the denominator; the denominator receives -y/b times it.",
                "除算は、分子へは勾配を分母で割って、分母へは -y/b 倍して流す。"),
    samples=binary(0.5, 2.0),
)  # fmt: skip
negative = elementwise(
    "negative", operator.neg, -1,
    lower=Scalar(lambda e, x: e.neg(x)),
    words=Words("y = -x", "dy/dx = -1", "The negative turns the gradient's sign.",
                "符号反転は、勾配の符号も反転させる。"),
    samples=unary(),
)  # fmt: skip
positive = elementwise(
    "positive", operator.pos, 1,
    lower=Scalar(lambda e, x: x),
    words=Words("y = +x", "dy/dx = 1", "Passes value and gradient on.", "値も勾配もそのまま通す。"),
    samples=unary(),
)  # fmt: skip
