"""Comparisons, truth values and bits: piecewise constant, so that no gradient flows."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.graph import Sample
from koubai.ops.define import arrays, binary, predicate, unary
from koubai.ops.lowering import Scalar


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
