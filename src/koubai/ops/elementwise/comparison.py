"""Comparisons, truth values and bits: piecewise constant, so that no gradient flows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from koubai.graph import Sample
from koubai.ops.define import arrays, binary, predicate, unary
from koubai.ops.lowering import Choice, Scalar


def _comparison(name: str, forward: Any, symbol: str) -> Any:
    short = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}[symbol]

    def exactly(e: Any, x: Any, z: Any) -> Any:
        common = np.result_type(x.dtype, z.dtype)
        if common.kind != "f":
            return getattr(e, short)(e.cast(x, common), e.cast(z, common))
        y = getattr(e, short)(e.cast(x, np.uint64), e.cast(z, np.uint64))
        for signed, if_negative in ((x, ("lt", "le", "ne")), (z, ("gt", "ge", "ne"))):
            if signed.dtype.kind == "i":
                negative = e.lt(signed, e.number(0, signed))
                y = e.select(negative, e.constant(short in if_negative, np.bool_), y)
        return y

    plain, exact = Scalar(lambda e, x, z: getattr(e, short)(x, z)), Scalar(exactly, as_is=(0, 1))
    lower = Choice(lambda x, z: plain if _have_common_type(x, z) else exact)
    return predicate(
        name, forward, f"y = (a {symbol} b)", f"Whether a {symbol} b holds, element by element; no gradient.",
        f"要素ごとの比較 a {symbol} b。勾配は流れない。", binary(complex=False), lower=lower,
    )  # fmt: skip


def _have_common_type(x: Any, z: Any) -> bool:
    """Not int64 with uint64, nor an integer with a number beyond its range; NumPy compares their values."""
    dtypes = [v.dtype if hasattr(v, "dtype") else np.asarray(v).dtype for v in (x, z)]
    if any(dtype.kind not in "iu" for dtype in dtypes):
        return True
    for v, other in zip((x, z), reversed(dtypes)):
        if not hasattr(v, "dtype"):
            return bool(np.iinfo(other).min <= v <= np.iinfo(other).max)
    return np.result_type(*dtypes).kind != "f"


equal = _comparison("equal", np.equal, "==")
not_equal = _comparison("not_equal", np.not_equal, "!=")
less = _comparison("less", np.less, "<")
less_equal = _comparison("less_equal", np.less_equal, "<=")
greater = _comparison("greater", np.greater, ">")
greater_equal = _comparison("greater_equal", np.greater_equal, ">=")


def _logical(name: str, forward: Any, word: str, lower: Scalar) -> Any:
    formula = f"y = a {word} b" if word.isalpha() else f"y = {name}(a, b)"
    return predicate(
        name, forward, formula, f"The truth value of a {word} b; no gradient.",
        f"真偽値 a {word} b。勾配は流れない。",
        lambda: [Sample((a > 0, b > 0)) for a, b in [arrays((3,), (3,)), arrays((2, 3), (3,)), arrays((), ())]],
        lower=lower,
    )  # fmt: skip


def _of_truth(combine: str) -> Scalar:
    return Scalar(lambda e, x, z: getattr(e, combine)(e.cast(x, np.bool_), e.cast(z, np.bool_)), as_is=(0, 1))


logical_and = _logical("logical_and", np.logical_and, "and", _of_truth("both"))
logical_or = _logical("logical_or", np.logical_or, "or", _of_truth("either"))
logical_xor = _logical("logical_xor", np.logical_xor, "xor", _of_truth("differ"))
bitwise_and = _logical("bitwise_and", np.bitwise_and, "&", Scalar(lambda e, x, z: e.both(x, z)))
bitwise_or = _logical("bitwise_or", np.bitwise_or, "|", Scalar(lambda e, x, z: e.either(x, z)))
bitwise_xor = _logical("bitwise_xor", np.bitwise_xor, "^", Scalar(lambda e, x, z: e.differ(x, z)))


def _flat(
    name: str, forward: Any, formula: str, en: str, ja: str, body: Callable[..., Any], samples: Any = None
) -> Any:
    """An op of one input that its lowering takes as it is."""
    samples = samples or unary(0.1, 2.3, complex=False)
    return predicate(name, forward, formula, en, ja, samples, lower=Scalar(body, as_is=(0,)))


def _is_finite(e: Any, x: Any) -> Any:
    return e.lt(e.fabs(x), e.number(np.inf, x)) if x.dtype.kind == "f" else e.constant(True, np.bool_)


def _is_infinite(e: Any, x: Any) -> Any:
    return e.eq(e.fabs(x), e.number(np.inf, x)) if x.dtype.kind == "f" else e.constant(False, np.bool_)


def sign_bit(e: Any, x: Any) -> Any:
    """Whether a number's sign is minus, -0.0 and NaN included; the body of `signbit`."""
    if x.dtype.kind == "f":
        x = e.bits(x, f"i{x.dtype.itemsize}")
    return e.lt(x, e.number(0, x))


def _exponent(e: Any, x: Any) -> Any:
    """The exponent's bits; a subnormal number is made a normal one first. 0 for 0, infinities and NaN."""
    if x.dtype.kind != "f":
        x = e.cast(x, np.float64)
    info = np.finfo(x.dtype)
    small = e.lt(e.fabs(x), e.number(info.tiny, x))
    bits = e.bits(e.select(small, e.mul(x, e.number(2.0**info.nmant, x)), x), f"u{x.dtype.itemsize}")
    biased = e.both(e.shifted(bits, -info.nmant), e.number(2 * info.maxexp - 1, bits))
    exponent = e.sub(e.cast(biased, np.int32), e.constant(info.maxexp - 2, np.int32))
    exponent = e.select(small, e.sub(exponent, e.constant(info.nmant, np.int32)), exponent)
    regular = e.both(_is_finite(e, x), e.ne(x, e.number(0, x)))
    return e.select(regular, exponent, e.constant(0, np.int32))


def _step(e: Any, x: Any, at_zero: Any) -> Any:
    y = e.select(e.gt(x, e.number(0, x)), e.number(1, x), at_zero)
    return e.select(e.ne(x, x), x, e.select(e.lt(x, e.number(0, x)), e.number(0, x), y))


logical_not = _flat("logical_not", np.logical_not, "y = not x", "The opposite truth value; no gradient.",
                    "真偽の反転。勾配は流れない。", lambda e, x: e.opposite(e.cast(x, np.bool_)))  # fmt: skip
invert = _flat("invert", np.invert, "y = invert(x)", "Every bit turned; no gradient.",
               "全ビットの反転。勾配は流れない。", lambda e, x: e.opposite(x),
               lambda: [Sample((arrays((3,))[0] > 0,)), Sample((np.arange(4),))])  # fmt: skip
isnan = _flat("isnan", np.isnan, "y = (x != x)", "Whether x is not a number.", "非数(NaN)かどうか。",
              lambda e, x: e.ne(x, x))  # fmt: skip
isinf = _flat("isinf", np.isinf, "y = (|x| == inf)", "Whether x is infinite.", "無限大かどうか。", _is_infinite)
isfinite = _flat("isfinite", np.isfinite, "y = (|x| < inf)", "Whether x is a finite number.", "有限の数かどうか。",
                 _is_finite)  # fmt: skip
signbit = _flat("signbit", np.signbit, "y = (copysign(1, x) < 0)", "Whether the sign bit is set.",
                "符号ビットが立っているか。", sign_bit)  # fmt: skip
heaviside = predicate("heaviside", np.heaviside, "y = 0 if x < 0 else b if x == 0 else 1", "The unit step.",
                      "ヘビサイドの階段関数。", binary(0.3, 2.0, complex=False), lower=Scalar(_step))  # fmt: skip


def _shift(name: str, forward: Any, formula: str, en: str, ja: str) -> Any:
    return predicate(name, forward, formula, en, ja,
                     lambda: [Sample((np.arange(4), np.array([0, 1, 2, 1])))],
                     lower=Scalar(lambda e, x, z: getattr(e, f"shift_{name[:-6]}")(x, z)))  # fmt: skip


left_shift = _shift("left_shift", np.left_shift, "y = a*2^b", "Bits shifted to the left; no gradient.",
                    "左へのビットシフト。勾配は流れない。")  # fmt: skip
right_shift = _shift("right_shift", np.right_shift, "y = floor(a/2^b)", "Bits shifted to the right; no gradient.",
                     "右へのビットシフト。勾配は流れない。")  # fmt: skip
binary_exponent = _flat("binary_exponent", lambda x: np.frexp(x)[1],
                        "y = floor(log2(|x|)) + 1 if x != 0 and |x| < inf else 0",
                        "The exponent of a floating-point number; no gradient.",
                        "浮動小数点数の指数部。勾配は流れない。", _exponent)  # fmt: skip
