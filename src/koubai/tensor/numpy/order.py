"""NumPy's functions that sort: sort, partition, unique, and quantiles."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from koubai.errors import UnsupportedError, UsageError
from koubai.ops import elementwise as e
from koubai.ops import index as i
from koubai.ops import reduce as r
from koubai.ops import shape as s
from koubai.tensor.numpy.arguments import arrayed, axes, concrete, constants, kind_of, like_numpy, one_axis, refuse
from koubai.tensor.numpy.index import take, take_along_axis
from koubai.tensor.numpy.join import concatenate
from koubai.tensor.numpy.reduce import known_places
from koubai.tensor.numpy.shape import expand_dims, ravel

__all__ = [
    "argsort",
    "intersect1d",
    "median",
    "nanmedian",
    "nanpercentile",
    "nanquantile",
    "partition",
    "percentile",
    "quantile",
    "searchsorted",
    "setdiff1d",
    "setxor1d",
    "sort",
    "sort_complex",
    "union1d",
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
]  # fmt: skip


def _line(name: str, a: Any, axis: Any) -> tuple[Any, int]:
    a = arrayed(a)
    if axis is None:
        return s.reshape(a, shape=(a.size,)), 0
    return a, one_axis(name, axis, a.ndim)


def _stable(name: str, kind: Any, order: Any, stable: Any) -> bool:
    refuse(name, order=order)
    if kind is not None and stable is not None:
        raise UsageError(f"{name}: kind= and stable= exclude each other; give one of them")
    if kind not in (None, "quicksort", "heapsort", "mergesort", "stable"):
        raise UsageError(f"{name}: expected kind to be quicksort, heapsort, mergesort or stable, got {kind!r}")
    return bool(stable) or kind in ("stable", "mergesort")


@like_numpy
def argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None,
            descending: Any = None) -> Any:  # fmt: skip
    """The positions that sort an axis; no gradient. As `numpy.argsort` (`descending` as from NumPy 2.5 on)."""
    a, axis = _line("argsort", a, axis)
    return i.argsort(_key(a, descending), axis=axis, stable=_stable("argsort", kind, order, stable))


@like_numpy
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None,
         descending: Any = None) -> Any:  # fmt: skip
    """The elements of an axis in order; each takes its gradient along, equal ones in an order that only
    ``stable=True`` or ``kind="stable"`` fixes. As `numpy.sort` (`descending` as from NumPy 2.5 on)."""
    a, axis = _line("sort", a, axis)
    places = i.argsort(_key(a, descending), axis=axis, stable=_stable("sort", kind, order, stable))
    return take_along_axis(a, places, axis)


def _key(a: Any, descending: Any) -> Any:
    """What ascends as `a` should be ordered: turned round for descending order, so that NaNs stay at the end."""
    if not descending:
        return a
    return e.negative(a) if a.dtype.kind in "fc" else e.invert(a)  # the inverted bits of the least integer exist


@like_numpy
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """The places of numbers among sorted ones; no gradient. As `numpy.searchsorted`."""
    a = arrayed(a)
    return i.searchsorted(a if sorter is None else take(a, sorter), arrayed(v), side=side)


@like_numpy
def sort_complex(a: Any) -> Any:
    """The elements of the last axis sorted by real part, as complex numbers. As `numpy.sort_complex`."""
    y = sort(a)
    return y if y.dtype.kind == "c" else s.astype(y, dtype=np.dtype(complex))


@like_numpy
def partition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    """The elements of an axis with the k-th smallest in its place. As `numpy.partition`, which leaves the order
    of the others open: here they are sorted."""
    return sort(a, axis)


@like_numpy
def unique(ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
           axis: Any = None, *, equal_nan: bool = True, sorted: bool = True) -> Any:  # fmt: skip
    """The distinct elements in order; the gradient goes to the first of equal ones. As `numpy.unique`."""
    a = arrayed(ar)
    values = concrete("unique", a)
    numpys: Any = np.unique
    _, first, *rest = numpys(values, True, return_inverse, return_counts, axis, equal_nan=equal_nan)
    y = take(a, first, axis)
    others = [first, *rest] if return_index else rest
    found = (y, *constants(others, a.result_class))
    return found if len(found) > 1 else y


class UniqueAll(NamedTuple):
    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    values: Any
    inverse_indices: Any


@like_numpy
def unique_all(x: Any) -> Any:
    """Distinct elements, their first positions, where each element went, and counts. As `numpy.unique_all`."""
    return UniqueAll(*unique(x, True, True, True, equal_nan=False))


@like_numpy
def unique_counts(x: Any) -> Any:
    """Distinct elements and how often each occurs. As `numpy.unique_counts`."""
    return UniqueCounts(*unique(x, return_counts=True, equal_nan=False))


@like_numpy
def unique_inverse(x: Any) -> Any:
    """Distinct elements and where each element went. As `numpy.unique_inverse`."""
    return UniqueInverse(*unique(x, return_inverse=True, equal_nan=False))


@like_numpy
def unique_values(x: Any) -> Any:
    """The distinct elements. As `numpy.unique_values`."""
    return unique(x, equal_nan=False)


# Sets. Which elements stay depends on values; those that stay carry their gradient.


@like_numpy
def union1d(ar1: Any, ar2: Any) -> Any:
    """The distinct elements of both arrays in order. As `numpy.union1d`."""
    return unique(concatenate([ravel(ar1), ravel(ar2)]))


@like_numpy
def intersect1d(ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False) -> Any:
    """The distinct elements that are in both arrays; the gradient goes to the first. As `numpy.intersect1d`."""
    a, b = ravel(ar1), concrete("intersect1d", ar2)
    _, first, second = np.intersect1d(concrete("intersect1d", a), b, assume_unique, True)
    y = take(a, first)
    return (y, *constants([first, second], kind_of((ar1, ar2)))) if return_indices else y


@like_numpy
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The distinct elements of the first array that the second has not. As `numpy.setdiff1d`."""
    a = ravel(ar1) if assume_unique else unique(ar1)
    others = concrete("setdiff1d", ar2)
    return take(a, np.nonzero(~np.isin(concrete("setdiff1d", a), others))[0])


@like_numpy
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The distinct elements that are in one of the arrays only. As `numpy.setxor1d`."""
    return sort(concatenate([setdiff1d(ar1, ar2, assume_unique), setdiff1d(ar2, ar1, assume_unique)]))


# Quantiles. Hyndman and Fan (1996): between the sorted elements at a position that depends on q and n.

# The continuous methods: the position is n q + alpha + q (1 - alpha - beta) - 1.
CONTINUOUS = {
    "linear": (1.0, 1.0), "weibull": (0.0, 0.0), "hazen": (0.5, 0.5), "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8), "interpolated_inverted_cdf": (0.0, 1.0),
}  # fmt: skip
# The methods that pick one element.
EXACT = ("lower", "higher", "nearest", "inverted_cdf", "closest_observation")


def _position(n: Any, q: Any, method: str) -> Any:
    """The position of the q-quantile among n sorted elements, from 0."""
    if method in CONTINUOUS:
        alpha, beta = CONTINUOUS[method]
        position = n * q + (alpha + q * (1.0 - alpha - beta)) - 1.0 if method != "linear" else (n - 1) * q
    else:
        position = (n - 1) * q
        if method == "lower":
            position = e.floor(position)
        elif method == "higher":
            position = e.ceil(position)
        elif method == "nearest":
            position = e.rint(position)
        elif method == "midpoint":
            position = 0.5 * (e.floor(position) + e.ceil(position))
        elif method == "inverted_cdf":
            position = e.ceil(n * q) - 1.0
        elif method == "averaged_inverted_cdf":
            position = e.ceil(n * q) - 1.0 + 0.5 * (e.floor(n * q) == n * q)
        elif method == "closest_observation":
            low = e.floor(n * q - 0.5)
            even = e.logical_and(n * q - 0.5 == low, e.remainder(low, 2.0) == 1.0)
            position = e.where(even, low - 1.0, low)
        else:
            raise UsageError(f"quantile: unknown method {method!r}")
    return e.clip(position, 0.0, e.maximum(n - 1.0, 0.0))


def _flattened(name: str, a: Any, axis: Any) -> tuple[Any, tuple[int, ...]]:
    """The array with the axes to reduce made one, in front; and these axes."""
    over = axes(name, axis, a.ndim)
    kept = tuple(k for k in range(a.ndim) if k not in over)
    moved = s.transpose(a, axes=(*over, *kept))
    count = int(np.prod([a.shape[k] for k in over], dtype=np.int64))
    return s.reshape(moved, shape=(count, *(a.shape[k] for k in kept))), over


def _quantile(name: str, a: Any, q: Any, axis: Any, method: str, keepdims: bool, ignore_nan: bool) -> Any:
    a = arrayed(a)
    if a.dtype.kind == "c":
        raise UnsupportedError(f"{name}: complex numbers have no order")
    if a.dtype.kind != "f":
        a = s.astype(a, dtype=np.dtype(float))
    # As in NumPy a fraction given as a Python number leaves the precision alone.
    precision = a.dtype if isinstance(q, (int, float)) or method in EXACT else np.result_type(a.dtype, np.float64)
    q = np.asarray(concrete(name, q), float)
    if np.any(q < 0) or np.any(q > 1):
        raise UsageError(f"{name}: expected fractions from 0 to 1 (percentiles from 0 to 100)")
    lines, over = _flattened(name, a, axis)
    if lines.shape[0] == 0:
        raise UsageError(f"{name}: expected at least one element along the axes")
    ordered = sort(lines, 0)
    _, known = known_places(lines)
    tall = q.reshape((q.size,) + (1,) * (ordered.ndim - 1))
    n: Any = float(lines.shape[0])
    if ignore_nan:
        n = e.add(r.sum(known, axis=(0,), keepdims=True), 0.0)
    position = _position(n, tall, method)
    low = e.floor(position)
    share = position - low
    shape = (q.size, *ordered.shape[1:])
    lower, upper = (
        take_along_axis(ordered, s.broadcast_to(s.discrete(arrayed(p), dtype=np.dtype(np.intp)), shape=shape), 0)
        for p in (low, e.ceil(position))
    )
    y = lower + (upper - lower) * (share if precision == np.float64 else share.astype(precision))
    if not ignore_nan:
        whole = r.all(known, axis=(0,), keepdims=True)
        y = e.where(whole, y, np.nan)
    if keepdims:
        y = expand_dims(y, tuple(k + 1 for k in over))
    return s.reshape(y, shape=(*q.shape, *y.shape[1:]))


@like_numpy
def quantile(a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, method: str = "linear",
             keepdims: bool = False, *, weights: Any = None, interpolation: Any = None) -> Any:  # fmt: skip
    """The q-quantile over axes: the gradient goes to the elements that it lies between. As `numpy.quantile`."""
    refuse("quantile", out=out, weights=weights)
    return _quantile("quantile", a, q, axis, interpolation or method, keepdims, False)


@like_numpy
def percentile(a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
               method: str = "linear", keepdims: bool = False, *, weights: Any = None,
               interpolation: Any = None) -> Any:  # fmt: skip
    """As `quantile`, with q in percent. As `numpy.percentile`."""
    refuse("percentile", out=out, weights=weights)
    q = q / 100.0 if isinstance(q, (int, float)) else np.asarray(concrete("percentile", q)) / 100.0
    return _quantile("percentile", a, q, axis, interpolation or method, keepdims, False)


@like_numpy
def median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """The middle element over axes, or the mean of the middle two. As `numpy.median`."""
    refuse("median", out=out)
    return _quantile("median", a, 0.5, axis, "linear", keepdims, False)


@like_numpy
def nanquantile(a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
                method: str = "linear", keepdims: bool = False, *, weights: Any = None,
                interpolation: Any = None) -> Any:  # fmt: skip
    """As `quantile`, of what is not NaN. As `numpy.nanquantile`."""
    refuse("nanquantile", out=out, weights=weights)
    return _quantile("nanquantile", a, q, axis, interpolation or method, keepdims, True)


@like_numpy
def nanpercentile(a: Any, q: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False,
                  method: str = "linear", keepdims: bool = False, *, weights: Any = None,
                  interpolation: Any = None) -> Any:  # fmt: skip
    """As `percentile`, of what is not NaN. As `numpy.nanpercentile`."""
    refuse("nanpercentile", out=out, weights=weights)
    q = q / 100.0 if isinstance(q, (int, float)) else np.asarray(concrete("nanpercentile", q)) / 100.0
    return _quantile("nanpercentile", a, q, axis, interpolation or method, keepdims, True)


@like_numpy
def nanmedian(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """As `median`, of what is not NaN. As `numpy.nanmedian`."""
    refuse("nanmedian", out=out)
    return _quantile("nanmedian", a, 0.5, axis, "linear", keepdims, True)
