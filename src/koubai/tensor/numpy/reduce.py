"""NumPy's reductions: sums, products, means, variances, extrema, and their running and NaN-blind forms."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from koubai.errors import ShapeError, UsageError
from koubai.ops import elementwise as e
from koubai.ops import reduce as r
from koubai.ops import shape as s
from koubai.tensor.numpy.arguments import arrayed, axes, like_numpy, one_axis, operand, refuse

__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "average", "count_nonzero", "cumprod", "cumsum",
    "cumulative_prod", "cumulative_sum", "max", "mean", "min", "nanargmax", "nanargmin", "nancumprod", "nancumsum",
    "nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum", "nanvar", "prod", "ptp", "std", "sum", "var",
]  # fmt: skip


def _input(name: str, a: Any, out: Any, dtype: Any, where: Any, neutral: Any) -> Any:
    """The array to reduce: cast to `dtype`, with what `where` leaves out replaced by a neutral number."""
    if out is not None:
        refuse(name, out=out)
    a = arrayed(a)
    if dtype is not None and a.dtype != np.dtype(dtype):
        a = s.astype(a, dtype=np.dtype(dtype))
    if where is not None and where is not True:
        a = e.where(operand(where), a, neutral)
    return a


def _count(a: Any, over: tuple[int, ...], where: Any, keepdims: bool) -> Any:
    """How many elements each result is made of."""
    if where is None or where is True:
        n = 1
        for i in over:
            n *= a.shape[i]
        return n
    count = r.count_nonzero(s.broadcast_to(operand(where), shape=tuple(a.shape)), axis=over, keepdims=keepdims)
    kind = a.dtype.kind
    # In the array's own precision: an int64 array would make a float32 one float64.
    return s.astype(count, dtype=np.dtype(a.dtype.char.lower() if kind == "c" else a.dtype if kind == "f" else float))


@like_numpy
def sum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None,
        where: Any = None) -> Any:  # fmt: skip
    """The sum over axes; every element summed receives the gradient. As `numpy.sum`."""
    a = _input("sum", a, out, dtype, where, 0)
    y = r.sum(a, axis=axes("sum", axis, a.ndim), keepdims=builtins.bool(keepdims))
    return y if initial is None else y + initial


@like_numpy
def prod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None,
         where: Any = None) -> Any:  # fmt: skip
    """The product over axes; dy/dx_i is the product of the others, right with zeros too. As `numpy.prod`."""
    a = _input("prod", a, out, dtype, where, 1)
    y = r.prod(a, axis=axes("prod", axis, a.ndim), keepdims=builtins.bool(keepdims))
    return y if initial is None else y * initial


@like_numpy
def mean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, *,
         where: Any = None) -> Any:  # fmt: skip
    """The mean over axes; dy/dx = 1/n. As `numpy.mean`."""
    a = _input("mean", a, out, dtype, where, 0)
    over, keepdims = axes("mean", axis, a.ndim), builtins.bool(keepdims)
    return r.sum(a, axis=over, keepdims=keepdims) / _count(a, over, where, keepdims)


@like_numpy
def var(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False, *,
        where: Any = None, mean: Any = None, correction: Any = None) -> Any:  # fmt: skip
    """The variance over axes, divided by n - ddof; dy/dx = 2 (x - mean)/(n - ddof). As `numpy.var`."""
    given = _input("var", a, out, dtype, None, 0)
    a = _input("var", given, None, None, where, 0)
    if correction is not None:
        if ddof:
            raise UsageError("var: ddof and correction mean the same; give only one of them")
        ddof = correction
    over, keepdims = axes("var", axis, a.ndim), builtins.bool(keepdims)
    if mean is None:
        mean = r.sum(a, axis=over, keepdims=True) / _count(a, over, where, True)
    away = _input("var", given - mean, None, None, where, 0)
    squares = e.real(away * e.conjugate(away)) if away.dtype.kind == "c" else away * away
    return r.sum(squares, axis=over, keepdims=keepdims) / _free(_count(a, over, where, keepdims), ddof)


def _free(count: Any, ddof: float) -> Any:
    """Degrees of freedom: n - ddof, at least zero."""
    return builtins.max(count - ddof, 0) if isinstance(count, int) else e.maximum(count - ddof, 0)


@like_numpy
def std(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False, *,
        where: Any = None, mean: Any = None, correction: Any = None) -> Any:  # fmt: skip
    """The standard deviation over axes; its gradient is 0 where it is 0. As `numpy.std`."""
    return _root(var(a, axis, dtype, out, ddof, keepdims, where=where, mean=mean, correction=correction))


def _root(v: Any) -> Any:
    """The square root, with gradient 0 instead of infinity at 0."""
    flat = e.equal(v, 0)
    return e.where(flat, 0.0, e.sqrt(e.where(flat, 1.0, v)))


def _extremum(name: str, op: Any, pick: Any, worst: float, a: Any, axis: Any, out: Any, keepdims: Any, initial: Any,
              where: Any) -> Any:  # fmt: skip
    if where is not None and where is not True and initial is None:
        raise UsageError(f"{name}: with where= an initial= value is needed, for places where nothing is chosen")
    a = _input(name, a, out, None, where, worst if initial is None else initial)
    if initial is not None and 0 in a.shape:
        shape = r.reduced_shape(a.shape, axes(name, axis, a.ndim), builtins.bool(keepdims))
        return s.broadcast_to(arrayed(np.asarray(initial, a.dtype)[()]), shape=shape)
    y = op(a, axis=axes(name, axis, a.ndim), keepdims=builtins.bool(keepdims))
    return y if initial is None else pick(y, initial)


@like_numpy
def max(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None,
        where: Any = None) -> Any:  # fmt: skip
    """The largest element over axes; it receives the gradient, equal ones share it. As `numpy.max`."""
    return _extremum("max", r.max, e.maximum, -np.inf, a, axis, out, keepdims, initial, where)


@like_numpy
def min(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None,
        where: Any = None) -> Any:  # fmt: skip
    """The smallest element over axes; it receives the gradient, equal ones share it. As `numpy.min`."""
    return _extremum("min", r.min, e.minimum, np.inf, a, axis, out, keepdims, initial, where)


amax, amin = max, min


@like_numpy
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
    """The largest minus the smallest element over axes. As `numpy.ptp`."""
    refuse("ptp", out=out)
    return max(a, axis, keepdims=keepdims) - min(a, axis, keepdims=keepdims)


@like_numpy
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    """The weighted mean over axes; differentiable in the weights too. As `numpy.average`."""
    a = arrayed(a)
    over = axes("average", axis, a.ndim)
    if weights is None:
        y = mean(a, over, keepdims=keepdims)
        total: Any = np.full((), _count(a, over, None, False), float)[()]
    else:
        weights = arrayed(weights)
        if weights.shape != a.shape:
            expected = tuple(a.shape[i] for i in (over if axis is not None else ()))
            if axis is None or weights.shape != expected:
                raise ShapeError(f"average: expected weights of shape {a.shape} or {expected}, got {weights.shape}")
            weights = s.reshape(weights, shape=tuple(n if i in over else 1 for i, n in enumerate(a.shape)))
        weights = s.broadcast_to(weights, shape=tuple(a.shape))
        total = r.sum(weights, axis=over, keepdims=keepdims)
        y = r.sum(a * weights, axis=over, keepdims=keepdims) / total
    return (y, s.broadcast_to(total, shape=tuple(y.shape))) if returned else y


# Truth values, positions, counts: no gradient.


@like_numpy
def any(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = None) -> Any:
    """Whether any element is true, over axes; no gradient. As `numpy.any`."""
    a = _input("any", a, out, None, where, False)
    return r.any(a, axis=axes("any", axis, a.ndim), keepdims=builtins.bool(keepdims))


@like_numpy
def all(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = None) -> Any:
    """Whether all elements are true, over axes; no gradient. As `numpy.all`."""
    a = _input("all", a, out, None, where, True)
    return r.all(a, axis=axes("all", axis, a.ndim), keepdims=builtins.bool(keepdims))


@like_numpy
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """How many elements are not zero, over axes; no gradient. As `numpy.count_nonzero`."""
    a = arrayed(a)
    return r.count_nonzero(a, axis=axes("count_nonzero", axis, a.ndim), keepdims=builtins.bool(keepdims))


def _position(name: str, op: Any, a: Any, axis: Any, out: Any, keepdims: bool) -> Any:
    refuse(name, out=out)
    a = arrayed(a)
    if axis is not None:
        return op(a, axis=one_axis(name, axis, a.ndim), keepdims=builtins.bool(keepdims))
    y = op(s.reshape(a, shape=(a.size,)), axis=0, keepdims=False)
    return s.reshape(y, shape=(1,) * a.ndim) if keepdims else y


@like_numpy
def argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """Where the (first) largest element stands along an axis; no gradient. As `numpy.argmax`."""
    return _position("argmax", r.argmax, a, axis, out, keepdims)


@like_numpy
def argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """Where the (first) smallest element stands along an axis; no gradient. As `numpy.argmin`."""
    return _position("argmin", r.argmin, a, axis, out, keepdims)


# Running reductions.


def _running(name: str, op: Any, a: Any, axis: Any, dtype: Any, out: Any) -> Any:
    a = _input(name, a, out, dtype, None, 0)
    if axis is None or a.ndim == 0:
        return op(s.reshape(a, shape=(a.size,)), axis=0)
    return op(a, axis=one_axis(name, axis, a.ndim))


@like_numpy
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """y_i = x_0 + ... + x_i along an axis, flattened without one. As `numpy.cumsum`."""
    return _running("cumsum", r.cumsum, a, axis, dtype, out)


@like_numpy
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """y_i = x_0 ... x_i along an axis, flattened without one. As `numpy.cumprod`."""
    return _running("cumprod", r.cumprod, a, axis, dtype, out)


def _cumulative(name: str, op: Any, start: int, x: Any, axis: Any, dtype: Any, out: Any, include_initial: bool) -> Any:
    x = arrayed(x)
    if axis is None and x.ndim > 1:
        raise UsageError(f"{name}: an array with {x.ndim} axes needs axis=")
    y = _running(name, op, x, axis, dtype, out)
    if not include_initial:
        return y
    k = 0 if axis is None else one_axis(name, axis, y.ndim)
    first = np.full((*y.shape[:k], 1, *y.shape[k + 1 :]), start, y.dtype)
    return s.concatenate(first, y, axis=k)


@like_numpy
def cumulative_sum(x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None,
                   include_initial: bool = False) -> Any:  # fmt: skip
    """As `cumsum`, with a leading 0 if `include_initial`. As `numpy.cumulative_sum`."""
    return _cumulative("cumulative_sum", r.cumsum, 0, x, axis, dtype, out, include_initial)


@like_numpy
def cumulative_prod(x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None,
                    include_initial: bool = False) -> Any:  # fmt: skip
    """As `cumprod`, with a leading 1 if `include_initial`. As `numpy.cumulative_prod`."""
    return _cumulative("cumulative_prod", r.cumprod, 1, x, axis, dtype, out, include_initial)


# NaN-blind forms: NaN is replaced by a number that does not matter, and receives no gradient.


def known_places(a: Any) -> tuple[Any, Any]:
    """The array and where it is a number."""
    a = arrayed(a)
    return a, e.logical_not(e.isnan(a))


def _both(where: Any, known: Any) -> Any:
    return known if where is None or where is True else e.logical_and(operand(where), known)


@like_numpy
def nansum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None,
           where: Any = None) -> Any:  # fmt: skip
    """As `sum`, taking NaN as 0; NaN receives no gradient. As `numpy.nansum`."""
    a, known = known_places(a)
    return sum(e.where(known, a, 0), axis, dtype, out, keepdims, initial, where)


@like_numpy
def nanprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None,
            where: Any = None) -> Any:  # fmt: skip
    """As `prod`, taking NaN as 1; NaN receives no gradient. As `numpy.nanprod`."""
    a, known = known_places(a)
    return prod(e.where(known, a, 1), axis, dtype, out, keepdims, initial, where)


@like_numpy
def nanmean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, *,
            where: Any = None) -> Any:  # fmt: skip
    """The mean of what is not NaN. As `numpy.nanmean`."""
    a, known = known_places(a)
    return mean(a, axis, dtype, out, keepdims, where=_both(where, known))


@like_numpy
def nanvar(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False, *,
           where: Any = None, mean: Any = None, correction: Any = None) -> Any:  # fmt: skip
    """The variance of what is not NaN. As `numpy.nanvar`."""
    a, known = known_places(a)
    return var(a, axis, dtype, out, ddof, keepdims, where=_both(where, known), mean=mean, correction=correction)


@like_numpy
def nanstd(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False, *,
           where: Any = None, mean: Any = None, correction: Any = None) -> Any:  # fmt: skip
    """The standard deviation of what is not NaN; gradient 0 where it is 0. As `numpy.nanstd`."""
    return _root(nanvar(a, axis, dtype, out, ddof, keepdims, where=where, mean=mean, correction=correction))


def _nan_extremum(op: Any, worst: float, a: Any, axis: Any, keepdims: bool) -> Any:
    a, known = known_places(a)
    over, keepdims = axes("nanmax" if worst < 0 else "nanmin", axis, a.ndim), builtins.bool(keepdims)
    if a.dtype.kind in "biu":
        return op(a, axis=over, keepdims=keepdims)
    y = op(e.where(known, a, worst), axis=over, keepdims=keepdims)
    return e.where(r.any(known, axis=over, keepdims=keepdims), y, np.nan)


@like_numpy
def nanmax(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None,
           where: Any = None) -> Any:  # fmt: skip
    """The largest element that is not NaN. As `numpy.nanmax`."""
    refuse("nanmax", out=out, initial=initial, where=where)
    return _nan_extremum(r.max, -np.inf, a, axis, keepdims)


@like_numpy
def nanmin(a: Any, axis: Any = None, out: Any = None, keepdims: bool = False, initial: Any = None,
           where: Any = None) -> Any:  # fmt: skip
    """The smallest element that is not NaN. As `numpy.nanmin`."""
    refuse("nanmin", out=out, initial=initial, where=where)
    return _nan_extremum(r.min, np.inf, a, axis, keepdims)


@like_numpy
def nanargmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """Where the largest element that is not NaN stands; no gradient. As `numpy.nanargmax`."""
    a, known = known_places(a)
    return argmax(e.where(known, a, -np.inf), axis, out, keepdims=keepdims)


@like_numpy
def nanargmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """Where the smallest element that is not NaN stands; no gradient. As `numpy.nanargmin`."""
    a, known = known_places(a)
    return argmin(e.where(known, a, np.inf), axis, out, keepdims=keepdims)


@like_numpy
def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """As `cumsum`, taking NaN as 0. As `numpy.nancumsum`."""
    a, known = known_places(a)
    return cumsum(e.where(known, a, 0), axis, dtype, out)


@like_numpy
def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """As `cumprod`, taking NaN as 1. As `numpy.nancumprod`."""
    a, known = known_places(a)
    return cumprod(e.where(known, a, 1), axis, dtype, out)
