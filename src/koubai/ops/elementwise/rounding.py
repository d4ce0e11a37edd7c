"""Rounding, and the quotients and remainders that come of it.

Piecewise constant, or of slope 1 between jumps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.graph import Op, Words
from koubai.ops.define import binary, elementwise, predicate, unary


def _rounding(name: str, forward: Any, formula: str, en: str, ja: str) -> Op:
    return predicate(name, forward, formula, en, ja, unary(0.1, 2.3, complex=False))


floor = _rounding("floor", np.floor, "y = floor x", "Rounded down; piecewise constant.", "切り捨て。区分的に定数。")
ceil = _rounding("ceil", np.ceil, "y = ceil x", "Rounded up; piecewise constant.", "切り上げ。区分的に定数。")
trunc = _rounding("trunc", np.trunc, "y = trunc x", "Rounded towards zero; piecewise constant.",
                  "0方向への丸め。区分的に定数。")  # fmt: skip
rint = _rounding("rint", np.rint, "y = round x", "Rounded to the nearest integer, halves to even.",
                 "最も近い整数への丸め(中間は偶数へ)。")  # fmt: skip
round_to = _rounding("round_to", np.round, "y = x rounded to decimals", "Rounded to a number of decimals.",
                     "指定した小数桁への丸め。")  # fmt: skip
floor_divide = predicate(
    "floor_divide", np.floor_divide, "y = floor(a/b)",
    "The quotient rounded down: piecewise constant, so no gradient.",
    "切り捨て除算。区分的に定数なので勾配は流れない。", binary(0.6, 2.3, complex=False),
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
