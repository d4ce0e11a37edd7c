"""Rounding, and the quotients and remainders that come of it.

Piecewise constant, or of slope 1 between jumps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.graph import Op, Words
from koubai.ops.define import binary, elementwise, predicate, unary
from koubai.ops.lowering import Scalar


def _rounding(name: str, forward: Any, formula: str, en: str, ja: str, body: Any = None) -> Op:
    def of_reals(e: Any, x: Any) -> Any:
        return getattr(e, name)(x) if x.dtype.kind == "f" else x

    lower = Scalar(body or of_reals)
    return predicate(name, forward, formula, en, ja, unary(0.1, 2.3, complex=False), lower=lower)


floor = _rounding("floor", np.floor, "y = floor(x)", "Rounded down; piecewise constant.", "切り捨て。区分的に定数。")
ceil = _rounding("ceil", np.ceil, "y = ceil(x)", "Rounded up; piecewise constant.", "切り上げ。区分的に定数。")
trunc = _rounding("trunc", np.trunc, "y = trunc(x)", "Rounded towards zero; piecewise constant.",
                  "0方向への丸め。区分的に定数。")  # fmt: skip
rint = _rounding("rint", np.rint, "y = round(x)", "Rounded to the nearest integer, halves to even.",
                 "最も近い整数への丸め(中間は偶数へ)。")  # fmt: skip


def _round_to(e: Any, x: Any, *, decimals: int = 0) -> Any:
    """By a power of ten there and back, as NumPy does it."""
    if x.dtype.kind != "f":
        return x if decimals >= 0 else e.cast(_round_to(e, e.cast(x, np.float64), decimals=decimals), x.dtype)
    if decimals == 0:
        return e.rint(x)
    tens = e.number(10.0 ** abs(decimals), x)
    there, back = (e.mul, e.div) if decimals > 0 else (e.div, e.mul)
    return back(e.rint(there(x, tens)), tens)


round_to = _rounding("round_to", np.round, "y = round(x, decimals)", "Rounded to a number of decimals.",
                     "指定した小数桁への丸め。", _round_to)  # fmt: skip


def _remainder(e: Any, x: Any, z: Any) -> Any:
    """The rest of the truncated quotient, brought to the divisor's side of zero."""
    zero = e.number(0, x)
    rest = e.fmod(x, z) if x.dtype.kind == "f" else e.int_rem(x, z)
    other_side = e.both(e.ne(rest, zero), e.differ(e.lt(rest, zero), e.lt(z, zero)))
    y = e.select(other_side, e.add(rest, z), rest)
    if x.dtype.kind != "f":
        return y
    y = e.select(e.eq(rest, zero), e.copysign(zero, z), y)
    return e.select(e.eq(z, zero), rest, y)


def _floor_divide(e: Any, x: Any, z: Any) -> Any:
    zero, one = e.number(0, x), e.number(1, x)
    if x.dtype.kind != "f":
        down = e.both(e.ne(e.int_rem(x, z), zero), e.differ(e.lt(x, zero), e.lt(z, zero)))
        return e.select(e.both(down, e.ne(z, zero)), e.sub(e.int_div(x, z), one), e.int_div(x, z))
    rest = e.fmod(x, z)
    other_side = e.both(e.ne(rest, zero), e.differ(e.lt(rest, zero), e.lt(z, zero)))
    quotient = e.div(e.sub(x, rest), z)
    quotient = e.select(other_side, e.sub(quotient, one), quotient)
    # Nearly a whole number by now, which its floor may miss by one.
    whole = e.floor(quotient)
    whole = e.select(e.gt(e.sub(quotient, whole), e.number(0.5, x)), e.add(whole, one), whole)
    whole = e.select(e.eq(quotient, zero), e.copysign(zero, e.div(x, z)), whole)
    return e.select(e.eq(z, zero), e.div(x, z), whole)


floor_divide = predicate(
    "floor_divide", np.floor_divide, "y = floor(a/b)",
    "The quotient rounded down: piecewise constant, so no gradient.",
    "切り捨て除算。区分的に定数なので勾配は流れない。", binary(0.6, 2.3, complex=False), lower=Scalar(_floor_divide),
)  # fmt: skip
remainder = elementwise(
    "remainder", np.remainder, 1, lambda y, x, z: -floor_divide(x, z),
    lower=Scalar(_remainder),
    words=Words("y = a - b floor(a/b)", "dy/da = 1, dy/db = -floor(a/b)",
                "The remainder with the divisor's sign; slope 1 between its jumps.",
                "除数と同じ符号をもつ剰余。不連続点の間では傾き1。"),
    samples=binary(0.6, 2.3, complex=False),
)  # fmt: skip
fmod = elementwise(
    "fmod", np.fmod, 1, lambda y, x, z: -trunc(x / z),
    lower=Scalar(lambda e, x, z: e.fmod(x, z) if x.dtype.kind == "f" else e.int_rem(x, z)),
    words=Words("y = a - b trunc(a/b)", "dy/da = 1, dy/db = -trunc(a/b)",
                "The remainder with the dividend's sign; slope 1 between its jumps.",
                "被除数と同じ符号をもつ剰余。不連続点の間では傾き1。"),
    samples=binary(0.6, 2.3, complex=False),
)  # fmt: skip
