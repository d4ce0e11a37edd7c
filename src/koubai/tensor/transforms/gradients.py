"""grad, vjp and jvp: first derivatives of a function, in reverse and in forward mode."""

from __future__ import annotations

from collections.abc import Sequence
from functools import wraps
from typing import Any

import numpy as np

from koubai.diff import forward_mode, reverse_mode
from koubai.errors import DTypeError, ShapeError, UsageError
from koubai.graph import Node
from koubai.tensor.seed import seed_of
from koubai.tensor.transforms.binding import Call, Function, argument_numbers
from koubai.tensor.trees import matched

__all__ = ["grad", "jvp", "value_and_grad", "vjp"]


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """A function that returns ``f(*args)`` and its gradient. See `grad`.

    Parameters
    ----------
    f, argnums, has_aux
        As of `grad`.

    Examples
    --------
    >>> import koubai as kb
    >>> value, slope = kb.value_and_grad(lambda x: x * x)(3.0)
    >>> float(value), float(slope)
    (9.0, 6.0)
    """
    numbers, single = argument_numbers(argnums)

    @wraps(f, updated=())
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        call = Call("grad", lambda *xs: f(*xs, **kwargs), args, numbers, has_aux)
        y = _scalar(call)
        seed = np.ones(y.shape, y.dtype)[()]
        found = reverse_mode([y], [seed], call.bound.variables, record=call.record)
        packed = call.bound.pack(call.filled(found, call.bound.variables))
        slopes = packed[0] if single else tuple(packed)
        value = call.value()
        return ((value, call.aux), slopes) if has_aux else (value, slopes)

    return differentiated


def grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """A function that returns the gradient of ``f``, whose output must have one element.

    Parameters
    ----------
    f : callable
        Takes arrays, numbers, or nested tuples, lists and dicts of these, and returns one real number.
    argnums : int or sequence of int
        Which arguments to differentiate by; a sequence gives a tuple of gradients.
    has_aux : bool
        With True, f returns a pair (output, aux), and the result is (gradient, aux).

    Returns
    -------
    callable
        Gives plain arrays for plain arrays and Tensors for Tensors, of the shape and dtype of the argument;
        zeros for an argument that does not matter. Can be differentiated again.

    Raises
    ------
    ShapeError
        If the output has more than one element (use `jacobian`).
    DTypeError
        If an argument is of integer dtype, or the output is complex.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.grad(lambda w: (w * 2.0 - 5.0) ** 2)(2.0)
    np.float64(-4.0)
    >>> kb.grad(kb.grad(kb.numpy.sin))(0.5) == -np.sin(0.5)
    np.True_
    """
    both = value_and_grad(f, argnums, has_aux)

    @wraps(f, updated=())
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        value, slopes = both(*args, **kwargs)
        return (slopes, value[1]) if has_aux else slopes

    return differentiated


def _scalar(call: Call) -> Any:
    if len(call.outputs) != 1:
        raise ShapeError(f"grad: the function returned {len(call.outputs)} outputs, expected one number")
    (y,) = call.outputs
    if y.size != 1:
        raise ShapeError(
            f"grad: the output has shape {y.shape}, expected one element; reduce it (sum, mean) or use kb.jacobian"
        )
    if y.dtype.kind == "b":
        raise DTypeError("grad: the output is a truth value, which has no gradient; return a floating-point number")
    if y.dtype.kind == "c":
        raise DTypeError(
            "grad: the output is complex, so it has no single gradient; take .real, .imag or abs of it, "
            "or use kb.vjp with the direction that you mean"
        )
    return y


def vjp(f: Function, *xs: Any) -> tuple[Any, Function]:
    """``f(*xs)`` and its pullback: the map from a gradient of the output to gradients of the arguments.

    Parameters
    ----------
    f : callable
        Takes arrays, numbers, or nested containers of these, and returns arrays.
    *xs
        Its arguments.

    Returns
    -------
    y, pullback
        ``pullback(g)`` returns a tuple with one gradient an argument; g is cast to y's dtype. For complex
        values the gradient follows the steepest ascent of a real output, as in PyTorch: rules conjugate.

    Examples
    --------
    >>> import koubai as kb
    >>> y, pullback = kb.vjp(lambda a, b: a * b, 10.0, 20.0)
    >>> [float(g) for g in pullback(1.0)]
    [20.0, 10.0]
    """
    call = Call("vjp", f, xs, range(len(xs)), has_aux=False)

    def pullback(g: Any) -> tuple[Any, ...]:
        leaves = matched("pullback: gradient", g, call.rebuild(call.outputs))
        record = call.record or any(isinstance(leaf, Node) for leaf in leaves)
        seeds = [seed_of("pullback", leaf, y) for leaf, y in zip(leaves, call.outputs)]
        found = reverse_mode(call.outputs, seeds, call.bound.variables, record=record)
        lifted = [g if isinstance(g, Node) and record else None for g in found]
        filled = call.filled(found, call.bound.variables)
        return tuple(call.bound.pack([g if g is not None else z for g, z in zip(lifted, filled)]))

    return call.value(), pullback


def jvp(f: Function, xs: Sequence[Any], vs: Sequence[Any]) -> tuple[Any, Any]:
    """``f(*xs)`` and its change when the arguments change by `vs`: forward mode.

    Parameters
    ----------
    f : callable
        Takes arrays, numbers, or nested containers of these, and returns arrays.
    xs : tuple
        Its arguments.
    vs : tuple
        The direction in which each argument changes, of its shape.

    Examples
    --------
    >>> import koubai as kb
    >>> y, dy = kb.jvp(lambda a, b: a * b, (10.0, 20.0), (1.0, 0.0))
    >>> float(dy)
    20.0
    """
    if not isinstance(xs, (tuple, list)) or not isinstance(vs, (tuple, list)) or len(xs) != len(vs):
        raise UsageError("jvp: expected a tuple of arguments and a tuple of as many directions")
    call = Call("jvp", f, xs, range(len(xs)), has_aux=False)
    leaves = matched("jvp: directions", vs, xs)
    tangents = [seed_of("jvp", v, x) for v, x in zip(leaves, call.bound.variables)]
    if any(isinstance(v, Node) for v in leaves):
        call.bound.given_tensors = call.record = True
    changes = forward_mode(call.outputs, call.bound.variables, tangents, record=call.record)
    return call.value(), call.rebuild(call.filled(changes, call.outputs))
