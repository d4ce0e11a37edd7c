"""How op records are written: constructors for the kinds of ops that share rules.

A family module calls these and registers what comes back; nothing here knows a particular op.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from koubai.errors import DTypeError, RangeError, ShapeError, UsageError
from koubai.graph import Op, Sample, Type, Words, register

__all__ = [
    "Through",
    "arrays",
    "binary",
    "broadcast_shapes",
    "conjugated",
    "dtype_by_example",
    "elementwise",
    "is_elementwise",
    "ndim_of",
    "predicate",
    "shape_of",
    "unary",
]


_REAL = (np.float64, float, int, np.float32)


def ndim_of(x: Any) -> int:
    """Number of axes of an array, node or number."""
    return x.ndim if hasattr(x, "ndim") else 0


def shape_of(x: Any) -> tuple[int, ...]:
    """Shape of an array, node or number."""
    return tuple(x.shape) if hasattr(x, "shape") else ()


def conjugated(x: Any) -> Any:
    """The complex conjugate; a real value as it is."""
    if type(x) in _REAL:
        return x
    if hasattr(x, "dtype"):
        return x if x.dtype.kind != "c" else x.conj()
    return x.conjugate()


def broadcast_shapes(name: str, types: Sequence[Type]) -> tuple[int, ...]:
    """The common shape of inputs that broadcast, or an error that names the axis where they do not."""
    try:
        return np.broadcast_shapes(*(t.shape for t in types))
    except ValueError:
        shapes = ", ".join(str(t.shape) for t in types)
        raise ShapeError(
            f"{name}: expected shapes that broadcast (aligned at the last axis, each pair of lengths equal "
            f"or one of them 1), got {shapes}"
        ) from None


def dtype_by_example(name: str, forward: Callable[..., Any], examples: Sequence[Any]) -> np.dtype[Any]:
    """The dtype that NumPy gives the result, asked on arrays with one element; or why it refuses."""
    try:
        with np.errstate(all="ignore"):
            dtype: np.dtype[Any] = np.asarray(forward(*examples)).dtype
            return dtype
    except TypeError as error:
        dtypes = ", ".join(str(np.asarray(x).dtype) for x in examples)
        raise DTypeError(f"{name}: not defined for {dtypes}: {error}") from None
    except OverflowError as error:  # by a Python int, which stands for itself among the examples
        raise RangeError(f"{name}: {error}; convert the array to a wider dtype first") from None
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None


class Through:
    """A rule of a real elementwise op as a function of what flows through it: ``rule(g, y, *xs)``.

    Written instead of a partial derivative where the product would be less exact or slower.
    """

    __slots__ = ("rule",)

    def __init__(self, rule: Callable[..., Any]) -> None:
        self.rule = rule


def _rules(partial: Any, arity: int) -> tuple[Any, Any]:
    """The vjp and the jvp of an elementwise op for one input, from its partial derivative."""
    if partial is None:
        return None, None
    if isinstance(partial, Through):
        return partial.rule, partial.rule
    if isinstance(partial, int):
        rule = (lambda g, y, *xs: g) if partial == 1 else (lambda g, y, *xs: -g)
        return rule, rule
    # Spelled out by the number of inputs: packing and unpacking them costs as much as a scalar product.
    if arity == 1:
        return (
            lambda g, y, x: g * conjugated(partial(y, x)),
            lambda t, y, x: t * partial(y, x),
        )
    return (
        lambda g, y, a, b: g * conjugated(partial(y, a, b)),
        lambda t, y, a, b: t * partial(y, a, b),
    )


def _elementwise_batch(op: Op, size: int, batched: Sequence[bool], *xs: Any, **params: Any) -> Any:
    rank = max(ndim_of(x) - b for x, b in zip(xs, batched))
    return op(*(_aligned(x, rank) if b else x for x, b in zip(xs, batched)), **params)


def _aligned(x: Any, rank: int) -> Any:
    """A stack of arrays, with axes of length one after the stack's axis up to `rank` axes an array."""
    missing = rank - (ndim_of(x) - 1)
    return x if missing == 0 else x.reshape((x.shape[0],) + (1,) * missing + tuple(x.shape[1:]))


def elementwise(
    name: str,
    forward: Callable[..., Any],
    *partials: Any,
    words: Words,
    samples: Callable[[], Sequence[Sample]],
    **fields: Any,
) -> Op:
    """An op whose inputs broadcast and whose result at an index depends on the inputs at that index.

    Parameters
    ----------
    partials
        For each input the local derivative ``partial(y, *xs)``; 1 or -1 where it is that number; a
        `Through` rule; or None where no gradient flows. None given at all: the op has no gradient.
    """

    def infer(*types: Type, **params: Any) -> Type:
        shape = broadcast_shapes(name, types)
        dtype = dtype_by_example(name, lambda *xs: forward(*xs, **params), [t.example() for t in types])
        return Type(shape, dtype)

    rules = [_rules(p, len(partials)) for p in partials]
    derived = {"vjp": tuple(r[0] for r in rules), "jvp": tuple(r[1] for r in rules)} if partials else {}
    return register(
        Op(
            name,
            forward,
            infer,
            words,
            **{**derived, **fields},
            batch=_elementwise_batch,
            samples=samples,
        )
    )


def is_elementwise(op: Op) -> bool:
    """Whether the result at an index depends on the inputs at that index only."""
    return op.batch is _elementwise_batch


def predicate(
    name: str,
    forward: Callable[..., Any],
    formula: str,
    en: str,
    ja: str,
    samples: Callable[[], Sequence[Sample]],
    **fields: Any,
) -> Op:
    """An elementwise op without a gradient: its result is piecewise constant."""
    return elementwise(name, forward, words=Words(formula, "0", en, ja), samples=samples, **fields)


def arrays(*shapes: tuple[int, ...], low: float = -2.0, high: float = 2.0, seed: int = 0) -> tuple[Any, ...]:
    """Arrays of the given shapes, uniform between `low` and `high`, the same at every call."""
    rng = np.random.default_rng(seed)
    return tuple(np.asarray(rng.uniform(low, high, shape))[()] for shape in shapes)


def unary(low: float = -2.0, high: float = 2.0, *, complex: bool = True) -> Callable[[], list[Sample]]:
    """Samples of a function of one variable on ``[low, high]``, and around there in the complex plane."""

    def samples() -> list[Sample]:
        shapes: list[tuple[int, ...]] = [(), (3,), (2, 3), (0, 2)]
        found = [Sample(arrays(shape, low=low, high=high)) for shape in shapes]
        if complex:
            re, im = arrays((3,), (3,), low=0.0, high=1.0)
            found.append(Sample((low + (high - low) * (0.25 + re / 2) + 1j * (0.2 + im / 2),)))
        return found

    return samples


def binary(low: float = -2.0, high: float = 2.0, *, complex: bool = True) -> Callable[[], list[Sample]]:
    """Samples of a function of two variables on ``[low, high]``, with broadcasting and numbers."""

    def samples() -> list[Sample]:
        pairs: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
            ((), ()), ((3,), (3,)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 2)), ((0, 2), (1, 2)),
        ]  # fmt: skip
        found = [Sample(arrays(a, b, low=low, high=high)) for a, b in pairs]
        middle = low + 0.7 * (high - low)
        found += [Sample((*arrays((3,), low=low, high=high), middle))]
        found += [Sample((middle, *arrays((3,), low=low, high=high)))]
        if complex:
            a, b, c, d = arrays((3,), (3,), (3,), (3,), low=0.0, high=1.0)
            span = high - low
            found.append(Sample((low + span * (0.3 + a / 2) + 1j * b, low + span * (0.3 + c / 2) - 1j * d)))
            found.append(Sample((low + span * (0.3 + a / 2), low + span * (0.3 + c / 2) - 1j * d)))
        return found

    return samples
