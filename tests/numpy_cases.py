"""Calls of NumPy's functions, one lambda each: ``call(np, *arrays)`` with NumPy itself or `koubai.numpy`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["DISCRETE", "SMOOTH", "Case", "case_id"]


class Case(NamedTuple):
    """A call, and the arrays that it is given."""

    label: str
    call: Callable[..., Any]
    arrays: tuple[Any, ...]
    order: int = 2


def case_id(case: Case) -> str:
    return case.label


rng = np.random.default_rng(7)


def distinct(*shape: int, low: float = -2.0, high: float = 2.0) -> Any:
    """Numbers between low and high, no two closer than the grid, none at a round number."""
    n = int(np.prod(shape))
    grid = low + (high - low) * (rng.permutation(n) + 0.37) / max(n, 1)
    return grid.reshape(shape)


V, A, M = distinct(5), distinct(3, 4), distinct(2, 3, 4)
P = distinct(3, 4, low=0.2, high=1.7)
S = np.float64(0.71)
C = distinct(3) + 1j * distinct(3)
EMPTY = np.zeros((0, 3))
STRIDED = distinct(6, 8)[::2, ::-2]
FROZEN = distinct(3, 4)
FROZEN.flags.writeable = False

SMOOTH: list[Case] = []
DISCRETE: list[Case] = []


def smooth(label: str, call: Callable[..., Any], *arrays: Any, order: int = 2) -> None:
    SMOOTH.append(Case(label, call, arrays, order))


def discrete(label: str, call: Callable[..., Any], *arrays: Any) -> None:
    DISCRETE.append(Case(label, call, arrays))


# Elementwise.

EVERYWHERE = (
    "absolute arctan arcsinh cbrt cos cosh degrees exp exp2 expm1 fabs i0 imag negative positive radians real sign sin "
    "sinc sinh square tan tanh nan_to_num deg2rad rad2deg abs conj"
)
POSITIVE = "log log10 log1p log2 reciprocal sqrt"
INSIDE = "arccos arcsin arctanh"
for name in EVERYWHERE.split():
    for where, x in [("", A), ("0d", S), ("empty", EMPTY), ("strided", STRIDED), ("frozen", FROZEN)]:
        smooth(f"{name}-{where}", lambda np, x, name=name: getattr(np, name)(x), x)
for name in POSITIVE.split():
    smooth(name, lambda np, x, name=name: getattr(np, name)(x), P)
for name in INSIDE.split():
    smooth(name, lambda np, x, name=name: getattr(np, name)(x), A / 2.3)
smooth("arccosh", lambda np, x: np.arccosh(x), P + 1.1)
for name in [
    "exp", "sin", "cos", "sqrt", "log", "tanh", "square", "conj", "abs", "angle", "real", "imag", "negative",
    "reciprocal", "sinh", "cosh", "tan", "arctan",
]:  # fmt: skip
    smooth(f"{name}-complex", lambda np, x, name=name: getattr(np, name)(x), C)
PAIRS = [("", A, P), ("broadcast", A, P[:1]), ("scalar", A, S), ("empty", EMPTY, np.ones(3)), ("column", A, P[:, :1])]
for name in [
    "add", "subtract", "multiply", "divide", "true_divide", "maximum", "minimum", "fmax", "fmin", "hypot",
    "arctan2", "logaddexp", "logaddexp2", "copysign", "remainder", "mod", "fmod",
]:  # fmt: skip
    for where, x, z in PAIRS:
        smooth(f"{name}-{where}", lambda np, x, z, name=name: getattr(np, name)(x, z), x, z)
for name in ("power", "float_power", "pow"):
    for where, z, x in PAIRS:
        smooth(f"{name}-{where}", lambda np, x, z, name=name: getattr(np, name)(x, z), np.abs(x) + 0.3, z)
smooth("power-negative-base", lambda np, x: np.power(x, 3), A)
smooth("power-complex", lambda np, x: x**2.5, C)
smooth("divmod", lambda np, x: np.divmod(x, 0.7)[1], A)
smooth("modf", lambda np, x: np.modf(x)[0], A)
smooth("frexp", lambda np, x: np.frexp(x)[0], A)
smooth("ldexp", lambda np, x: np.ldexp(x, 3), A)
smooth("clip", lambda np, x: np.clip(x, -1.0, 1.0), A)
smooth("clip-low", lambda np, x: np.clip(x, -1.0, None), A)
smooth("clip-high", lambda np, x: np.clip(x, a_min=None, a_max=0.5), A)
smooth("clip-names", lambda np, x: np.clip(x, min=-0.5, max=0.5), A)
smooth("clip-arrays", lambda np, x, a, b: np.clip(x, a, b), A, A[0] / 3 - 0.61, np.abs(A[:, :1]) + 0.21)
smooth("where", lambda np, x, z: np.where(A > 0, x, z), A, P[0])
smooth("select", lambda np, x: np.select([x > 1, x > 0], [x * x, np.sin(x)], 0.5), A)
smooth("select-default", lambda np, x: np.select([x > 1], [x * x], x), A)
smooth("unwrap", lambda np, x: np.unwrap(x), np.array([0.1, 3.0, -3.0, 2.9, 9.0, 0.2]))
smooth("unwrap-axis", lambda np, x: np.unwrap(x * 3, axis=0, period=2.0), A)
smooth("angle-deg", lambda np, x: np.angle(x, deg=True), C)
smooth("ufunc-dtype", lambda np, x: np.add(x, 1, dtype=np.float64), A)

# Reductions.

for name in [
    "sum", "prod", "mean", "var", "std", "max", "min", "amax", "amin", "ptp", "nansum", "nanprod", "nanmean",
    "nanvar", "nanstd", "nanmax", "nanmin", "median",
]:  # fmt: skip
    for label, options in [
        ("all", {}), ("axis", {"axis": 1}), ("negative", {"axis": -1}), ("tuple", {"axis": (0, 2)}),
        ("keepdims", {"axis": 0, "keepdims": True}), ("keepall", {"keepdims": True}),
    ]:  # fmt: skip
        smooth(f"{name}-{label}", lambda np, x, name=name, o=options: getattr(np, name)(x, **o), M)
    smooth(f"{name}-vector", lambda np, x, name=name: getattr(np, name)(x), V)
    smooth(f"{name}-strided", lambda np, x, name=name: getattr(np, name)(x, axis=0), STRIDED)
for name in ["sum", "prod", "mean"]:
    smooth(f"{name}-complex", lambda np, x, name=name: getattr(np, name)(x), C)
    smooth(f"{name}-empty", lambda np, x, name=name: getattr(np, name)(x, axis=1), EMPTY)
    smooth(f"{name}-where", lambda np, x, name=name: getattr(np, name)(x, axis=0, where=A > -1.2), A)
for name in ["var", "std"]:
    smooth(f"{name}-complex", lambda np, x, name=name: getattr(np, name)(x), C)
    smooth(f"{name}-ddof", lambda np, x, name=name: getattr(np, name)(x, axis=1, ddof=1), A)
    smooth(f"{name}-where", lambda np, x, name=name: getattr(np, name)(x, axis=0, where=A > -1.2), A)
smooth("sum-0d", lambda np, x: np.sum(x), S)
smooth("sum-empty-tuple", lambda np, x: np.sum(x, axis=()), A)
smooth("sum-initial", lambda np, x: np.sum(x, axis=0, initial=2.0), A)
smooth("prod-zeros", lambda np, x: np.prod(x * np.array([[1.0], [0.0], [0.0]]), axis=0), A)
smooth("prod-initial", lambda np, x: np.prod(x, axis=0, initial=2.0), A)
smooth("max-initial", lambda np, x: np.max(x, axis=0, initial=0.5), A)
smooth("min-where", lambda np, x: np.min(x, axis=0, initial=9.0, where=A > -1.2), A)
smooth("max-empty-initial", lambda np, x: np.max(x, axis=0, initial=0.5), EMPTY)
smooth("average", lambda np, x: np.average(x, axis=1), A)
smooth("average-weights", lambda np, x, w: np.average(x, axis=1, weights=w), A, np.abs(A) + 1)
smooth("average-line", lambda np, x, w: np.average(x, axis=1, weights=w), A, P[0])
smooth("average-returned", lambda np, x, w: np.average(x, axis=1, weights=w, returned=True), A, P[0])
smooth("nan-blind", lambda np, x: np.nansum(np.where(A > 1.0, np.nan, x), axis=0), A)
smooth("nan-mean", lambda np, x: np.nanmean(np.where(A > 1.0, np.nan, x), axis=0), A)
smooth("nan-var", lambda np, x: np.nanvar(np.where(A > 1.0, np.nan, x), axis=1, ddof=1), A)
smooth("nan-std", lambda np, x: np.nanstd(np.where(A > 1.0, np.nan, x), axis=1), A)
smooth("nan-max", lambda np, x: np.nanmax(np.where(A > 1.0, np.nan, x), axis=1), A)
smooth("nan-median", lambda np, x: np.nanmedian(np.where(A > 1.0, np.nan, x), axis=1), A)
for name in ["cumsum", "cumprod", "nancumsum", "nancumprod"]:
    smooth(name, lambda np, x, name=name: getattr(np, name)(x), A)
    smooth(f"{name}-axis", lambda np, x, name=name: getattr(np, name)(x, axis=1), M)
    smooth(f"{name}-last", lambda np, x, name=name: getattr(np, name)(x, axis=-1), A)
    smooth(f"{name}-empty", lambda np, x, name=name: getattr(np, name)(x, axis=0), EMPTY)
smooth("cumprod-zero", lambda np, x: np.cumprod(x * np.array([1.0, 0.0, 2.0, 0.0, 1.0])), V)
smooth("cumulative_sum", lambda np, x: np.cumulative_sum(x, axis=1, include_initial=True), A)
smooth("cumulative_prod", lambda np, x: np.cumulative_prod(x, axis=0), A)
for q in (0.0, 0.3, 0.5, 1.0):
    smooth(f"quantile-{q}", lambda np, x, q=q: np.quantile(x, q, axis=1), M)
smooth("quantile-many", lambda np, x: np.quantile(x, [[0.1, 0.4], [0.5, 0.9]], axis=(0, 2), keepdims=True), M)
for method in [
    "lower", "higher", "nearest", "midpoint", "weibull", "hazen", "median_unbiased", "normal_unbiased",
    "interpolated_inverted_cdf", "inverted_cdf", "averaged_inverted_cdf", "closest_observation",
]:  # fmt: skip
    smooth(f"quantile-{method}", lambda np, x, m=method: np.quantile(x, [0.11, 0.36, 0.77], method=m), V)
smooth("percentile", lambda np, x: np.percentile(x, 30), A)
smooth("nanpercentile", lambda np, x: np.nanpercentile(np.where(A > 1.0, np.nan, x), [10, 60], axis=0), A)

# Calculus.

smooth("diff", lambda np, x: np.diff(x), A)
smooth("diff-2", lambda np, x: np.diff(x, n=2, axis=0, prepend=1.0, append=x[:1]), A)
smooth("ediff1d", lambda np, x: np.ediff1d(x, to_end=[1.0, 2.0], to_begin=x[0, 0]), A)
smooth("gradient", lambda np, x: np.gradient(x), A)
smooth("gradient-axis", lambda np, x: np.gradient(x, 0.5, axis=1), A)
smooth("gradient-edge", lambda np, x: np.gradient(x, 2.0, 0.5, edge_order=2), A)
smooth("gradient-coordinates", lambda np, x: np.gradient(x, np.array([0.0, 0.5, 2.0, 2.5]), axis=1, edge_order=2), A)
smooth("trapezoid", lambda np, y: np.trapezoid(y, axis=0), A)
smooth("trapezoid-x", lambda np, y, x: np.trapezoid(y, x), A, np.array([0.0, 0.5, 2.0, 2.5]))
smooth("trapezoid-xx", lambda np, y, x: np.trapezoid(y, x, axis=0), A, A)
smooth("interp", lambda np, x, f: np.interp(x, [-1.5, -0.2, 0.4, 1.5], f), A, A[0])
smooth("interp-ends", lambda np, x: np.interp(x, [-1.0, 0.0, 1.0], [2.0, 5.0, 3.0], left=-7.0, right=9.0), A)
smooth("interp-period", lambda np, x, f: np.interp(x, [0.3, -1.0, 2.9], f, period=2.5), A, A[0, :3])
smooth("interp-points", lambda np, p: np.interp(A, p, [3.0, 1.0, 2.0]), np.array([-1.0, 0.1, 1.1]))
smooth("bincount", lambda np, w: np.bincount([0, 3, 1, 1, 3], weights=w, minlength=6), V)
smooth("polyval", lambda np, p, x: np.polyval(p, x), V, A)
smooth("polyadd", lambda np, p, q: np.polyadd(p, q), V, A[0])
smooth("polysub", lambda np, p, q: np.polysub(p, q), A[0], V)
smooth("polymul", lambda np, p, q: np.polymul(p, q), V, A[0])
smooth("polyder", lambda np, p: np.polyder(p, 2), V)
smooth("polyint", lambda np, p: np.polyint(p, 2, [1.0, 2.0]), V)
smooth("cov", lambda np, x: np.cov(x), A)
smooth("cov-columns", lambda np, x, y: np.cov(x, y, rowvar=False, bias=True), A, P)
smooth("cov-weights", lambda np, x: np.cov(x, fweights=[1, 2, 1, 3], aweights=[0.5, 1.0, 2.0, 1.0]), A)
smooth("cov-vector", lambda np, x: np.cov(x), V)
smooth("corrcoef", lambda np, x: np.corrcoef(x), A)

# Shapes.

smooth("reshape", lambda np, x: np.reshape(x, (2, -1)), A)
smooth("reshape-F", lambda np, x: np.reshape(x, (2, 6), order="F"), A)
smooth("ravel", lambda np, x: np.ravel(x), A)
smooth("ravel-F", lambda np, x: np.ravel(x, "F"), M)
smooth("transpose", lambda np, x: np.transpose(x), M)
smooth("transpose-axes", lambda np, x: np.transpose(x, (1, -1, 0)), M)
smooth("permute_dims", lambda np, x: np.permute_dims(x, (2, 0, 1)), M)
smooth("matrix_transpose", lambda np, x: np.matrix_transpose(x), M)
smooth("swapaxes", lambda np, x: np.swapaxes(x, 0, -1), M)
smooth("moveaxis", lambda np, x: np.moveaxis(x, [0, 1], [-1, 0]), M)
smooth("rollaxis", lambda np, x: (np.rollaxis(x, 2), np.rollaxis(x, 0, 3), np.rollaxis(x, 1, 1)), M)
smooth("expand_dims", lambda np, x: np.expand_dims(x, (0, -1)), A)
smooth("squeeze", lambda np, x: np.squeeze(np.expand_dims(x, (0, 2))), A)
smooth("squeeze-axis", lambda np, x: np.squeeze(x[None, :, None], axis=0), A)
smooth("broadcast_to", lambda np, x: np.broadcast_to(x, (2, 3, 4)), A)
smooth("broadcast_arrays", lambda np, x, y: np.broadcast_arrays(x, y), A, V[:3, None])
for name in ("atleast_1d", "atleast_2d", "atleast_3d"):
    smooth(name, lambda np, x, v, a, m, name=name: [getattr(np, name)(z) for z in (x, v, a, m)], S, V, A, M)
smooth("flip", lambda np, x: (np.flip(x), np.flip(x, 0), np.flip(x, (0, 2))), M)
smooth("fliplr", lambda np, x: (np.fliplr(x), np.flipud(x)), A)
smooth("rot90", lambda np, x: [np.rot90(x, k) for k in range(-1, 5)], A)
smooth("rot90-axes", lambda np, x: [np.rot90(x, k, axes=(2, 0)) for k in range(4)], M)
smooth("roll", lambda np, x: (np.roll(x, 2), np.roll(x, 1, axis=0), np.roll(x, (1, -2), axis=(0, 1))), A)
smooth("tile", lambda np, x: (np.tile(x, 2), np.tile(x, (2, 1)), np.tile(x, (2, 1, 3))), A)
smooth("tile-0d", lambda np, x: np.tile(x, 3), S)
smooth("repeat", lambda np, x: (np.repeat(x, 2), np.repeat(x, 3, axis=0), np.repeat(x, [1, 0, 2], axis=0)), A)
smooth("resize", lambda np, x: (np.resize(x, (2, 9)), np.resize(x, 3)), A)
smooth("diag", lambda np, x, v: (np.diag(x), np.diag(x, 1), np.diag(x, -2), np.diag(v), np.diag(v, -1)), A, V)
smooth("diagflat", lambda np, x: np.diagflat(x, 1), A)
smooth("diagonal", lambda np, x: (np.diagonal(x), np.diagonal(x, 1, 1, 2), np.diagonal(x, -1, 2, 0)), M)
smooth("tril", lambda np, x: (np.tril(x), np.triu(x, 1), np.tril(x, -1)), M)
smooth("tril-vector", lambda np, x: np.tril(x), V)
smooth("vander", lambda np, x: (np.vander(x), np.vander(x, 3), np.vander(x, 3, increasing=True)), V)
smooth("concatenate", lambda np, x, y: np.concatenate([x, y], axis=1), A, P)
smooth("concatenate-None", lambda np, x, y: np.concatenate((x, y), axis=None), A, V)
smooth("concatenate-plain", lambda np, x: np.concatenate([x, np.ones((1, 4))]), A)
smooth("concat", lambda np, x: np.concat([x, x], axis=-1), A)
smooth("stack", lambda np, x, y: [np.stack([x, y], axis=k) for k in (0, 1, -1)], A, P)
smooth("hstack", lambda np, x, v: (np.hstack([x, x]), np.hstack([v, v])), A, V)
smooth("vstack", lambda np, x: (np.vstack([x, x[0]]), np.vstack((x, x)), np.dstack([x, x])), A)
smooth("column_stack", lambda np, x: np.column_stack([x, x[:, 0], [1.0, 2.0, 3.0]]), A)
smooth("append", lambda np, x: (np.append(x, [1.0]), np.append(x, x, axis=0)), A)
smooth("block", lambda np, x: np.block([[x, x * 2], [np.ones((1, 4)), np.zeros((1, 4))]]), A)
smooth("block-vectors", lambda np, v: np.block([v, 1.0, v]), V)
smooth("split", lambda np, x: (*np.split(x, 2, axis=1), *np.split(x, [1, 3], axis=1)), A)
smooth("array_split", lambda np, x: np.array_split(x, 3, axis=1), A)
smooth("hsplit", lambda np, x: (*np.hsplit(x, 2), *np.vsplit(x, 3)), A)
smooth("dsplit", lambda np, x: np.dsplit(x, 2), M)
smooth("unstack", lambda np, x: np.unstack(x, axis=1), A)
smooth("delete", lambda np, x: (np.delete(x, 1, 0), np.delete(x, [0, 2], 1), np.delete(x, slice(1, 7))), A)
smooth("insert", lambda np, x, v: np.insert(x, [1, 3], v[:2, None], axis=0), A, V)
smooth("insert-one", lambda np, x: (np.insert(x, 1, 5.0), np.insert(x, 1, x[0], axis=0)), A)
smooth("insert-column", lambda np, x: np.insert(x, 1, [1.0, 2.0, 3.0], axis=1), A)
smooth("trim_zeros", lambda np, v: np.trim_zeros(v * np.array([0, 1, 0, 1, 0])), V)
for mode in ["constant", "edge", "reflect", "symmetric", "wrap", "linear_ramp", "maximum", "mean", "median", "minimum"]:
    smooth(f"pad-{mode}", lambda np, x, m=mode: np.pad(x, ((1, 2), (5, 6)), mode=m), A)
    smooth(f"pad-{mode}-one", lambda np, x, m=mode: np.pad(x, 2, m), V)
smooth("pad-reflect-odd", lambda np, x: np.pad(x, ((1, 2), (2, 3)), "reflect", reflect_type="odd"), A)
smooth("pad-symmetric-odd", lambda np, x: np.pad(x, ((1, 2), (2, 3)), "symmetric", reflect_type="odd"), A)
smooth("pad-values", lambda np, x: np.pad(x, 1, constant_values=((1, 2), (3, 4))), A)
smooth("pad-ends", lambda np, x: np.pad(x, (2, 3), "linear_ramp", end_values=(5, -4)), V)
smooth("pad-stat", lambda np, x: np.pad(x, 2, "mean", stat_length=2), A)
smooth("r_", lambda np, x: np.r_[x, 0.5, 1:3, x], V)
smooth("r_-axis", lambda np, x: (np.r_["1", x, x], np.r_["0,2", x[0], x], np.r_["0,2,0", x[0], x[1]]), A)
smooth("c_", lambda np, x: (np.c_[x, x * 2], np.c_[np.ones((5, 2)), x]), V)
smooth("array", lambda np, x: np.array([[x[0, 0], 1.0], [2, x[1, 2]]]), A)
smooth("array-ndmin", lambda np, x: np.array([x, x], ndmin=4), A)
smooth("full", lambda np, x: np.full((2, 3), x), S)
smooth("linspace", lambda np, a, b: (np.linspace(a, b, 5), np.linspace(a, b, 4, endpoint=False)), S, np.float64(3.2))
smooth("linspace-arrays", lambda np, a: np.linspace(a, a * 2, 3, axis=1), V)
smooth("logspace", lambda np, a: np.logspace(a, 2.0, 4), S)
smooth("geomspace", lambda np, a: np.geomspace(a, 5.0, 4), S)
smooth("meshgrid", lambda np, x, y: (*np.meshgrid(x, y), *np.meshgrid(x, y, indexing="ij", sparse=True)), V, A[0])
windows = np.lib.stride_tricks.sliding_window_view
smooth("sliding_window_view", lambda np, x: (windows(x, (2, 3)), windows(x, 2, axis=-1), windows(x, (2, 2), (1, 1))), A)
smooth("apply_along_axis", lambda np, x: np.apply_along_axis(lambda v: np.outer(v, v), 1, x), M)
smooth("apply_over_axes", lambda np, x: np.apply_over_axes(np.sum, x, [0, 2]), M)
smooth("vectorize", lambda np, x: np.vectorize(lambda a, b: a * b + a)(x, 2.0), A)
smooth("astype", lambda np, x: np.sum(x.astype(np.complex128) * 1j), A)

# Indexing.

ROWS, COLUMNS = np.array([0, 2, 2]), np.array([[1], [3]])
INDICES: list[tuple[str, Any]] = [
    ("int", 1), ("negative", -1), ("pair", (1, -2)), ("slice", slice(None, None, -2)), ("slices", (slice(1), slice(2))),
    ("newaxis", (None, 1, None)), ("ellipsis", (..., 0)), ("all", ...), ("list", [0, 0, 2]), ("array", ROWS),
    ("pairs", (ROWS, [1, 1, 3])), ("broadcast", (ROWS, COLUMNS)), ("mixed", (slice(None), ROWS)), ("mask", A > 0),
    ("row mask", A[:, 0] > 0), ("mask and int", (A[:, 0] > 0, 1)), ("empty", []), ("none chosen", A > 9),
    ("numpy int", np.int64(2)), ("0d array", np.array(1)),
]  # fmt: skip
for label, index in INDICES:
    smooth(f"getitem-{label}", lambda np, x, i=index: x[i] * 2.0, A)
smooth("getitem-apart", lambda np, x: x[ROWS % 2, :, COLUMNS], M)
smooth("getitem-behind", lambda np, x: x[:, ROWS, 1:3], M)
smooth("take", lambda np, x: (np.take(x, [0, 5, 5]), np.take(x, ROWS, axis=1), np.take(x, 1, axis=0)), A)
smooth("take-modes", lambda np, x: (np.take(x, [7, -9], 1, mode="wrap"), np.take(x, [7, -9], 1, mode="clip")), A)
smooth("take_along_axis", lambda np, x: np.take_along_axis(x, np.array([[0, 1], [3, 3], [2, 0]]), axis=1), A)
smooth("take_along_axis-0", lambda np, x: np.take_along_axis(x, np.array([[0, 1, 2, 2]]), axis=0), A)
smooth("compress", lambda np, x: (np.compress([1, 0, 1], x, axis=0), np.extract(A > 0, x)), A)
smooth("choose", lambda np, x, y: np.choose([[0], [1], [0]], [x, y]), A, P[0])
smooth("piecewise", lambda np, x: np.piecewise(x, [x < 0, x >= 0], [lambda v: v * v, np.sin]), A)
smooth("sort", lambda np, x: (np.sort(x), np.sort(x, axis=0), np.sort(x, axis=None)), A)
smooth("sort-ties", lambda np, x: np.sort(np.concatenate([x, x])), V)
smooth("unique", lambda np, x: np.unique(np.concatenate([x, x[:2] * 1.0])), V)

# Without a gradient.

for name in [
    "ceil", "floor", "rint", "trunc", "isnan", "isinf", "isfinite", "signbit", "round", "around",
    "isreal", "iscomplex", "isposinf", "isneginf", "logical_not", "count_nonzero", "argmax", "argmin", "any",
    "all", "argsort", "nonzero", "argwhere", "flatnonzero", "spacing", "nanargmax", "nanargmin",
]:  # fmt: skip
    discrete(name, lambda np, x, name=name: getattr(np, name)(x), A)
for name in [
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or",
    "logical_xor", "floor_divide", "heaviside", "isclose", "array_equal", "array_equiv", "allclose",
    "nextafter",
]:  # fmt: skip
    discrete(name, lambda np, x, z, name=name: getattr(np, name)(x, z), A, P)
for name in [
    "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "gcd", "lcm", "bitwise_left_shift",
]:  # fmt: skip
    discrete(name, lambda np, x, z, name=name: getattr(np, name)(x, z), np.arange(6), np.arange(6)[::-1].copy())
for name in ["invert", "bitwise_not", "bitwise_count", "bitwise_invert"]:
    discrete(name, lambda np, x, name=name: getattr(np, name)(x), np.arange(6))
for name in ["argmax", "argmin", "argsort", "any", "all", "count_nonzero"]:
    discrete(f"{name}-axis", lambda np, x, name=name: getattr(np, name)(x, axis=1), M)
discrete("argmax-keepdims", lambda np, x: np.argmax(x, axis=1, keepdims=True), M)
discrete("round-1", lambda np, x: np.round(x, 1), A)
discrete("searchsorted", lambda np, x: np.searchsorted(np.sort(x), 0.3), V)
discrete("searchsorted-sorter", lambda np, x: np.searchsorted(x, [0.3, 1.0], "right", sorter=np.argsort(x)), V)
discrete("digitize", lambda np, x: np.digitize(x, [-1.0, 0.0, 1.0]), V)
discrete("histogram", lambda np, x: np.histogram(x, bins=3), V)
discrete("where-one", lambda np, x: np.where(x > 0), A)
discrete("isin", lambda np, x: np.isin(x, x[0]), A)
smooth("unique-all", lambda np, x: np.unique(np.concatenate([x, x]), True, True, True)[0], V)
discrete("zeros_like", lambda np, x: (np.zeros_like(x), np.ones_like(x), np.full_like(x, 2.0)), A)
discrete("questions", lambda np, x: (np.shape(x), np.ndim(x), np.size(x), np.size(x, 1), np.iscomplexobj(x)), A)
discrete("bincount-counts", lambda np, x: np.bincount(x), np.array([0, 2, 2]))
for name in ["setdiff1d", "setxor1d", "union1d", "intersect1d"]:
    smooth(name, lambda np, x, name=name: getattr(np, name)(x, x[1:3] if name != "union1d" else [9.0]), V)
smooth("intersect1d-places", lambda np, x: np.intersect1d(x, x[2:], return_indices=True)[0], V)
smooth("histogram-weights", lambda np, w: np.histogram([0.0, 0.3, 0.5, 0.7, 1.0, 2.0], 3, (0, 1), weights=w)[0],
       distinct(6))  # fmt: skip
smooth("histogram-density", lambda np, w: np.histogram([0.1, 0.3, 0.5], [0.0, 0.2, 1.0], density=True, weights=w)[0],
       distinct(3, low=0.5))  # fmt: skip
for label, options in (("", {}), ("-weights", {"w": [1.0, 2.0, 0.5, 1.0, 3.0]}), ("-covariance", {"cov": True})):
    smooth(f"polyfit{label}", lambda np, x, y, options=options: np.polyfit(x, y, 2, **options), V, V**2 + V[::-1])
smooth("polyfit-columns", lambda np, y: np.polyfit(V, y, 1, cov="unscaled"), distinct(5, 2))
smooth("polydiv", lambda np, p, q: np.polydiv(p, q), V, A[0])
smooth("polydiv-short", lambda np, p, q: np.polydiv(q, p), V, A[0])
smooth("poly", lambda np, x: np.poly(x), V)
smooth("poly-matrix", lambda np, x: np.poly(x), distinct(3, 3))
smooth("roots", lambda np, p: np.sort(np.abs(np.roots(p))), np.array([1.0, -6.0, 11.0, -5.0]))
discrete("piecewise-integers", lambda np, x: np.piecewise(x, [x > 1], [np.sign, 3.5]), np.arange(4))
discrete("nanmax-integers", lambda np, x: (np.nanmax(x, axis=0), np.nanmin(x)), np.arange(6).reshape(2, 3))
