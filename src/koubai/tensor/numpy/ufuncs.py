"""NumPy's universal functions: elementwise, one op each."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from koubai.graph import Node, Op, apply
from koubai.ops import elementwise as e
from koubai.tensor.numpy.arguments import after_options, as_ufunc, holds_node, operand

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "cbrt",
    "ceil",
    "conj",
    "conjugate",
    "copysign",
    "cos",
    "cosh",
    "divide",
    "equal",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "greater",
    "greater_equal",
    "heaviside",
    "hypot",
    "invert",
    "isfinite",
    "isinf",
    "isnan",
    "left_shift",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "negative",
    "not_equal",
    "positive",
    "pow",
    "power",
    "reciprocal",
    "remainder",
    "right_shift",
    "rint",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "true_divide",
    "trunc",
]  # fmt: skip


def _ufunc(name: str, op: Op, count: int) -> Callable[..., Any]:
    original = getattr(np, name)

    def general(xs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if not holds_node(xs):
            return original(*xs, **options)
        if options or len(xs) != count:
            xs = after_options(original, xs, options)
        return apply(op, tuple(map(operand, xs)), {})

    def one(*xs: Any, **options: Any) -> Any:
        if len(xs) == 1 and not options and isinstance(xs[0], Node):
            return apply(op, xs, {})
        return general(xs, options)

    def two(*xs: Any, **options: Any) -> Any:
        if len(xs) == 2 and not options and isinstance(xs[0], Node) and isinstance(xs[1], Node):
            return apply(op, xs, {})
        return general(xs, options)

    function = one if count == 1 else two
    function.__name__ = function.__qualname__ = name
    words = op.words
    function.__doc__ = f"{words.formula}, element by element; local derivative {words.derivative}. As `numpy.{name}`."
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(f"x{i + 1}", inspect.Parameter.POSITIONAL_ONLY) for i in range(count)]
        + [inspect.Parameter("options", inspect.Parameter.VAR_KEYWORD)]
    )
    return as_ufunc(function, original)


absolute = abs = _ufunc("absolute", e.absolute, 1)
arccos = acos = _ufunc("arccos", e.arccos, 1)
arccosh = acosh = _ufunc("arccosh", e.arccosh, 1)
arcsin = asin = _ufunc("arcsin", e.arcsin, 1)
arcsinh = asinh = _ufunc("arcsinh", e.arcsinh, 1)
arctan = atan = _ufunc("arctan", e.arctan, 1)
arctanh = atanh = _ufunc("arctanh", e.arctanh, 1)
cbrt = _ufunc("cbrt", e.cbrt, 1)
ceil = _ufunc("ceil", e.ceil, 1)
conjugate = conj = _ufunc("conjugate", e.conjugate, 1)
cos = _ufunc("cos", e.cos, 1)
cosh = _ufunc("cosh", e.cosh, 1)
exp = _ufunc("exp", e.exp, 1)
exp2 = _ufunc("exp2", e.exp2, 1)
expm1 = _ufunc("expm1", e.expm1, 1)
floor = _ufunc("floor", e.floor, 1)
invert = bitwise_invert = bitwise_not = _ufunc("invert", e.invert, 1)
isfinite = _ufunc("isfinite", e.isfinite, 1)
isinf = _ufunc("isinf", e.isinf, 1)
isnan = _ufunc("isnan", e.isnan, 1)
log = _ufunc("log", e.log, 1)
log10 = _ufunc("log10", e.log10, 1)
log1p = _ufunc("log1p", e.log1p, 1)
log2 = _ufunc("log2", e.log2, 1)
logical_not = _ufunc("logical_not", e.logical_not, 1)
negative = _ufunc("negative", e.negative, 1)
positive = _ufunc("positive", e.positive, 1)
reciprocal = _ufunc("reciprocal", e.reciprocal, 1)
rint = _ufunc("rint", e.rint, 1)
sign = _ufunc("sign", e.sign, 1)
signbit = _ufunc("signbit", e.signbit, 1)
sin = _ufunc("sin", e.sin, 1)
sinh = _ufunc("sinh", e.sinh, 1)
sqrt = _ufunc("sqrt", e.sqrt, 1)
square = _ufunc("square", e.square, 1)
tan = _ufunc("tan", e.tan, 1)
tanh = _ufunc("tanh", e.tanh, 1)
trunc = _ufunc("trunc", e.trunc, 1)
add = _ufunc("add", e.add, 2)
arctan2 = atan2 = _ufunc("arctan2", e.arctan2, 2)
bitwise_and = _ufunc("bitwise_and", e.bitwise_and, 2)
bitwise_or = _ufunc("bitwise_or", e.bitwise_or, 2)
bitwise_xor = _ufunc("bitwise_xor", e.bitwise_xor, 2)
copysign = _ufunc("copysign", e.copysign, 2)
divide = true_divide = _ufunc("divide", e.divide, 2)
equal = _ufunc("equal", e.equal, 2)
fmax = _ufunc("fmax", e.fmax, 2)
fmin = _ufunc("fmin", e.fmin, 2)
fmod = _ufunc("fmod", e.fmod, 2)
floor_divide = _ufunc("floor_divide", e.floor_divide, 2)
greater = _ufunc("greater", e.greater, 2)
greater_equal = _ufunc("greater_equal", e.greater_equal, 2)
heaviside = _ufunc("heaviside", e.heaviside, 2)
hypot = _ufunc("hypot", e.hypot, 2)
left_shift = bitwise_left_shift = _ufunc("left_shift", e.left_shift, 2)
less = _ufunc("less", e.less, 2)
less_equal = _ufunc("less_equal", e.less_equal, 2)
logaddexp = _ufunc("logaddexp", e.logaddexp, 2)
logaddexp2 = _ufunc("logaddexp2", e.logaddexp2, 2)
logical_and = _ufunc("logical_and", e.logical_and, 2)
logical_or = _ufunc("logical_or", e.logical_or, 2)
logical_xor = _ufunc("logical_xor", e.logical_xor, 2)
maximum = _ufunc("maximum", e.maximum, 2)
minimum = _ufunc("minimum", e.minimum, 2)
multiply = _ufunc("multiply", e.multiply, 2)
not_equal = _ufunc("not_equal", e.not_equal, 2)
power = pow = _ufunc("power", e.power, 2)
remainder = mod = _ufunc("remainder", e.remainder, 2)
right_shift = bitwise_right_shift = _ufunc("right_shift", e.right_shift, 2)
subtract = _ufunc("subtract", e.subtract, 2)
