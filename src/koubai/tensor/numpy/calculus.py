"""NumPy's differences, integrals, interpolation, polynomials and correlations."""

from __future__ import annotations

from typing import Any

import numpy as np

from koubai.errors import ShapeError, UsageError
from koubai.graph import Node
from koubai.ops import elementwise as e
from koubai.ops import index as i
from koubai.ops import reduce as r
from koubai.ops import shape as s
from koubai.tensor.numpy.arguments import arrayed, axes, concrete, constants, kind_of, like_numpy, one_axis, operand
from koubai.tensor.numpy.index import take
from koubai.tensor.numpy.join import concatenate, stack
from koubai.tensor.numpy.order import searchsorted
from koubai.tensor.numpy.products import matmul
from koubai.tensor.numpy.reduce import average
from koubai.tensor.numpy.shape import atleast_2d, cast, ravel
from koubai.tensor.numpy.values import histogram as counted
from koubai.tensor.numpy.values import histogram_bin_edges

__all__ = [
    "bincount", "corrcoef", "cov", "diff", "ediff1d", "gradient", "histogram", "interp", "trapezoid", "trapz",
]  # fmt: skip

COUNTING = "Say how many numbers there are: kb.numpy.sum(x[:, None] == kb.numpy.arange(n), axis=0) counts each below n"


def part(a: Any, axis: int, start: int | None, stop: int | None, step: int | None = None) -> Any:
    """A slice along one axis."""
    return a[(slice(None),) * axis + (slice(start, stop, step),)]


@like_numpy
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The differences of neighbours along an axis, n times. As `numpy.diff`."""
    a = arrayed(a)
    if n < 0:
        raise UsageError(f"diff: expected n of at least 0, got {n}")
    axis = one_axis("diff", axis, a.ndim)
    if prepend is not None or append is not None:
        shape = (*a.shape[:axis], 1, *a.shape[axis + 1 :])
        parts = [arrayed(x) for x in (prepend, a, append) if x is not None]
        a = concatenate([s.broadcast_to(x, shape=shape) if x.ndim == 0 else x for x in parts], axis)
    for _ in range(n):
        later, earlier = part(a, axis, 1, None), part(a, axis, None, -1)
        a = e.not_equal(later, earlier) if a.dtype.kind == "b" else later - earlier
    return a


@like_numpy
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """The differences of neighbours in the flattened array, with more at the ends. As `numpy.ediff1d`."""
    a = ravel(ary)
    parts = [x if x is None else cast(ravel(x), a.dtype) for x in (to_begin, diff(a), to_end)]
    return concatenate([x for x in parts if x is not None])


@like_numpy
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Central differences inside, one-sided ones at the ends, along each axis. As `numpy.gradient`."""
    f = arrayed(f)
    f = f if f.dtype.kind in "fc" else cast(f, float)
    over = axes("gradient", axis, f.ndim) if axis is None or not isinstance(axis, (tuple, list)) else tuple(
        one_axis("gradient", k, f.ndim) for k in axis
    )  # fmt: skip
    if edge_order not in (1, 2):
        raise UsageError(f"gradient: expected edge_order 1 or 2, got {edge_order}")
    if len(varargs) not in (0, 1, len(over)):
        raise UsageError(f"gradient: expected no spacing, one, or {len(over)}, got {len(varargs)}")
    spacings = [arrayed(x) for x in varargs] or [arrayed(1.0)]
    spacings = spacings * len(over) if len(spacings) == 1 else spacings
    found = tuple(_slope(f, h, k, edge_order) for k, h in zip(over, spacings))
    return found[0] if len(found) == 1 else found


def _slope(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    n = f.shape[axis]
    if n < edge_order + 1:
        raise ShapeError(f"gradient: axis {axis} needs at least {edge_order + 1} elements, got {n}")
    if h.ndim == 0:
        steps = s.broadcast_to(h, shape=(n - 1,))
    elif tuple(h.shape) == (n,):
        steps = diff(h)
    else:
        raise ShapeError(f"gradient: expected a number or {n} coordinates along axis {axis}, got {tuple(h.shape)}")
    steps = s.reshape(cast(steps, f.dtype), shape=(n - 1,) + (1,) * (f.ndim - axis - 1))
    rise = diff(f, axis=axis)
    slopes = rise / steps
    left, right = part(slopes, axis, None, -1), part(slopes, axis, 1, None)
    before, after = steps[:-1], steps[1:]
    inside = (left * after + right * before) / (before + after)
    first, last = part(slopes, axis, 0, 1), part(slopes, axis, -1, None)
    if edge_order == 2:
        a, b = steps[:1], steps[1:2]
        first = first + (first - part(slopes, axis, 1, 2)) * a / (a + b)
        a, b = steps[-1:], steps[-2:-1]
        last = last + (last - part(slopes, axis, -2, -1)) * a / (a + b)
    return concatenate([first, inside, last], axis)


@like_numpy
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral of y over x by the trapezoidal rule. As `numpy.trapezoid`."""
    y = arrayed(y)
    axis = one_axis("trapezoid", axis, y.ndim)
    widths: Any = operand(dx)
    if x is not None:
        x = arrayed(x)
        widths = diff(x) if x.ndim == 1 else diff(x, axis=axis)
        if x.ndim == 1:
            widths = s.reshape(widths, shape=(widths.shape[0],) + (1,) * (y.ndim - axis - 1))
    middle = 0.5 * (part(y, axis, 1, None) + part(y, axis, None, -1))
    return r.sum(widths * middle, axis=(axis,), keepdims=False)


trapz = trapezoid


@like_numpy
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Linear interpolation through the points (xp, fp), differentiable in all three. As `numpy.interp`."""
    x, xp, fp = arrayed(x), arrayed(xp), arrayed(fp)
    if xp.ndim != 1 or tuple(fp.shape) != tuple(xp.shape) or xp.shape[0] == 0:
        raise ShapeError(f"interp: expected xp and fp of one shape (n,), got {tuple(xp.shape)} and {tuple(fp.shape)}")
    if period is not None:
        x, xp = e.remainder(x, period), e.remainder(xp, period)
        order = i.argsort(xp, axis=0, stable=True)
        xp, fp = take(xp, order), take(fp, order)
        xp = concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = concatenate([fp[-1:], fp, fp[:1]])
        left = right = None
    n = xp.shape[0]
    if n == 1:
        y = s.broadcast_to(fp, shape=tuple(x.shape) or (1,)).reshape(tuple(x.shape))
    else:
        interval = e.clip(i.searchsorted(xp, x, side="right") - 1, 0, n - 2)
        x0, x1, f0, f1 = take(xp, interval), take(xp, interval + 1), take(fp, interval), take(fp, interval + 1)
        y = f0 + (f1 - f0) * (x - x0) / (x1 - x0)
    y = e.where(x < xp[0], fp[0] if left is None else left, y)
    return e.where(x > xp[-1], fp[-1] if right is None else right, y)


@like_numpy
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """How often each number occurs, or the sum of its weights, which receive gradients. As `numpy.bincount`."""
    places = np.asarray(concrete("bincount", x, COUNTING))
    if not isinstance(weights, Node):
        return constants(np.bincount(places, weights, minlength), kind_of((x, weights, minlength)))
    length = max(int(places.max(initial=-1)) + 1, minlength)
    return i.scatter(s.astype(weights, dtype=np.dtype(float)), places, pattern=(i.Slot(0),), shape=(length,))


@like_numpy
def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """How many elements fall into each bin, or the sum of their weights, which receive gradients, and the bins'
    edges. As `numpy.histogram`."""
    if not isinstance(weights, Node):
        return counted(a, bins, range, density, weights)
    values = ravel(a)
    if weights.shape != np.shape(a):
        raise ShapeError(f"histogram: expected weights of shape {np.shape(a)}, got {tuple(weights.shape)}")
    edges = histogram_bin_edges(values, bins, range)
    n = edges.size - 1
    places = e.where(values == edges[-1], n - 1, searchsorted(edges, values, "right") - 1)
    inside = e.logical_and(values >= edges[0], values <= edges[-1])
    counts = e.where(inside, ravel(weights), 0.0)
    y = i.scatter(counts, e.clip(places, 0, n - 1), pattern=(i.Slot(0),), shape=(n,))
    if density:
        y = y / diff(edges) / r.sum(y, axis=(0,), keepdims=False)
    return y, edges if isinstance(edges, Node) else constants(edges, kind_of(weights))


# Covariance and correlation.


@like_numpy
def cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None, fweights: Any = None,
        aweights: Any = None, *, dtype: Any = None) -> Any:  # fmt: skip
    """The covariance matrix of the rows. As `numpy.cov`."""
    x = _rows_of(m, rowvar)
    if y is not None:
        x = concatenate([x, _rows_of(y, rowvar)], 0)
    if dtype is not None:
        x = s.astype(x, dtype=np.dtype(dtype))
    ddof = (0 if bias else 1) if ddof is None else ddof
    weights = None
    for w in (fweights, aweights):
        if w is not None:
            weights = arrayed(w) if weights is None else weights * arrayed(w)
    if weights is None:
        total: Any = float(x.shape[1])
        factor: Any = max(total - ddof, 0.0)
        weighted = x - r.sum(x, axis=(1,), keepdims=True) / total
        centered = weighted
    else:
        total = r.sum(weights, axis=(0,), keepdims=False)
        second = total if aweights is None else r.sum(weights * arrayed(aweights), axis=(0,), keepdims=False) / total
        factor = total - ddof * second
        centered = x - s.reshape(average(x, 1, weights), shape=(x.shape[0], 1))
        weighted = centered * weights
    c = matmul(weighted, e.conjugate(s.transpose(centered, axes=(1, 0)))) / factor
    return s.reshape(c, shape=tuple(n for n in c.shape if n != 1))


def _rows_of(m: Any, rowvar: bool) -> Any:
    m = arrayed(m)
    x = atleast_2d(m)
    x = cast(x, np.result_type(x.dtype, np.float64))
    return s.transpose(x, axes=(1, 0)) if not rowvar and m.ndim != 1 else x


@like_numpy
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """The correlation matrix of the rows. As `numpy.corrcoef`, but values are not clipped to [-1, 1]."""
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    deviation = e.sqrt(e.real(stack([c[k, k] for k in range(c.shape[0])])))
    return c / s.reshape(deviation, shape=(c.shape[0], 1)) / deviation
