"""Arguments of NumPy's functions, brought into the form that ops take."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from functools import wraps
from operator import index
from typing import Any, TypeVar

import numpy as np

from koubai.errors import AxisError, DTypeError, RangeError, ShapeError, TracingError, UnsupportedError
from koubai.graph import Node, constant, users_line
from koubai.ops import shape as s
from koubai.ops.define import shape_of

__all__ = [
    "after_options",
    "arrayed",
    "as_ufunc",
    "axes",
    "concrete",
    "constants",
    "holds_node",
    "joined",
    "kind_of",
    "like_numpy",
    "like_ufunc",
    "many_axes",
    "one_axis",
    "operand",
    "refuse",
    "shape_argument",
    "whole",
]

ELSEWHERE = "Compute it outside of the traced function, or choose with kb.numpy.where instead"
CHOOSING = "Choose with kb.numpy.where instead, which keeps the shape: kb.numpy.sum(kb.numpy.where(mask, x, 0))"

F = TypeVar("F", bound=Callable[..., Any])


def operand(x: Any) -> Any:
    """A node or plain number as it is; anything else as an array (nested lists may hold tensors)."""
    if isinstance(x, (Node, np.ndarray, np.generic, int, float, complex)):
        return x
    return joined(x)


def arrayed(x: Any) -> Any:
    """As `operand`, but a Python number becomes a NumPy scalar, which has shape and methods."""
    x = operand(x)
    return x if isinstance(x, (Node, np.ndarray, np.generic)) else np.asarray(x)[()]


def joined(x: Any) -> Any:
    """Nested lists as one array; every tensor in them is linked to it."""
    if isinstance(x, Node):
        return x
    if not isinstance(x, (list, tuple)) or not holds_node(x):
        return np.array(x)
    parts = [joined(item) for item in x]
    shape = shape_of(parts[0])
    for k, part in enumerate(parts):
        if shape_of(part) != shape:
            raise ShapeError(
                f"array: expected nested lists of one shape, got {shape} and {shape_of(part)} (element {k})"
            )
    return s.stack(parts)


def holds_node(x: Any) -> bool:
    """Whether `x` is a tensor or a nested list of such."""
    if isinstance(x, Node):
        return True
    return isinstance(x, (list, tuple)) and builtins.any(holds_node(item) for item in x)


def kind_of(x: Any) -> type[Node]:
    """The class of what is computed from `x`, a tensor or a nested list that holds one."""
    return x.result_class if isinstance(x, Node) else kind_of(next(filter(holds_node, x)))


def like_numpy(function: F) -> F:
    """A function of NumPy's name: NumPy's own on plain arrays, `function` where a tensor is among the arguments."""
    # A name younger than the installed NumPy has no original.
    original = getattr(np, function.__name__, function)

    @wraps(function)
    def either(*args: Any, **options: Any) -> Any:
        for x in args:
            if isinstance(x, Node):
                return function(*args, **options)
        if holds_node(args) or (options and holds_node(tuple(options.values()))):
            return function(*args, **options)
        return original(*args, **options)

    return either  # type: ignore[return-value]


def like_ufunc(function: F) -> F:
    """As `like_numpy` for a universal function: with its options, and the dtypes that NumPy computes in."""
    original: np.ufunc = getattr(np, function.__name__)

    @wraps(function)
    def either(*xs: Any, **options: Any) -> Any:
        if not holds_node(xs):
            return original(*xs, **options)
        xs = after_options(original, xs, options)
        return function(*_in_loop_dtypes(original, xs, None, "same_kind"))

    return as_ufunc(either, original)  # type: ignore[return-value]


def as_ufunc(function: Callable[..., Any], original: np.ufunc) -> Callable[..., Any]:
    """The function with a ufunc's methods and numbers; NumPy's methods find tensors by `__array_ufunc__`."""
    for name in ("reduce", "accumulate", "reduceat", "outer", "at", "nin", "nout", "nargs", "identity"):
        setattr(function, name, getattr(original, name))
    return function


def after_options(original: np.ufunc, xs: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
    """The inputs after NumPy's options for ufuncs: `dtype` casts as NumPy does, what writes in place is refused."""
    name, options = original.__name__, dict(options)
    xs, places = xs[: original.nin], [*xs[original.nin :]]
    if len(xs) < original.nin:
        raise DTypeError(f"{name}: expected {original.nin} inputs, got {len(xs)}")
    out = options.pop("out", None)
    places += out if isinstance(out, tuple) else [out]
    if builtins.any(place is not None for place in places):
        refuse(name, out=places)
    if options.pop("where", True) is not True:
        raise UnsupportedError(
            f"{name}: where= would leave elements undefined; write kb.numpy.where(condition, {name}(...), other)"
        )
    dtype, casting = options.pop("dtype", None), options.pop("casting", "same_kind")
    for key in ("order", "subok"):
        options.pop(key, None)
    if options:
        raise DTypeError(f"{name}: unknown argument {next(iter(options))!r}")
    return xs if dtype is None else _in_loop_dtypes(original, xs, np.dtype(dtype), casting)


def _in_loop_dtypes(original: np.ufunc, xs: tuple[Any, ...], dtype: Any, casting: Any) -> tuple[Any, ...]:
    """The inputs in the dtypes in which NumPy computes a ufunc, if its result shall have the dtype given."""
    xs = tuple(map(operand, xs))
    given = [type(x) if type(x) in (int, float, complex) else arrayed(x).dtype for x in xs]
    nothing = [None] * original.nin
    try:
        found = original.resolve_dtypes(
            (*given, *[None] * original.nout), signature=(*nothing, *[dtype] * original.nout), casting=casting
        )
    except TypeError as error:
        asked = "" if dtype is None else f" with dtype={dtype}"
        types = ", ".join(x.__name__ if isinstance(x, type) else str(x) for x in given)
        raise DTypeError(f"{original.__name__}: not defined for {types}{asked}: {error}") from None
    if builtins.any(t.kind not in "biufc" for t in found):
        raise UnsupportedError(f"{original.__name__}: dtype={dtype} is not a dtype of numbers")
    return tuple(_in_dtype(original.__name__, x, t) for x, t in zip(xs, found))


def _in_dtype(name: str, x: Any, dtype: Any) -> Any:
    if type(x) is int:
        return whole(name, x, dtype)
    x = arrayed(x)
    return x if x.dtype == dtype else s.astype(x, dtype=dtype)


def whole(name: str, x: int, dtype: Any) -> Any:
    """A Python int in a dtype, which must be able to hold it."""
    try:
        return np.asarray(x, dtype)[()]
    except OverflowError as error:
        raise RangeError(f"{name}: {error}; convert the array to a wider dtype first") from None


def concrete(name: str, x: Any, remedy: str = "") -> Any:
    """The value of a tensor, or an error that names the function which needs it; lists are searched too."""
    if isinstance(x, Node):
        if x.value is None:
            raise TracingError(
                f"{name} ({users_line()}): its result depends on values, but a tensor of type {x.type} is being "
                f"traced: only shape and dtype are known here. {remedy or ELSEWHERE}"
            )
        return x.value
    if isinstance(x, (list, tuple)) and holds_node(x):
        return type(x)(concrete(name, item, remedy) for item in x)
    return x


def constants(x: Any, kind: type[Node]) -> Any:
    """What came back from NumPy, as tensors without gradient."""
    if isinstance(x, np.ndarray):
        return constant(x[()], kind)
    if isinstance(x, np.generic):
        return constant(x, kind)
    if not isinstance(x, (tuple, list)):
        return x
    parts = [constants(item, kind) for item in x]
    return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)


def one_axis(name: str, axis: Any, ndim: int) -> int:
    """A single axis, counted from the front."""
    try:
        axis = index(axis)
    except TypeError:
        raise DTypeError(f"{name}: expected axis to be an integer, got {type(axis).__name__}") from None
    if not -ndim <= axis < ndim:
        raise AxisError(f"{name}: axis {axis} does not exist in an array with {ndim} axes")
    return axis + ndim if axis < 0 else axis  # type: ignore[no-any-return]


def many_axes(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """One axis or several, counted from the front, in the order given."""
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    found = tuple(one_axis(name, a, ndim) for a in given)
    if len(set(found)) != len(found):
        raise ShapeError(f"{name}: an axis is named twice in {axis}")
    return found


def axes(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """A sorted tuple of axes counted from the front; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int and -ndim <= axis < ndim:
        return (axis if axis >= 0 else axis + ndim,)
    return tuple(sorted(many_axes(name, axis, ndim)))


def shape_argument(name: str, shape: Any) -> tuple[int, ...]:
    """A shape given as a number or a sequence of numbers."""
    try:
        if isinstance(shape, (tuple, list, np.ndarray)):
            return tuple(map(index, shape))
        return (index(shape),)
    except TypeError:
        raise DTypeError(f"{name}: expected a shape (integers), got {shape!r}") from None


def refuse(name: str, **given: Any) -> None:
    """Raise for arguments of NumPy's that a tensor cannot follow, when they are given."""
    for argument, value in given.items():
        if value is None:
            continue
        if argument == "out":
            raise UnsupportedError(
                f"{name}: out= is not supported for tensors, since nothing is written in place; "
                f"use the returned value instead"
            )
        raise UnsupportedError(f"{name}: {argument}= is not supported for tensors; leave it out")
