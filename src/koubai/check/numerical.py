"""Numerical differentiation: slow, exact enough, and independent of every rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from koubai.check.slope import slope_of
from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.graph import Node, constant
from koubai.tensor import Tensor
from koubai.tensor.transforms.binding import argument_numbers
from koubai.tensor.trees import flatten

__all__ = ["as_vector", "double", "length", "numerical_grad"]

LARGEST_STEP = 2.0**-7


def numerical_grad(f: Callable[..., Any], *xs: Any, argnums: int | Sequence[int] = 0) -> Any:
    """The gradient of ``f`` by central differences, in float64.

    Each element is moved up and down by steps h, h/2, h/4, ..., and the differences
    ``(f(x + h) - f(x - h)) / 2h`` are extrapolated to h = 0. It costs at least six calls of f for an element, so
    it is for checking and for seeing, not for training.

    Parameters
    ----------
    f : callable
        Takes arrays, numbers, or nested tuples, lists and dicts of these, and returns one real number.
    *xs
        The point. Arguments that are differentiated count in float64 (complex128); integers count as floats.
    argnums : int or sequence of int
        Which arguments to differentiate by; a sequence gives a tuple of gradients.

    Returns
    -------
    array or container of arrays
        float64, in the shape of the argument. For a complex argument z the gradient is
        dE/dRe z + i dE/dIm z, as `koubai.grad` has it. At a kink the mean of the slopes on both sides.

    Raises
    ------
    ShapeError
        If f returns more than one element.
    DTypeError
        If f returns a complex number, or an argument is no array of numbers.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.numerical_grad(lambda w: (w * 2.0 - 5.0) ** 2, 2.0).round(9)
    np.float64(-4.0)
    >>> kb.numerical_grad(lambda p: p["a"] * p["b"], {"a": 10.0, "b": 20.0})["a"].round(9)
    np.float64(20.0)
    """
    numbers, single = argument_numbers(argnums)
    found = tuple(_gradient(f, list(xs), n) for n in numbers)
    return found[0] if single else found


def _gradient(f: Callable[..., Any], xs: list[Any], n: int) -> Any:
    if not -len(xs) <= n < len(xs):
        raise UsageError(f"numerical_grad: argnums names argument {n}, but {len(xs)} were given")
    leaves, rebuild = flatten(xs[n])
    values = [double("numerical_grad", n, leaf) for leaf in leaves]

    def at(k: int, value: Any) -> Any:
        moved = [value if i == k else v for i, v in enumerate(values)]
        moved = [constant(v, Tensor) if isinstance(leaf, Node) else v for v, leaf in zip(moved, leaves)]
        args = [*xs]
        args[n] = rebuild(moved)
        return _one_number(f(*args))

    return rebuild([_leaf_gradient(partial(at, k), value) for k, value in enumerate(values)])


def _leaf_gradient(f: Callable[[Any], Any], x: Any) -> Any:
    slopes = np.zeros(x.shape, x.dtype)
    for index in np.ndindex(x.shape):
        for unit in (1.0, 1j) if x.dtype.kind == "c" else (1.0,):
            step = LARGEST_STEP * max(1.0, abs(x[index]))
            found = slope_of(partial(_moved_value, f, x, index, unit), step)
            slopes[index] += unit * found.value[0]
    return slopes[()]


def _moved_value(f: Callable[[Any], Any], x: Any, index: tuple[int, ...], unit: complex, h: float) -> Any:
    """f at a copy of x in which one element is changed."""
    moved = np.array(x)
    moved[index] += h * unit
    return f(moved[()])


def _one_number(y: Any) -> Any:
    y = np.asarray(y.value if isinstance(y, Node) else y)
    if y.dtype.kind not in "biufc":
        raise DTypeError("numerical_grad: expected the function to return a number, got something else")
    if y.size != 1:
        raise ShapeError(
            f"numerical_grad: the output has shape {y.shape}, expected one element; reduce it (sum, mean)"
        )
    if y.dtype.kind == "c":
        raise DTypeError("numerical_grad: the output is complex; take .real, .imag or abs of it")
    return y.reshape(1).astype(np.float64)


def double(name: str, n: int, x: Any) -> Any:
    """A number or array in float64 or complex128; an integer array is refused, as `koubai.grad` does."""
    value = np.asarray(x.value if isinstance(x, Node) else x)
    if type(x) is int:
        value = value.astype(np.float64)
    if value.dtype.kind not in "fc":
        raise DTypeError(
            f"{name}: argument {n} has dtype {value.dtype}, which has no gradient; pass floating-point numbers"
        )
    return value.astype(np.complex128 if value.dtype.kind == "c" else np.float64)[()]


def length(vector: Any) -> float:
    """The Euclidean norm of a vector, also where the squares are too large or too small for float64.

    Examples
    --------
    >>> bool(np.isclose(length(np.array([3e200, 4e200])), 5e200))
    True
    """
    largest = float(np.max(np.abs(vector), initial=0.0))
    if not 0.0 < largest < np.inf:
        return largest
    return largest * float(np.linalg.norm(vector / largest))


def as_vector(arrays: Sequence[Any]) -> Any:
    """Arrays as one float64 vector; a complex number counts as its real and imaginary part.

    Examples
    --------
    >>> as_vector([np.array([1.0, 2.0]), 3.0 + 4.0j]).tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    parts = [np.zeros(0)]
    for a in arrays:
        a = np.asarray(a)
        wide = np.ascontiguousarray(a.astype(np.complex128 if a.dtype.kind == "c" else np.float64)).reshape(
            -1
        )
        parts.append(wide.view(np.float64))
    return np.concatenate(parts)
