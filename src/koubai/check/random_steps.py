"""Steps of random programs: what may be done with values of any dtype, and how it is drawn."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from koubai import numpy as knp
from koubai import special
from koubai.check.random_graphs import TABLE as FLOATING
from koubai.graph import Node, constant
from koubai.tensor import Tensor

__all__ = ["DTYPES", "STEPS", "Step", "draw_inputs", "draw_step", "quiet"]

SIZES = (1, 2, 3, 4, 5, 7, 8, 16, 17, 33)
DTYPES = (np.float64, np.float32, np.int64, np.int32, np.bool_, np.int8, np.uint8, np.float16)
LARGEST = 30.0
MOST_ELEMENTS = 300

Rng = np.random.Generator
Step = Callable[..., Any]


@contextmanager
def quiet() -> Iterator[None]:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of means of nothing
        yield


def draw_inputs(rng: Rng) -> list[Any]:
    """Arrays whose shapes broadcast with each other more often than not."""
    base = [int(rng.choice(SIZES)) for _ in range(rng.integers(0, 4))]
    while np.prod(base, initial=1) > MOST_ELEMENTS // 3:
        base.pop()
    found = []
    for _ in range(rng.integers(1, 4)):
        shape = tuple(1 if rng.random() < 0.15 else n for n in base[rng.integers(0, 2) if len(base) > 1 else 0 :])
        dtype = DTYPES[rng.choice(len(DTYPES), p=(0.35, 0.27, 0.13, 0.08, 0.08, 0.03, 0.03, 0.03))]
        found.append(_array(rng, shape, dtype))
    return found


def _array(rng: Rng, shape: tuple[int, ...], dtype: Any) -> Any:
    kind = np.dtype(dtype).kind
    if kind == "b":
        return np.asarray(rng.random(shape) < 0.5)
    if kind == "u":
        return np.asarray(rng.integers(0, 5, shape)).astype(dtype)
    if kind == "i":
        return np.asarray(rng.integers(-4, 5, shape)).astype(dtype)
    return np.asarray(rng.uniform(-1.5, 1.5, shape)).astype(dtype)


def draw_step(rng: Rng, values: list[Any]) -> tuple[str, tuple[int, ...], Step, Any]:
    """A step that applies to some of the values and whose result is neither large nor long."""
    while True:
        name, count, make = STEPS[rng.integers(len(STEPS))]
        n = len(values)
        operands = tuple(int(n - 1 - min(rng.geometric(0.35) - 1, n - 1)) for _ in range(count))
        try:
            function = make(rng, *(values[i] for i in operands))
            with quiet():
                value = np.asarray(function(*(values[i] for i in operands)))
        except (ValueError, IndexError, TypeError):
            continue  # These operands do not fit together; draw again.
        if value.dtype in DTYPES and value.size <= MOST_ELEMENTS and np.all(np.abs(value.astype(float)) < LARGEST):
            return name, operands, function, value[()]


def _plain(function: Step) -> Callable[..., Step]:
    return lambda rng, *xs: function


def _only(kinds: str, make: Callable[..., Step]) -> Callable[..., Step]:
    """For operands of these kinds of dtype."""

    def checked(rng: Rng, *xs: Any) -> Step:
        if any(x.dtype.kind not in kinds for x in xs):
            raise TypeError("not for these dtypes")
        return make(rng, *xs)

    return checked


def _axis(rng: Rng, x: Any) -> int:
    if not np.ndim(x):
        raise ValueError("no axes")
    return int(rng.integers(-np.ndim(x), np.ndim(x)))


def _along(function: Any, **options: Any) -> Any:
    def make(rng: Rng, x: Any, *others: Any) -> Step:
        axis = _axis(rng, x)
        return lambda *vs: function(*vs, axis=axis, **options)

    return make


def _reduction(function: Any) -> Any:
    """Over one axis, some or all, with and without keeping them."""

    def make(rng: Rng, x: Any) -> Step:
        keepdims = bool(rng.random() < 0.3)
        axes = tuple(int(i) for i in rng.permutation(np.ndim(x))[: rng.integers(0, np.ndim(x) + 1)])
        axis: Any = axes if len(axes) > 1 else axes[0] if axes else None
        return lambda v: function(v, axis=axis, keepdims=keepdims)

    return make


def _normed(rng: Rng, x: Any) -> Step:
    axis, order = _axis(rng, x), (None, 1, 2, 3, np.inf, -np.inf, 0)[rng.integers(7)]
    return lambda v: knp.linalg.norm(v, ord=order, axis=axis)


def _cast(rng: Rng, x: Any) -> Step:
    dtype = DTYPES[rng.integers(len(DTYPES))]
    return lambda v: knp.astype(v, dtype)


def _with_number(function: Any) -> Any:
    def make(rng: Rng, x: Any) -> Step:
        number = (2, -1.5, True, np.float32(0.75), np.float64(1.25), np.int64(3))[rng.integers(6)]
        return (lambda v: function(v, number)) if rng.random() < 0.5 else (lambda v: function(number, v))

    return make


def _looked_up(rng: Rng, x: Any, i: Any) -> Step:
    axis = _axis(rng, x)
    _refuse_fractions(i)
    n = np.shape(x)[axis]
    return lambda v, rows: knp.take(v, knp.remainder(rows, n), axis=axis)


def _refuse_fractions(i: Any) -> None:
    if i.dtype.kind not in "iu":
        raise TypeError("no indices")


def _index(rng: Rng, x: Any) -> Any:
    """An index with numbers, slices, new axes, an ellipsis, or arrays of numbers."""
    parts: list[Any] = []
    for n in np.shape(x):
        draw = rng.integers(6)
        if draw == 0:
            parts.append(int(rng.integers(-n, n)))
        elif draw == 1:
            parts.append(rng.integers(-n, n, size=int(rng.integers(1, 4))))
        elif draw == 2:
            parts.append(rng.integers(-n, n, size=(2, 1)))
        elif draw == 3:
            start, stop = sorted(int(i) for i in rng.integers(0, n + 1, size=2))
            parts.append(slice(start, stop, int(rng.integers(1, 4))))
        elif draw == 4:
            parts.append(slice(None, None, -int(rng.integers(1, 3))))
        else:
            parts.append(slice(None))
        if rng.random() < 0.1:
            parts.append(None)
    if parts and rng.random() < 0.2:
        parts[int(rng.integers(len(parts)))] = ...
    return tuple(parts)


def _indexed(rng: Rng, x: Any) -> Step:
    index = _index(rng, x)
    return lambda v: v[index]


def _updated(rng: Rng, x: Any, z: Any) -> Step:
    index, way = _index(rng, x), ("set", "add")[rng.integers(2)]
    part = np.shape(np.asarray(x)[index])
    np.broadcast_to(z, part)

    def update(v: Any, w: Any) -> Any:
        return getattr(_tensor(v).at[index], way)(w)

    return update


def _tensor(v: Any) -> Any:
    return v if isinstance(v, Node) else constant(v, Tensor)


def _scattered(rng: Rng, x: Any, i: Any) -> Step:
    _refuse_fractions(i)
    if not np.ndim(x) or np.shape(i) != np.shape(x)[:1]:
        raise ValueError("one place a row")
    n = int(rng.integers(1, 6))
    return lambda v, rows: _tensor(knp.zeros((n, *np.shape(x)[1:]), x.dtype)).at[knp.remainder(rows, n)].add(v)


def _along_indices(rng: Rng, x: Any) -> Step:
    axis = _axis(rng, x)
    return lambda v: knp.take_along_axis(v, knp.argsort(v, axis=axis), axis=axis)


def _padded(rng: Rng, x: Any) -> Step:
    widths = [tuple(int(w) for w in rng.integers(0, 3, 2)) for _ in np.shape(x)]
    if not widths:
        raise ValueError("no axes")
    return lambda v: knp.pad(v, widths)


def _stacked(rng: Rng, x: Any, z: Any) -> Step:
    axis = int(rng.integers(-np.ndim(x) - 1, np.ndim(x) + 1))
    return lambda v, w: knp.stack([v, w], axis=axis)


def _joined(rng: Rng, x: Any, z: Any) -> Step:
    axis = _axis(rng, x)
    return lambda v, w: knp.concatenate([v, w, v], axis=axis)


def _repeated(rng: Rng, x: Any) -> Step:
    axis, times = _axis(rng, x), int(rng.integers(1, 4))
    return lambda v: knp.repeat(v, times, axis=axis)


def _tiled(rng: Rng, x: Any) -> Step:
    reps = tuple(int(r) for r in rng.integers(1, 3, size=int(rng.integers(1, 3))))
    return lambda v: knp.tile(v, reps)


def _turned(rng: Rng, x: Any) -> Step:
    axes = tuple(int(i) for i in rng.permutation(np.ndim(x)))
    return lambda v: knp.transpose(v, axes)


def _reshaped(rng: Rng, x: Any) -> Step:
    size = int(np.size(x))
    parts = [n for n in range(1, size + 1) if size % n == 0]
    if not parts:
        raise ValueError("empty")
    first = int(rng.choice(parts))
    shape = ((first, size // first), (size,), (1, first, size // first), (first, 1, -1))[rng.integers(4)]
    return lambda v: knp.reshape(v, shape)


def _spread(rng: Rng, x: Any) -> Step:
    shape = (int(rng.integers(1, 4)), *np.shape(x))
    return lambda v: knp.broadcast_to(v, shape)


def _chosen(rng: Rng, c: Any, x: Any, z: Any) -> Step:
    return lambda b, v, w: knp.where(b, v, w)


def _safe_divide(x: Any, z: Any) -> Any:
    return knp.floor_divide(x, knp.where(z == 0, 3, z))


def _safe_rest(x: Any, z: Any) -> Any:
    return knp.remainder(x, knp.where(z == 0, 3, z))


def _contracted(pattern: str) -> Any:
    return _plain(lambda x, z: knp.einsum(pattern, x, z))


STEPS: list[tuple[str, int, Any]] = [
    *((name, count, _only("f", make)) for name, count, make in FLOATING),
    ("cast", 1, _cast),
    ("cast", 1, _cast),
    *((name, 2, _plain(getattr(knp, name))) for name in (
        "add", "multiply", "subtract", "maximum", "minimum", "less", "greater_equal", "equal", "not_equal", "greater",
        "logical_and", "logical_or", "logical_xor", "less_equal", "fmax", "hypot", "heaviside")),
    *((f"{name} number", 1, _with_number(getattr(knp, name))) for name in (
        "add", "multiply", "subtract", "maximum", "less", "divide", "equal")),
    *((name, 1, _plain(getattr(knp, name))) for name in (
        "logical_not", "sign", "floor", "ceil", "trunc", "rint", "abs", "square", "negative", "isfinite", "isnan",
        "ravel", "atleast_2d", "expm1", "sinh", "arcsinh", "cbrt", "positive", "reciprocal", "arctan")),
    *((name, 1, _plain(getattr(special, name))) for name in ("expit", "erf", "log_expit", "ndtr")),
    ("signbit", 1, _plain(lambda x: knp.signbit(x + 0.0))),  # which sign a zero has is left open
    ("copysign", 2, _plain(lambda x, z: knp.copysign(x, z + 0.0))),
    ("relu", 1, _plain(lambda x: knp.maximum(x, 0))),
    ("gate", 2, _plain(lambda x, z: knp.where(x > 0, x, z))),
    ("both signs", 1, _plain(lambda x: knp.where(x > 0, knp.log1p(knp.abs(x)), x * x))),
    ("divide by one more", 2, _plain(lambda x, z: x / (1 + knp.abs(z)))),
    ("floor_divide", 2, _only("iuf", _plain(_safe_divide))),
    ("remainder", 2, _only("iuf", _plain(_safe_rest))),
    ("bitwise_and", 2, _only("iub", _plain(knp.bitwise_and))),
    ("bitwise_xor", 2, _only("iub", _plain(knp.bitwise_xor))),
    ("invert", 1, _only("iub", _plain(knp.invert))),
    ("where", 3, _chosen),
    *((name, 1, _reduction(getattr(knp, name))) for name in (
        "sum", "mean", "max", "min", "prod", "all", "any", "count_nonzero", "var", "std")),
    ("logsumexp", 1, _reduction(special.logsumexp)),
    *((name, 1, _along(getattr(knp, name))) for name in (
        "argmax", "argmin", "argsort", "cumsum", "sort", "flip", "diff", "expand_dims")),
    ("softmax", 1, _along(special.softmax)),
    ("log_softmax", 1, _along(special.log_softmax)),
    ("norm", 1, _normed),
    ("take", 2, _looked_up),
    ("index", 1, _indexed),
    ("index", 1, _indexed),
    ("update", 2, _updated),
    ("scatter", 2, _scattered),
    ("take_along_axis", 1, _along_indices),
    ("pad", 1, _padded),
    ("stack", 2, _stacked),
    ("concatenate", 2, _joined),
    ("repeat", 1, _repeated),
    ("tile", 1, _tiled),
    ("transpose", 1, _turned),
    ("reshape", 1, _reshaped),
    ("broadcast_to", 1, _spread),
    ("squeeze", 1, _plain(knp.squeeze)),
    ("triu", 1, _plain(knp.triu)),
    ("diagonal", 1, _plain(knp.diagonal)),
    ("trace", 1, _plain(knp.trace)),
    ("matmul", 2, _plain(knp.matmul)),
    ("gram", 1, _plain(lambda x: knp.matmul(x, knp.swapaxes(x, -1, -2)))),
    ("outer", 2, _plain(knp.outer)),
    ("inner", 2, _plain(knp.inner)),
    ("dot", 2, _plain(knp.dot)),
    ("kron", 2, _plain(knp.kron)),
    ("einsum", 2, _contracted("...i,...i->...")),
    ("einsum", 2, _contracted("...ij,...kj->...ik")),
    ("einsum", 2, _contracted("...i,...j->...ij")),
]  # fmt: skip
