"""Size, sign, direction and parts of real and complex numbers.

abs and sign have derivative 0 at 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.graph import Words
from koubai.ops.define import binary, conjugated, elementwise, unary
from koubai.ops.elementwise.choice import where
from koubai.ops.elementwise.comparison import sign_bit
from koubai.ops.lowering import Scalar


def _size(e: Any, x: Any) -> Any:
    if x.dtype.kind == "f":
        return e.fabs(x)
    return e.select(e.lt(x, e.number(0, x)), e.neg(x), x) if x.dtype.kind == "i" else x


absolute = elementwise(
    "absolute", abs,
    vjp=(lambda g, y, x: g * sign(x),), jvp=(lambda t, y, x: real(conjugated(sign(x)) * t),),
    lower=Scalar(_size),
    words=Words("y = |x|", "dy/dx = sign(x)", "The absolute value: gradient times the sign, zero at zero.",
                "絶対値。勾配に符号を掛ける。0では0とする。"),
    samples=unary(0.2, 2.0),
)  # fmt: skip


def _sign_rule(g: Any, y: Any, x: Any) -> Any:
    if y.dtype.kind != "c":
        return 0.0 * g
    size = absolute(x)
    return (g - y * real(conjugated(y) * g)) / where(size == 0, np.inf, size)


def _sign(e: Any, x: Any) -> Any:
    """0.0 for -0.0 too; NaN stays."""
    zero = e.number(0, x)
    y = e.select(e.eq(x, zero), zero, x)
    return e.select(e.gt(x, zero), e.number(1, x), e.select(e.lt(x, zero), e.number(-1, x), y))


sign = elementwise(
    "sign", np.sign, vjp=(_sign_rule,), jvp=(_sign_rule,), lower=Scalar(_sign),
    words=Words("y = x/|x| if x != 0 else 0", "dy/dx = 0",
                "The sign; flat for real x. For complex x the direction x/|x|.",
                "符号。実数では区分的に定数なので勾配は0。複素数では方向 x/|x|。"),
    samples=unary(0.2, 2.0),
)  # fmt: skip
copysign = elementwise(
    "copysign", np.copysign, lambda y, x, z: where(y == x, 1.0, -1.0) * where(x == 0, 0.0, 1.0),
    lambda y, x, z: 0.0 * z,
    lower=Scalar(lambda e, x, z: e.copysign(x, z)),
    words=Words("y = -|a| if signbit(b) else |a|", "dy/da = y/a if a != 0 else 0, dy/db = 0",
                "The size of a with the sign of b.", "a の大きさに b の符号をつける。"),
    samples=binary(0.3, 2.0, complex=False),
)  # fmt: skip
conjugate = elementwise(
    "conjugate", np.conjugate,
    vjp=(lambda g, y, x: conjugated(g),), jvp=(lambda t, y, x: conjugated(t),),
    lower=Scalar(lambda e, x: x),
    words=Words("y = conj(x)", "dE/dx = conj(g)", "The complex conjugate.",
                "複素共役。勾配も共役になる。"),
    samples=unary(),
)  # fmt: skip
real = elementwise(
    "real", lambda x: np.real(x)[()] if np.iscomplexobj(x) else +x,
    vjp=(lambda g, y, x: g,), jvp=(lambda t, y, x: real(t),),
    lower=Scalar(lambda e, x: x),
    words=Words("y = Re(x)", "dE/dx = g", "The real part.", "実部。"),
    samples=unary(),
)  # fmt: skip
imag = elementwise(
    "imag", lambda x: np.imag(x)[()],
    vjp=(lambda g, y, x: 1j * g if x.dtype.kind == "c" else 0.0,), jvp=(lambda t, y, x: imag(t),),
    lower=Scalar(lambda e, x: e.number(0, x)),
    words=Words("y = Im(x)", "dE/dx = i g", "The imaginary part.", "虚部。"),
    samples=unary(),
)  # fmt: skip


def _turn(x: Any) -> Any:
    size2 = absolute(x) ** 2
    return x / where(size2 == 0, np.inf, size2)


def _half_turn(e: Any, x: Any) -> Any:
    return e.select(e.ne(x, x), x, e.select(sign_bit(e, x), e.number(np.pi, x), e.number(0, x)))


angle = elementwise(
    "angle", np.angle,
    vjp=(lambda g, y, x: g * (1j * _turn(x)),), jvp=(lambda t, y, x: imag(conjugated(_turn(x)) * t),),
    lower=Scalar(_half_turn),
    words=Words("y = arg(x)", "dE/dx = i g x/|x|^2", "The angle of a complex number.",
                "複素数の偏角。"),
    samples=unary(0.3, 2.0),
)  # fmt: skip
