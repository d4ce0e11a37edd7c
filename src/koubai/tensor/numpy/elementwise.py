"""Elementwise functions of NumPy's with a signature of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.errors import DTypeError
from koubai.ops import elementwise as e
from koubai.ops import shape as s
from koubai.ops import special
from koubai.tensor.numpy.arguments import arrayed, concrete, like_numpy, like_ufunc, one_axis, operand, refuse
from koubai.tensor.numpy.calculus import diff
from koubai.tensor.numpy.index import nonzero
from koubai.tensor.numpy.join import concatenate
from koubai.tensor.numpy.reduce import cumsum

__all__ = [
    "angle", "around", "clip", "deg2rad", "degrees", "divmod", "fabs", "fix", "float_power", "frexp", "i0",
    "imag", "ldexp", "modf", "nan_to_num", "rad2deg", "radians", "real", "real_if_close", "round", "select", "sinc",
    "unwrap", "where",
]  # fmt: skip


@like_ufunc
def fabs(x: Any, /) -> Any:
    """The absolute value of real numbers; dy/dx = sign x. As `numpy.fabs`."""
    return e.absolute(x)


@like_ufunc
def float_power(x1: Any, x2: Any, /) -> Any:
    """x1 to the power x2 in at least float64; derivatives as of `power`. As `numpy.float_power`."""
    return e.power(x1, x2)


@like_ufunc
def divmod(x1: Any, x2: Any, /) -> Any:
    """The pair (floor_divide, remainder). As `numpy.divmod`."""
    return e.floor_divide(x1, x2), e.remainder(x1, x2)


@like_ufunc
def modf(x: Any, /) -> Any:
    """The fractional part, with slope 1, and the integral part, without gradient. As `numpy.modf`."""
    whole = e.trunc(x)
    return x - whole, whole


@like_ufunc
def frexp(x: Any, /) -> Any:
    """Mantissa, with slope 2**-exponent, and exponent, without gradient. As `numpy.frexp`."""
    exponent = e.binary_exponent(x)
    return ldexp(x, -exponent), exponent


@like_ufunc
def ldexp(x1: Any, x2: Any, /) -> Any:
    """x1 * 2**x2 with integer x2; dy/dx1 = 2**x2. As `numpy.ldexp`."""
    return x1 * e.exp2(s.astype(x2, dtype=np.dtype(x1.dtype)))


@like_ufunc
def degrees(x: Any, /) -> Any:
    """Radians to degrees: y = 180 x / pi. As `numpy.degrees`."""
    return x * (180.0 / np.pi)


@like_ufunc
def radians(x: Any, /) -> Any:
    """Degrees to radians: y = pi x / 180. As `numpy.radians`."""
    return x * (np.pi / 180.0)


rad2deg, deg2rad = degrees, radians


@like_numpy
def sinc(x: Any) -> Any:
    """sin(pi x)/(pi x), 1 at 0, where the derivative is 0. As `numpy.sinc`."""
    return e.sinc(operand(x))


@like_numpy
def i0(x: Any) -> Any:
    """The modified Bessel function of order 0; dy/dx = I1(x). As `numpy.i0`."""
    return special.i0(operand(x))


@like_numpy
def clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """y = min(max(a, lower), upper); dy/da = 1 from bound to bound, the bounds included. As `numpy.clip`."""
    refuse("clip", out=out)
    a = arrayed(a)
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    if low is None and high is None:
        return e.positive(a)
    return e.clip(a, *(_bound(x, a, sign) for x, sign in ((low, -1), (high, 1))))


def _bound(x: Any, a: Any, sign: int) -> Any:
    if a.dtype.kind in "iu" and (x is None or type(x) is int):
        limits = np.iinfo(a.dtype)
        limit = int(limits.min if sign < 0 else limits.max)
        # As in NumPy, a bound beyond what the dtype holds is none; on the other side it is refused.
        return limit if x is None or sign * (x - limit) > 0 else x
    return sign * float("inf") if x is None else operand(x)


@like_numpy
def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """x where the condition holds, else y; the gradient goes to the one chosen. With the condition alone
    `nonzero`. As `numpy.where`."""
    if x is None and y is None:
        return nonzero(condition)
    if x is None or y is None:
        raise DTypeError("where: expected both x and y, or neither of them")
    return e.where(_truth(condition), operand(x), operand(y))


def _truth(condition: Any) -> Any:
    """A condition as truth values, through which no gradient passes."""
    found = arrayed(condition)
    return found if found.dtype.kind == "b" else e.not_equal(found, 0)


@like_numpy
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """At each place the choice of the first condition that holds; the gradient goes to it. As `numpy.select`."""
    if len(condlist) != len(choicelist) or len(condlist) == 0:
        raise DTypeError(f"select: expected as many conditions as choices, got {len(condlist)} and {len(choicelist)}")
    result = operand(default)
    for condition, choice in zip(reversed(list(condlist)), reversed(list(choicelist))):
        result = e.where(_truth(condition), operand(choice), result)
    return result


@like_numpy
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """x with NaN and infinities replaced; dy/dx = 1 where x is finite, else 0. As `numpy.nan_to_num`."""
    return e.nan_to_num(arrayed(x), nan=nan, posinf=posinf, neginf=neginf)


@like_numpy
def round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """Rounded to decimals; no gradient. As `numpy.round`."""
    refuse("round", out=out)
    return e.round_to(arrayed(a), decimals=decimals)


around = round


@like_numpy
def fix(x: Any, out: Any = None) -> Any:
    """Rounded towards zero; no gradient. As `numpy.fix`."""
    refuse("fix", out=out)
    return e.trunc(operand(x))


@like_numpy
def real(val: Any) -> Any:
    """The real part. As `numpy.real`."""
    return e.real(arrayed(val))


@like_numpy
def imag(val: Any) -> Any:
    """The imaginary part, 0 for real numbers. As `numpy.imag`."""
    return e.imag(arrayed(val))


@like_numpy
def angle(z: Any, deg: bool = False) -> Any:
    """The angle of a complex number in radians, or degrees. As `numpy.angle`."""
    y = e.angle(arrayed(z))
    return y * (180.0 / np.pi) if deg else y


@like_numpy
def real_if_close(a: Any, tol: float = 100) -> Any:
    """The real part if all imaginary parts are negligible, else `a`. As `numpy.real_if_close`."""
    a = arrayed(a)
    if a.dtype.kind == "c" and not np.iscomplexobj(np.real_if_close(concrete("real_if_close", a), tol)):
        return e.real(a)
    return a


@like_numpy
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * np.pi) -> Any:
    """Jumps of more than half a period taken out; dy/dp = 1. As `numpy.unwrap`."""
    p = arrayed(p)
    axis = one_axis("unwrap", axis, p.ndim)
    step = diff(p, axis=axis)
    half = period / 2
    wrapped = e.remainder(step + half, period) - half
    wrapped = e.where(e.logical_and(wrapped == -half, step > 0), half, wrapped)
    limit = half if discont is None or discont < half else discont
    correction = e.where(abs(step) < limit, 0.0, s.stop_gradient(wrapped - step))
    first = p[(slice(None),) * axis + (slice(0, 1),)]
    rest = p[(slice(None),) * axis + (slice(1, None),)]
    return concatenate([first, rest + cumsum(correction, axis=axis)], axis=axis)
